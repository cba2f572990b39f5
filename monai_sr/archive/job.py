"""A job: an output folder with the choices that all its results share, and which series are whose share."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import monai_sr
from monai_sr.casework import Upscaling
from monai_sr.catalogue import ModelError, find_model
from monai_sr.io import InputError, atomic_path

__all__ = ["Job", "JobRefused", "Shard"]

_FLAT = 10_000  # case folders beside each other, which file systems and people still bear


class JobRefused(InputError):
    """The job cannot be started as it was asked for."""


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th series, so that shards are alike whatever order the manifest has.

    Args:
        index: 0-based.
        count: of all shards.

    Example:
        >>> Shard.parse("2/3"), list(Shard(1, 3).rows(8))
        (Shard(index=1, count=3), [1, 4, 7])
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``i/n`` with i from 1 to n.

        Raises:
            JobRefused: if it is not that.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise JobRefused(f"a shard is i/n with i from 1 to n, as in 1/8, got {text!r}")
        return cls(int(found[1]) - 1, int(found[2]))

    def rows(self, total: int) -> range:
        """The rows of the manifest that are its own."""
        return range(self.index, total, self.count)


@dataclass(frozen=True)
class Job:
    """One output folder, one manifest, one set of choices.

    Args:
        out: output folder: the case's folders, and ``_job``, whose name no case can have.
        manifest: Parquet file with the series.
        upscaling: what is done to each.
    """

    out: Path
    manifest: Path
    upscaling: Upscaling

    @staticmethod
    def own_folder(out: Path) -> Path:
        """Where manifest, choices, status and tries lie."""
        return out / "_job"

    @property
    def status(self) -> Path:
        """Folder of the status rows."""
        return self.own_folder(self.out) / "status"

    @property
    def tries(self) -> Path:
        """Folder of the tries that did not end."""
        return self.own_folder(self.out) / "tries"

    def folder(self, series: str) -> Path:
        """Where the results of a series go: ``out/series``, and in large jobs below one of 256 folders."""
        if self._record["flat"]:
            return self.out / series
        return self.out / hashlib.sha256(series.encode()).hexdigest()[:2] / series

    @cached_property
    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.own_folder(self.out) / "job.json").read_text(encoding="utf-8"))
        return record

    def choices(self) -> dict[str, Any]:
        """All that decides about the values of the results, in plain JSON types."""
        asked = self.upscaling
        facts = {key: value for key, value in asked.choices.items() if key not in ("device", "tile")}
        facts |= {"report": asked.report, "patient": asked.patient}
        facts |= {"models": self._models(), "version": monai_sr.__version__}
        plain: dict[str, Any] = json.loads(json.dumps(facts))
        return plain

    def digest(self) -> str:
        """What ``run.json`` of its results says of the job."""
        return hashlib.sha256(json.dumps(self.choices(), sort_keys=True).encode()).hexdigest()

    def begin(self, total: int) -> None:
        """Write the choices, or compare them with those that are there.

        Args:
            total: series in the manifest.

        Raises:
            JobRefused: if the folder holds a job with other choices.
        """
        file, choices = self.own_folder(self.out) / "job.json", self.choices()
        record = {"series": total, "flat": total <= _FLAT, "choices": choices}
        try:
            _write(record, file)
        except FileExistsError:
            there = self._record
            if there["choices"] != choices:
                raise JobRefused(_differences(there["choices"], choices)) from None
            if there["series"] != total:  # the archive has grown; the layout stays
                _write({**there, "series": total}, file, overwrite=True)

    def _models(self) -> dict[str, str]:
        """Digest of the model by modality; those that are not installed are missing, and so are their results."""
        if self.upscaling.model == "none":
            return {}
        found = {}
        for modality in ("CT", "MR", "photo"):
            try:
                found[modality] = find_model(self.upscaling.model, modality).sha256
            except ModelError:
                continue
        return found


def _write(record: Mapping[str, Any], file: Path, *, overwrite: bool = False) -> None:
    with atomic_path(file, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    keys = sorted(key for key in {*there, *wanted} if there.get(key) != wanted.get(key))
    if "model" in keys:  # another model has other digests, which say nothing more
        keys = [key for key in keys if key != "models"]
    said = "; ".join(f"{key} was {there.get(key)} and is {wanted.get(key)}" for key in keys)
    return f"the output folder holds a job with other choices ({said}); give the same, or another folder"
