"""The manifest: one Parquet row for each series, with all that a worker needs to read it; no voxel is read for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from monai_sr.io import Case, InputError, atomic_path
from monai_sr.io.files import safe_name

__all__ = ["Manifest", "write_manifest"]

_SCHEMA = pa.schema(
    [
        ("series", pa.string()),
        ("kind", pa.string()),
        ("path", pa.string()),
        ("files", pa.list_(pa.string())),
        ("bytes", pa.int64()),
        ("problem", pa.string()),
        ("notes", pa.list_(pa.string())),
    ]
)
_ZIPPED = "it lies in a zip archive, whose members no worker can open; unpack it first"
_SCANNED = "monai_sr.scanned"  # in the file's metadata
_ROWS = 256  # in a row group, which is what a worker reads at once
# Names that differ in their last digits take a few bytes each when only the difference is stored.
_ENCODING = {"series": "DELTA_BYTE_ARRAY", "path": "DELTA_BYTE_ARRAY", "files.list.element": "DELTA_BYTE_ARRAY"}


def write_manifest(cases: Iterable[Case], file: Path, *, overwrite: bool = False, scanned: Sequence[Path] = ()) -> int:
    """Write the manifest of cases, as :func:`monai_sr.casework.gather_cases` finds them; what is skipped is left out.

    Args:
        cases: in their order.
        file: Parquet file.
        overwrite: whether a file that exists is replaced.
        scanned: the folders in which the cases were found.

    Returns:
        How many there are.

    Raises:
        InputError: if the file exists and may not be replaced.
    """
    rows = [_row(case) for case in cases if case.skip is None]
    with atomic_path(file, overwrite=overwrite) as temporary:
        pq.write_table(
            pa.Table.from_pylist(rows, _SCHEMA.with_metadata({_SCANNED: _absolute(scanned)})),
            temporary,
            row_group_size=_ROWS,
            compression="zstd",
            use_dictionary=["kind"],
            column_encoding=_ENCODING,
        )
    return len(rows)


class Manifest:
    """A manifest on disk, of which only the rows that are asked for are read.

    Args:
        file: Parquet file of :func:`write_manifest`.

    Raises:
        InputError: if it is no manifest.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._parquet = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{file.name} cannot be read as a Parquet manifest ({type(error).__name__}); make one with --scan"
            ) from None
        missing = set(_SCHEMA.names) - set(self._parquet.schema_arrow.names)
        if missing:
            raise InputError(f"{file.name} lacks the column {min(missing)}; make the manifest with --scan")
        groups = self._parquet.metadata.num_row_groups
        self._sizes = [self._parquet.metadata.row_group(group).num_rows for group in range(groups)]
        self._held: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __len__(self) -> int:
        return sum(self._sizes)

    def is_of(self, scanned: Sequence[Path]) -> bool:
        """Whether these folders were scanned for it; where it does not say, it may be."""
        known = (self._parquet.schema_arrow.metadata or {}).get(_SCANNED.encode())
        return not known or known.decode() == _absolute(scanned)

    def refuse_doubles(self) -> None:
        """Two series of one name would share a folder, and the second would never be made.

        Raises:
            InputError: with such a name.
        """
        names = [_hashes(self._parquet.read_row_group(group, columns=["series"])) for group in range(len(self._sizes))]
        _, first, counts = np.unique(np.concatenate(names), return_index=True, return_counts=True)
        doubles = np.flatnonzero(counts > 1)
        if len(doubles):
            raise InputError(
                f"{self.file.name}: {counts[doubles[0]]} rows have the series name of row {first[doubles[0]]}, and "
                "results go by that name; rename them, or make the manifest with --scan"
            )

    def case(self, row: int) -> Case:
        """The case of a row, ready to be read.

        Raises:
            InputError: if its name is none for a folder.
        """
        group = 0
        while row >= self._sizes[group]:
            row -= self._sizes[group]
            group += 1
        held, rows = self._held
        if held != group:
            rows = self._parquet.read_row_group(group, columns=_SCHEMA.names).to_pylist()
            self._held = (group, rows)
        entry = rows[row]
        empty = sorted(name for name in _SCHEMA.names if entry[name] is None and name not in ("problem", "bytes"))
        if empty:  # a manifest may come from elsewhere
            raise InputError(f"{self.file.name}: a row has no {empty[0]}; make the manifest with --scan")
        if safe_name(entry["series"]) != entry["series"]:
            raise InputError(f"{self.file.name}: a series name is up to 64 characters out of A-Z a-z 0-9 . _ -")
        return Case(
            entry["series"],
            Path(entry["path"]),
            entry["kind"],
            tuple(Path(file) for file in entry["files"]),
            problem=entry["problem"],
            notes=tuple(entry["notes"]),
        )


def _absolute(folders: Sequence[Path]) -> str:
    return "\n".join(str(folder.absolute()) for folder in folders)


def _hashes(table: pa.Table) -> npt.NDArray[np.int64]:
    """Eight bytes for each name: a hundred million names would not fit into memory, and their hashes do."""
    return np.array([hash(name) for name in table.column("series").to_pylist()], dtype=np.int64)


def _row(case: Case) -> dict[str, Any]:
    files = case.files or (case.path,)
    size = 0
    for file in files:
        with contextlib.suppress(OSError):  # reading it will say what is wrong
            size += file.stat().st_size
    return {
        "series": case.name,
        "kind": case.kind,
        "path": str(case.path.absolute()),
        "files": [str(file.absolute()) for file in case.files],
        "bytes": size,
        "problem": _ZIPPED if case.unpacked is not None else case.problem,
        "notes": list(case.notes),
    }
