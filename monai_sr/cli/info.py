"""``monai-sr info``: what is installed, which models there are and what they were trained for. Loads no torch."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

import monai_sr
from monai_sr.catalogue import ModelError, ModelRecord, bundle_root, models, sha256
from monai_sr.cli.outcome import ExitCode

__all__ = ["info"]

_LIBRARIES = ("torch", "monai", "numpy", "nibabel", "pydicom", "highdicom")


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show version, libraries and models: sha256, trained range, and whether the weights are there and intact."""
    try:
        found = {"bundle": str(bundle_root()), "models": [_described(record) for record in models()]}
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    facts = {
        "version": monai_sr.__version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        **found,
        "intended_use": "Research only. Not for diagnosis.",
    }
    typer.echo(json.dumps(facts, indent=2) if as_json else _in_words(facts))


def _described(record: ModelRecord) -> dict[str, Any]:
    state = "missing"
    if record.file.is_file():
        state = "intact" if sha256(record.file) == record.sha256 else "changed"
    return {**record.as_json(), "path": str(record.file), "weights": state}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _in_words(facts: dict[str, Any]) -> str:
    lines = [f"monai_sr {facts['version']}, Python {facts['python']}"]
    lines.append(", ".join(f"{name} {number or 'missing'}" for name, number in facts["libraries"].items()))
    lines.append(f"bundle {facts['bundle']}")
    for position, model in enumerate(facts["models"]):
        default = " (default)" if position == 0 else ""
        lines += ["", f"{model['name']}{default}: {model['description']}".rstrip(": ")]
        lines.append(f"  weights  {model['file']}, {model['weights']}, sha256 {model['sha256']}")
        lines += [f"  {key:<8} {_range(value)}" for key, value in model["trained_range"].items()]
    lines += ["", "none: the whole pipeline without a network, as a baseline", "", facts["intended_use"]]
    return "\n".join(lines)


def _range(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_range(item)}" for key, item in value.items())
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
        return f"{value[0]:g} to {value[1]:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
