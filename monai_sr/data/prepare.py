"""Open every training scan once: prepare what is good, set aside what is not, with a list."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import Compose

from monai_sr.data.pairing import Case
from monai_sr.io.volume import InputError

__all__ = ["prepare_cases"]

_logger = logging.getLogger(__name__)


def prepare_cases(
    cases: Sequence[Case],
    transform: Callable[..., Any] | Sequence[Callable[..., Any]],
    set_aside: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Apply deterministic transforms to every case and keep the results in memory.

    A case that cannot be read or measured is set aside and the rest goes on; one faulty file in a thousand must not end
    a training, and must not be trained on either.

    Args:
        cases: as found by ``monai_sr.data.find_scans``.
        transform: e.g. load, normalise, describe.
        set_aside: JSON file that lists the cases left out and why; written also when the list is empty.

    Returns:
        Prepared cases; ``case`` and ``subject`` say whose, ``group`` is subject and modality.

    Raises:
        InputError: if nothing is left.
    """
    steps = transform if isinstance(transform, Compose) else Compose(transform)
    good: list[dict[str, Any]] = []
    faulty: dict[str, str] = {}
    for case in cases:
        try:
            prepared = steps(dict(case))
        except Exception as error:  # whatever a broken file raises, it is this case's fault alone
            faulty[case["name"]] = _reason(error)
            _logger.warning("set aside %s: %s", case["name"], faulty[case["name"]])
            continue
        good.append({**prepared, "case": case["name"], "subject": case["subject"], "group": _group(case, prepared)})
    if set_aside is not None:
        Path(set_aside).parent.mkdir(parents=True, exist_ok=True)
        Path(set_aside).write_text(json.dumps(faulty, indent=2) + "\n", encoding="utf-8")
    if not good:
        raise InputError("no case could be used: " + "; ".join(f"{name}: {why}" for name, why in faulty.items()))
    _logger.info("%d cases prepared, %d set aside", len(good), len(faulty))
    return good


def _reason(error: BaseException) -> str:
    """Our own sentence if there is one, else the first cause: MONAI wraps what a transform raises."""
    while error.__cause__ is not None and not isinstance(error, InputError):
        error = error.__cause__
    if isinstance(error, InputError):
        return str(error).splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _group(case: Case, prepared: Mapping[str, Any]) -> str:
    return f"{case['subject']}/{prepared.get('modality', '')}"
