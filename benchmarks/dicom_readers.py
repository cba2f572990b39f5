"""Every series and volume of the development data: taken or refused by us and why, and what outside readers say.

    python benchmarks/dicom_readers.py > table.md

Ours is ``monai_sr.io``; outside are highdicom, SimpleITK, ITK, dcm2niix, and dciodvfy on the source files. A reader is
held against what we read: outer corners within 1e-3 mm and the same values are "same". Where it says something else, a
note below the table explains it; the exit code is 1 if one has none. It lies among the benchmarks because it judges
other programs and takes minutes; what it says of our own reader is held by ``tests/unit/io/test_dicom_real.py``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import highdicom as hd
import itk
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from common import items, machine
from dicom_reader_notes import NOTES, kind_of_refusal
from pydicom.uid import generate_uid

from monai_sr.geometry import LPS_TO_RAS
from monai_sr.io import InputError, Volume, read_volume
from monai_sr.io.dicom_study import find_study
from monai_sr.io.study_report import SeriesReport, inspect_study

CORNER_MM = 1e-3
ROUNDED_MM = 1e-2  # volumes of a series, whose headers round: dcm2niix steps from the first slice to the second
READERS = ("highdicom", "SimpleITK", "ITK", "dcm2niix")


class Says(Exception):
    """Something other than one volume of one value per voxel, in words."""


@dataclass
class Line:
    """One item: what we say, and what each outside program says."""

    item: str
    ours: str
    kind: str  # "taken", or the kind of refusal
    volume: Volume | None = None
    volumes: list[Volume] = field(default_factory=list)  # of a series that holds several
    cells: dict[str, str] = field(default_factory=dict)


@dataclass
class Grid:
    """What an outside reader makes of an item: RAS affine, and values ``(X, Y, Z)``."""

    affine: np.ndarray
    array: np.ndarray


def ours(name: str, path: Path) -> Line:
    """What ``monai-sr inspect`` and reading say."""
    if name.startswith("train/"):
        try:
            return _taken(name, read_volume(path))
        except InputError as error:
            return Line(name, f"refused: {error}", "two affines", read_volume(path, affine="sform"))
    try:
        (report,) = inspect_study(path)
    except InputError as error:
        return Line(name, f"refused: {error}", kind_of_refusal(str(error)))
    if report.verdict == "choose":
        labels = [volume.label for volume in report.volumes]
        volumes = [report.series.read(volume=number) for number in range(1, len(labels) + 1)]
        told = f"choose: {len(labels)} volumes ({labels[0]}; ... {labels[-1]})"
        return Line(name, told, "volumes", volumes=volumes)
    if report.verdict == "take" or report.series.facts.kind == "derived":
        try:
            return _taken(name, report.series.read(), report)
        except InputError as error:
            return Line(name, f"{_verb(report)}: {error}", kind_of_refusal(str(error)))
    return Line(name, f"{_verb(report)}: {report.reason}", kind_of_refusal(str(report.reason)))


def _verb(report: SeriesReport) -> str:
    if report.series.facts.kind == "derived":
        return "passed over (derived), and refused when chosen"
    return "passed over" if report.verdict == "skip" else "refused"


def _taken(name: str, volume: Volume, report: SeriesReport | None = None) -> Line:
    grid = f"{'x'.join(map(str, volume.geometry.shape))}, {' x '.join(f'{s:.3g}' for s in volume.geometry.spacing)} mm"
    verb = "taken" if report is None or report.verdict == "take" else "passed over (derived), taken when chosen"
    return Line(name, f"{verb}: {grid}", "taken", volume)


def read_highdicom(path: Path) -> Grid:
    """``get_volume_from_series``, or ``Image.get_volume`` of a multi-frame object."""
    files = _files(path)
    datasets = [pydicom.dcmread(file) for file in files]
    for dataset in datasets:  # without one nothing is read at all; see the text above the table
        if "FrameOfReferenceUID" not in dataset:
            dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[str(dataset.get("SeriesInstanceUID"))])
    if len(datasets) == 1:
        volume = hd.Image.from_dataset(datasets[0]).get_volume(apply_voi_transform=False)
    else:
        volume = hd.get_volume_from_series(datasets)
    return Grid(LPS_TO_RAS @ volume.affine, np.asarray(volume.array))


def read_sitk(path: Path) -> Grid:
    """The series reader with GDCM's file names, or the image reader for a file."""
    if path.is_file():
        image = sitk.ReadImage(str(path))
    elif len(_files(path)) == 1:
        image = sitk.ReadImage(str(_files(path)[0]))
    else:
        reader: Any = sitk.ImageSeriesReader()  # type: ignore[no-untyped-call]
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        image = reader.Execute()
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        size = "x".join(map(str, image.GetSize()))
        raise Says(f"reads {size} with {image.GetNumberOfComponentsPerPixel()} values per voxel")
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Grid(LPS_TO_RAS @ affine, sitk.GetArrayFromImage(image).transpose(2, 1, 0))


