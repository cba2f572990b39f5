"""How far a job is, in numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from monai_sr.archive.job import Job
from monai_sr.archive.status import read_status

__all__ = ["summary_of"]

_MOST = 20  # reasons and names that are shown


def summary_of(out: Path) -> dict[str, Any]:
    """Counts, time by stage, and why series are not done.

    Args:
        out: output folder of a job.

    Raises:
        FileNotFoundError: if it is none.
    """
    record = json.loads((Job.own_folder(out) / "job.json").read_text(encoding="utf-8"))
    rows = list(read_status(Job.own_folder(out) / "status").values())
    counts = Counter(row.status for row in rows)
    worked = [row for row in rows if row.status == "done" and not row.kept]
    stages = ("seconds", "read_seconds", "resolve_seconds", "write_seconds")
    aside = sorted(row.series for row in rows if row.status == "set_aside")
    reasons = Counter(row.reason.replace(row.series, "<series>") for row in rows if row.status != "done")
    return {
        "series": record["series"],
        **{kind: counts[kind] for kind in ("done", "refused", "set_aside", "stopped")},
        "left": record["series"] - len(rows),
        "bytes_written": sum(row.output_bytes for row in rows),
        "median_seconds": {stage: median(getattr(row, stage) for row in worked) for stage in stages} if worked else {},
        "reasons": dict(reasons.most_common(_MOST)),
        "set_aside_series": aside[:_MOST],
    }
