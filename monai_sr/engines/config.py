"""The door of a bundle config: which folder it lies in, whether every key means something, one sentence if not.

MONAI gives a config no way to see itself, adds a mistyped key without a word (1.6.1) and buries an error's sentence in
"Failed to evaluate". The functions here are called from ``$`` expressions and look up the call stack for the parser.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from monai_sr import catalogue

__all__ = ["ConfigRefused", "check_config", "find_bundle_root", "running_config"]

_REFERENCE = re.compile(r"[@%]([A-Za-z_]\w*(?:(?:::|#)\w+)*)")
_ENTRIES = ("imports", "initialize", "run", "finalize", "_meta_")
_RESERVED = ("_target_", "_disabled_", "_requires_", "_desc_", "_mode_")


class ConfigRefused(SystemExit):
    """A run cannot start as asked: Python prints the sentence alone.

    It is no ``Exception``, which MONAI would wrap.
    """


def _on_stack(kind: type) -> Any:
    frame = inspect.currentframe()
    while frame is not None:
        candidate = frame.f_locals.get("self")
        if isinstance(candidate, kind):
            return candidate
        frame = frame.f_back
    return None


def running_config() -> dict[str, Any]:
    """The merged config of the bundle command that is running, as written (nothing evaluated), without metadata.

    Empty outside a bundle command.
    """
    parser = _on_stack(ConfigParser)
    config = {} if parser is None else parser.get()
    return {key: value for key, value in config.items() if key != "_meta_"}


def find_bundle_root() -> str:
    """Folder of the bundle that is running, whatever the working folder; outside a bundle command the shipped one."""
    workflow = _on_stack(ConfigWorkflow)
    if workflow is not None:
        folder = Path(workflow.config_root_path).resolve()
        if folder.name == "configs" and (folder / "metadata.json").is_file():
            return str(folder.parent)
    return str(catalogue.bundle_root())


def check_config(base: str) -> None:
    """Refuse keys that nothing would ever read.

    A key is known if the bundle's own file has it, or if another entry refers to it. Arguments of a ``_target_`` are
    held against its signature.

    Args:
        base: the bundle's config that is running, e.g. ``"train.yaml"``.

    Raises:
        ConfigRefused: naming the first such key and its nearest neighbour.
    """
    config = running_config()
    known = ConfigParser.load_config_files(str(Path(find_bundle_root()) / "configs" / base))
    referred = _references(config)
    for key, wrong_of in _unread(config, known, referred):
        near = difflib.get_close_matches(key.rpartition("::")[2], wrong_of, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(wrong_of))}"
        raise ConfigRefused(f"unknown config key {key}: nothing reads it; {hint}")


def _references(config: Any) -> set[str]:
    """Every id that some text of the config refers to, with all its parents."""
    found: set[str] = set()
    for text in _texts(config):
        for match in _REFERENCE.findall(text):
            parts = match.replace("#", "::").split("::")
            found |= {"::".join(parts[: i + 1]) for i in range(len(parts))}
    return found


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _texts(value)


def _unread(config: Any, known: Any, referred: set[str], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Ids that nothing reads, each with the names that would be read in its place."""
    if isinstance(config, list):
        for i, value in enumerate(config):
            yield from _unread(value, None, referred, f"{path}::{i}")
    elif isinstance(config, Mapping) and "_target_" in config:
        accepted = _parameters(config["_target_"])
        for key, value in config.items():
            here = f"{path}::{key}"
            if accepted is not None and key not in (*accepted, *_RESERVED):
                yield here, accepted
            yield from _unread(value, None, referred, here)
    elif isinstance(config, Mapping):
        names = list(known) if isinstance(known, Mapping) else None
        for key, value in config.items():
            here = f"{path}::{key}" if path else str(key)
            # below an argument of a _target_ a dictionary is free; elsewhere it is structure
            structure = names is not None or not path
            if structure and key not in (*(names or ()), *_ENTRIES) and here not in referred:
                yield here, [n for n in names or () if n not in _ENTRIES]
            yield from _unread(value, known.get(key) if isinstance(known, Mapping) else None, referred, here)


def _parameters(target: Any) -> list[str] | None:
    """Names of the arguments that a ``_target_`` takes; None if it takes any, or cannot be told."""
    module, _, name = str(target).rpartition(".")
    try:
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    except (ImportError, AttributeError, ValueError, TypeError):
        return None  # MONAI says so itself, and by name, when it builds the part
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters]