def read_itk(path: Path) -> Grid:
    """ITK's own Python package with ``GDCMSeriesFileNames``."""
    if path.is_file() or len(_files(path)) == 1:
        image = itk.imread(str(path if path.is_file() else _files(path)[0]), itk.F)
    else:
        names = itk.GDCMSeriesFileNames.New()
        names.SetUseSeriesDetails(True)  # ITK's own default in its examples: it splits where geometry differs
        names.SetDirectory(str(path))
        series = names.GetSeriesUIDs()
        if len(series) != 1:
            raise (Says if series else ValueError)(f"finds {len(series)} series")
        image = itk.imread(names.GetFileNames(series[0]), itk.F)
    array = itk.array_from_image(image)
    if array.ndim != 3:
        raise Says(f"reads {array.ndim} axes")
    affine = np.eye(4)
    affine[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    affine[:3, 3] = np.array(image.GetOrigin())
    return Grid(LPS_TO_RAS @ affine, array.transpose(2, 1, 0))


def read_dcm2niix(path: Path) -> Grid:
    """One NIfTI file; ``-p n`` for displayed values as ours are, and not Philips' floating point values."""
    with tempfile.TemporaryDirectory() as folder:
        source = path
        if path.is_file():
            source = Path(folder, "in")
            source.mkdir()
            shutil.copy(path, source / "image.dcm")
        command = ["dcm2niix", "-p", "n", "-b", "n", "-z", "n", "-f", "out", "-o", folder, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        found = sorted(Path(folder).glob("*.nii"))
        if not found:
            raise ValueError(f"no output, exit code {done.returncode}")
        if len(found) > 1:
            raise Says(f"writes {len(found)} files: {', '.join(file.name for file in found)}")
        image: Any = nib.load(found[0])
        if len(image.shape) != 3:
            return Grid(image.affine, np.asarray(image.get_fdata()))
        if image.get_data_dtype().fields is not None:
            raise Says(f"writes RGB {'x'.join(map(str, image.shape))}")
        return Grid(image.affine, np.asarray(image.get_fdata()))


def dciodvfy(path: Path) -> str:
    """Kinds of ``Error -`` lines over all files of an item, and the first."""
    kinds: dict[str, None] = {}
    for file in [path] if path.is_file() else _files(path):
        done = subprocess.run(["dciodvfy", str(file)], capture_output=True, timeout=300, check=False)
        for line in (done.stderr + done.stdout).decode("latin-1").splitlines():
            if line.startswith("Error -"):
                kinds[re.sub(r"[<\[(].*|=.*| - (?:in|for).*", "", line.removeprefix("Error - ")).strip()] = None
    if not kinds:
        return "no error"
    return f"{len(kinds)} kind{'s' if len(kinds) > 1 else ''} of error: {next(iter(kinds))[:60]}"


def _files(path: Path) -> list[Path]:
    """The images of an item, without DICOMDIR."""
    return [path] if path.is_file() else [file for series in find_study(path) for file in series.files]


def outcome(read: Callable[[Path], Grid], path: Path, line: Line) -> str:
    """What a reader makes of an item, held against what we read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grid = read(path)
    except Says as words:
        return str(words)
    except Exception as error:  # each library has its own
        said = re.sub(r"\s+", " ", str(error)).strip()
        said = re.sub(r".*(ITK ERROR: |sitk::ERROR: )", "", said)
        said = re.sub(r"\(0x[0-9a-f]+\)", "", re.sub(r"(/[^ ]+)+", "FILE", said))
        return f"no: {said[:60] or type(error).__name__}"
    if grid.array.ndim == 4 and line.kind != "other object":
        return f"writes 4-D {'x'.join(map(str, grid.array.shape))}" + _each(grid, line.volumes)
    if line.volume is None:
        spacing = " x ".join(f"{s:.3g}" for s in np.linalg.norm(grid.affine[:3, :3], axis=0))
        return f"reads {'x'.join(map(str, grid.array.shape))}, {spacing} mm"
    return _compared(grid, line.volume)


def _each(grid: Grid, volumes: list[Volume]) -> str:
    """Whether every volume of a 4-D file is one of ours, and another one each."""
    if not volumes:
        return ""
    found = []
    for t in range(grid.array.shape[3]):
        one = Grid(grid.affine, grid.array[..., t])
        found.append([n for n, volume in enumerate(volumes) if _compared(one, volume, ROUNDED_MM) == "same"])
    matched = sum(len(numbers) == 1 for numbers in found)
    if matched == len(volumes) == len({numbers[0] for numbers in found if numbers}):
        return ", each volume the same"
    return f", {matched} of {len(volumes)} volumes the same"


def _compared(grid: Grid, volume: Volume, corner_mm: float = CORNER_MM) -> str:
    """Bring ours onto their order of axes by the two affines, and compare corners and values."""
    index = np.linalg.inv(grid.affine) @ volume.geometry.affine
    turn = np.rint(index[:3, :3])
    if not np.allclose(np.abs(turn).sum(axis=0), 1) or not np.allclose(np.abs(turn).sum(axis=1), 1):
        return "another grid"
    axes = [int(np.flatnonzero(turn[a])[0]) for a in range(3)]
    array = volume.array.transpose(axes)
    if grid.array.shape != array.shape:
        return f"another size: {'x'.join(map(str, grid.array.shape))}"
    flips = [a for a in range(3) if turn[a, axes[a]] < 0]
    array = np.flip(array, flips)
    start = np.zeros(3)
    start[flips] = [grid.array.shape[a] - 1 for a in flips]
    exact = np.eye(4)
    exact[:3, :3], exact[:3, 3] = turn, start
    apart = np.abs(volume.geometry.corners() - _corners(grid.affine @ exact, volume.geometry.shape)).max()
    if apart > corner_mm:
        return f"corners {apart:.3g} mm apart"
    wrong = ~np.isclose(grid.array, array, rtol=1e-5, atol=1e-2)
    return f"values differ in {100 * float(wrong.mean()):.2g} %" if wrong.any() else "same"


def _corners(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    from monai_sr.geometry import VolumeGeometry

    return VolumeGeometry(shape, affine).corners()


def table(lines: list[Line]) -> tuple[str, list[str]]:
    """The Markdown table with its notes, and what no note explains."""
    rows = [
        f"| item | monai_sr | {' | '.join(READERS)} | dciodvfy |",
        f"|---|---|{'---|' * len(READERS)}---|",
    ]
    used: dict[str, int] = {}
    unexplained: list[str] = []
    for line in lines:
        cells = []
        for reader in READERS:
            cell = line.cells.get(reader, "")
            agrees = cell in ("", "same") or (line.volume is None and cell.startswith("no: "))
            if not agrees:
                note = next((n.text for n in NOTES if n.fits(line.item, line.kind, reader, cell)), None)
                if note is None:
                    unexplained.append(f"{line.item}, {reader}: {cell} (ours: {line.kind})")
                    cell += " **unexplained**"
                else:
                    cell += f" [{used.setdefault(note, len(used) + 1)}]"
            cells.append(cell.replace("|", "/"))
        told = line.ours.replace("|", "/")
        rows.append(f"| {line.item} | {told} | {' | '.join(cells)} | {line.cells.get('dciodvfy', '')} |")
    rows += ["", *(f"[{number}] {text}\n" for text, number in used.items())]
    return "\n".join(rows), unexplained


def main() -> None:
    """Ask all readers about all items, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="only items whose name holds one of these")
    options = parser.parse_args()
    for program in ("dcm2niix", "dciodvfy"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed (apt-get install dcm2niix dicom3tools)")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    lines = []
    for name, path in items():
        if options.only and not any(part in name for part in options.only):
            continue
        line = ours(name, path)
        nifti = name.startswith("train/")
        asked: dict[str, Callable[[Path], Grid]] = {"SimpleITK": read_sitk, "ITK": read_itk}
        if not nifti:
            asked |= {"highdicom": read_highdicom, "dcm2niix": read_dcm2niix}
            line.cells["dciodvfy"] = dciodvfy(path)
        line.cells |= {reader: outcome(read, path, line) for reader, read in asked.items()}
        print(f"{name}: {line.ours[:60]} {line.cells}", file=sys.stderr, flush=True)
        lines.append(line)
        line.volumes = []
        if line.volume is not None:  # but not its voxels: all of them are several GB
            line.volume = line.volume.with_values(np.broadcast_to(np.float32(0), line.volume.geometry.shape))
    printed, unexplained = table(lines)
    version = subprocess.run(["dcm2niix", "--version"], capture_output=True, text=True, check=False).stdout.split()
    print(printed)
    print(f"\n{len(lines)} items. dcm2niix {version[-1] if version else ''}, highdicom {hd.__version__}, ", end="")
    print(f"SimpleITK {sitk.Version().VersionString()}, ITK {itk.Version.GetITKVersion()}; {machine()}")
    print("\n".join(unexplained), file=sys.stderr)
    sys.exit(bool(unexplained))


if __name__ == "__main__":
    main()
