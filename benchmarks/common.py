"""What the benchmarks share: where the data lie, who validates, what machine this is."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
SPLIT_FILE = REPOSITORY / "configs" / "splits" / "development.json"


def data_folder() -> Path:
    """Folder of the development data: ``MONAI_SR_DATA``, by default ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("MONAI_SR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "train").is_dir():
        raise SystemExit(f"the development data are not at {folder}; set MONAI_SR_DATA to their folder")
    return folder


def files_of(role: str, split_file: Path = SPLIT_FILE) -> list[Path]:
    """Volumes whose subject has a role in the committed split: ``train``, ``validation`` or ``exclude``."""
    split = json.loads(split_file.read_text(encoding="utf-8"))
    names = [name for name, subject in sorted(split["files"].items()) if split["roles"][subject] == role]
    return [data_folder() / "train" / name for name in names]


def subject_of(file: Path, split_file: Path = SPLIT_FILE) -> str:
    """Subject of a volume in the committed split."""
    return str(json.loads(split_file.read_text(encoding="utf-8"))["files"][file.name])


def items() -> Iterator[tuple[str, Path]]:
    """Name and path of every volume, series folder and single DICOM file."""
    data = data_folder()
    for file in sorted((data / "train").glob("*.nii.gz")):
        yield f"train/{file.name.removesuffix('.nii.gz')}", file
    for folder in sorted(p for p in (data / "dicom").rglob("*") if p.is_dir()):
        files = sorted(p for p in folder.iterdir() if p.is_file())
        if folder.name == "pydicom":
            yield from ((f"dicom/pydicom/{file.name}", file) for file in files)
        elif files:
            yield str(folder.relative_to(data)), folder


def machine() -> str:
    """Hardware and versions for the line under a table."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gigabytes = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {torch.get_num_threads()} threads, {gigabytes:.0f} GB, Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )
