from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_sr import write_volume
from monai_sr.casework import Upscaling, gather_cases
from monai_sr.data import phantom

collect_ignore = ["poisoned_job.py"]  # a program, not examples in docstrings


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., Path]:
    """A folder of so many small MR series, each of its own spacing."""

    def make(count: int, folder: str = "in") -> Path:
        for number in range(count):
            spacing = (1.5, 1.5, 3.0 + 0.01 * number)
            volume = phantom.ellipsoids((16, 14, 6), spacing, modality="MR", oversampling=1)
            write_volume(volume, tmp_path / folder / f"s{number:03d}.nii")
        return tmp_path / folder

    return make


@pytest.fixture
def job(tmp_path: Path, series: Callable[..., Path]) -> Callable[..., object]:
    """A job over such series, without a network."""
    from monai_sr.archive import Job, write_manifest

    def make(count: int = 3, upscaling: Upscaling | None = None, out: str = "out") -> Job:
        folder = series(count)
        manifest = tmp_path / "manifest.parquet"
        write_manifest(gather_cases([folder], tmp_path / out), manifest, overwrite=True)
        return Job(tmp_path / out, manifest, upscaling or Upscaling("none", "cpu"))

    return make
