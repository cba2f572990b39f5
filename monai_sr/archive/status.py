"""What became of each series: rows in Parquet parts, of which a killed job loses the last seconds and no result."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from monai_sr.io import atomic_path

__all__ = ["Status", "StatusRow", "StatusWriter", "read_status"]

Status = Literal["done", "refused", "set_aside", "stopped"]


@dataclass(frozen=True)
class StatusRow:
    """One series.

    Args:
        series: its name.
        status: ``done``; ``refused``, the input cannot be done right; ``set_aside``, it failed in every try;
            ``stopped``, the machine is at fault (disk full, weights missing) and the job ends.
        reason: one sentence where it is not done.
        kept: the result of an earlier run was there, and unchanged.
        seconds: for all of it; the stages follow.
        read_seconds: reading and decoding.
        resolve_seconds: everything between.
        write_seconds: writing, with preview.
        output_bytes: of the volumes written.
        sha256: of ``SHA256SUMS`` in its folder.
        worker: host and process.
        finished: seconds since 1970, UTC.
    """

    series: str
    status: Status
    reason: str = ""
    kept: bool = False
    seconds: float = 0.0
    read_seconds: float = 0.0
    resolve_seconds: float = 0.0
    write_seconds: float = 0.0
    output_bytes: int = 0
    sha256: str = ""
    worker: str = ""
    finished: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as Ray passes them on."""
        return asdict(self)


_ARROW = {"str": pa.string(), "Status": pa.string(), "bool": pa.bool_(), "float": pa.float64(), "int": pa.int64()}
_SCHEMA = pa.schema([(f.name, _ARROW[str(f.type)]) for f in fields(StatusRow)])


class StatusWriter:
    """Collects rows and writes a part now and then.

    Args:
        folder: where the parts lie.
        seconds: between parts.
    """

    def __init__(self, folder: Path, seconds: float = 20.0) -> None:
        self._folder, self._seconds = folder, seconds
        self._rows: list[dict[str, Any]] = []
        self._last = time.monotonic()
        self._run = f"{time.time_ns():020d}-{secrets.token_hex(3)}"  # parts of a later run come later by name
        self._parts = 0

    def add(self, row: StatusRow) -> None:
        """Take a row; it is on disk when the next part is."""
        self._rows.append(row.as_dict())
        if time.monotonic() - self._last >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        self._last = time.monotonic()
        if self._rows:
            self._parts += 1
            with atomic_path(self._folder / f"{self._run}-{self._parts:06d}.parquet") as temporary:
                pq.write_table(pa.Table.from_pylist(self._rows, _SCHEMA), temporary, compression="zstd")
            self._rows = []


def read_status(folder: Path) -> dict[str, StatusRow]:
    """The last row of each series; of a result that a later run found unchanged, the row of the run that made it."""
    rows: dict[str, StatusRow] = {}
    for part in sorted(folder.glob("*.parquet")):
        for entry in pq.read_table(part, schema=_SCHEMA).to_pylist():
            row = StatusRow(**entry)
            known = rows.get(row.series)
            if known is None or not (row.kept and known.sha256 == row.sha256):
                rows[row.series] = row
    return rows
