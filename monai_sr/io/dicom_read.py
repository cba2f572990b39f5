"""Read CT and MR series strictly: what comes out lies where the scanner put it, or the series is refused by name.

pydicom reads and decodes; the policy is ours. Image loaders are not used for series, because they average spacing
over missing slices and hide tilts and duplicates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from monai_sr.io.dicom_frames import Frame, frames_of, modality_of
from monai_sr.io.dicom_geometry import Stack, stack_frames
from monai_sr.io.dicom_headers import Instance, quiet, read_header, strings, without_bulk
from monai_sr.io.dicom_pixels import LOSSY_METHODS, read_values, transfer_syntax
from monai_sr.io.dicom_source import DicomSource, SliceReference
from monai_sr.io.files import shown, walk_files
from monai_sr.io.volume import InputError, Volume

__all__ = ["SeriesRef", "find_series", "read_series"]

NAME_LENGTH = 12
DIRECTORY_NAMES = ("DICOMDIR", "DIRFILE")
DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
# Slices thinner than this share of their distance leave visible gaps of tissue that was never imaged.
THIN_SLICE = 2 / 3
THICKNESS_TOLERANCE = 0.01


@dataclass(frozen=True)
class SeriesRef:
    """A series found in a folder, not yet read.

    Args:
        name: case name: first 12 hex digits of the SHA-256 of its SeriesInstanceUID; never patient data.
        files: its files, sorted.
        problem: why it cannot be read, where that is known already.
        notes: what was found beside it.
    """

    name: str
    files: tuple[Path, ...]
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @quiet()
    def read(self) -> Volume:
        """Read the series.

        Raises:
            InputError: if it is not one regular CT or MR volume; the message says why.
        """
        if self.problem is not None:
            raise InputError(self.problem)
        instances = []
        for path in self.files:
            if (header := read_header(path)) is None:
                raise InputError(f"{shown(path)} is not a DICOM file any more; leave the folder alone while it is read")
            instances.append(Instance(header, shown(path), path=path))
        return _read_instances(instances, self.name, self.notes)


@quiet()
def find_series(folder: Path) -> list[SeriesRef]:
    """Every DICOM series below a folder, whatever it holds; reading one tells whether it is a volume.

    Hidden files and DICOMDIR are skipped, and so is what is not DICOM. Broken DICOM files become a series of their own
    that refuses to be read, and a note of the series beside them. Links are followed, loops are not.

    Args:
        folder: where to look; a single DICOM file is taken as a series of one file.

    Returns:
        Series in the order of their first file; empty when nothing below the folder is DICOM.
    """
    groups: dict[str, dict[Path, str]] = {}  # files of a series, with the SOPInstanceUID of each
    broken: dict[Path, list[tuple[Path, str]]] = {}
    # a folder that cannot be listed is reported by whoever walks the cases
    for path in walk_files(folder, on_error=lambda error: None) if folder.is_dir() else [folder]:
        if path.name.upper() in DIRECTORY_NAMES:
            continue
        try:
            header = read_header(path)
        except InputError as error:
            broken.setdefault(path.parent, []).append((path, str(error)))
            continue
        if header is None or strings(header, "SOPClassUID") == (DIRECTORY_CLASS,):
            continue
        # Files without a SeriesInstanceUID belong together by folder at most.
        uid = next(iter(strings(header, "SeriesInstanceUID")), f"none in {path.parent}")
        groups.setdefault(uid, {})[path] = "".join(strings(header, "SOPInstanceUID"))
    found = []
    for uid, files in groups.items():
        parts, notes = _copies_apart(files)
        for paths in parts:
            beside = _notes_on_broken({path.parent for path in paths}, broken)
            found.append(SeriesRef(_name(uid), paths, notes=(*notes, *beside)))
    found += [_broken_series(files) for files in broken.values()]
    return sorted(found, key=lambda series: series.files[0])


@quiet()
def read_series(source: Path | Sequence[Dataset]) -> Volume:
    """Read one series from a folder, from one (multi-frame) file, or from datasets in memory.

    Args:
        source: a path, or complete datasets of one series in any order.

    Returns:
        A volume ``(X, Y, Z)`` = (column, row, slice along the normal), RAS affine, HU or scanner units.

    Raises:
        InputError: if the source is not exactly one regular CT or MR volume.
    """
    if not isinstance(source, Path):
        return _read_datasets(source)
    found = find_series(source)
    if not found:
        raise InputError(f"{shown(source)} holds no DICOM file; give a folder with one CT or MR series")
    if len(found) > 1:
        listed = ", ".join(f"{series.name} ({len(series.files)} files)" for series in found[:8])
        raise InputError(
            f"{shown(source)} holds {len(found)} series, one is needed: {listed}{', ...' if len(found) > 8 else ''}; "
            "give the files of one series"
        )
    return found[0].read()


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode("utf-8", "surrogateescape")).hexdigest()[:NAME_LENGTH]


def _copies_apart(files: dict[Path, str]) -> tuple[list[tuple[Path, ...]], tuple[str, ...]]:
    """A series may be spread over folders; where folders hold the same images, each folder is a series of its own.

    Returns:
        The files of each series, and notes for all of them.
    """
    folders: dict[Path, list[Path]] = {}
    for path in files:
        folders.setdefault(path.parent, []).append(path)
    distinct = [{files[path] for path in paths} for paths in folders.values()]
    if sum(map(len, distinct)) == len(set().union(*distinct)):
        return [tuple(files)], ()
    note = f"images of this series lie in {len(folders)} folders, some more than once; each folder was taken by itself"
    return [tuple(paths) for paths in folders.values()], (note,)


def _notes_on_broken(folders: set[Path], broken: dict[Path, list[tuple[Path, str]]]) -> tuple[str, ...]:
    files = [path for folder in sorted(folders) for path, _ in broken.get(folder, [])]
    if not files:
        return ()
    return (f"{len(files)} broken DICOM file(s) lie beside this series and may belong to it ({shown(files[0])})",)


def _broken_series(files: list[tuple[Path, str]]) -> SeriesRef:
    path, problem = files[0]
    others = f"; so are {len(files) - 1} other files beside it" if len(files) > 1 else ""
    return SeriesRef(_name(f"broken {path}"), tuple(p for p, _ in files), problem=problem + others)


def _read_datasets(datasets: Sequence[Dataset]) -> Volume:
    if not datasets:
        raise InputError("no DICOM dataset was given; give the datasets of one CT or MR series")
    instances = [
        Instance(without_bulk(dataset), f"dataset {i + 1} of {len(datasets)}", memory=dataset)
        for i, dataset in enumerate(datasets)
    ]
    uids = {next(iter(strings(instance.header, "SeriesInstanceUID")), "") for instance in instances}
    if len(uids) > 1:
        raise InputError(f"the datasets belong to {len(uids)} series, one is needed; give the datasets of one series")
    return _read_instances(instances, _name(uids.pop()), ())


def _read_instances(instances: list[Instance], name: str, notes: tuple[str, ...]) -> Volume:
    label = f"series {name} ({instances[0].label}{f' and {len(instances) - 1} more' if len(instances) > 1 else ''})"
    frames = [frame for instance in instances for frame in frames_of(instance)]
    if not strings(instances[0].header, "SeriesInstanceUID"):
        raise InputError(
            f"{label} has no SeriesInstanceUID, so it is unknown what belongs together; repair the headers"
        )
    modalities = sorted({modality_of(instance) for instance in instances})
    if len(modalities) > 1:
        raise InputError(f"{label} mixes CT and MR images; give the images of one scanner")
    stack = stack_frames(frames, label)
    array, found = read_values(stack.frames, stack.geometry.shape)
    thickness, remarks = _thickness(stack)
    return Volume(
        array=array,
        geometry=stack.geometry,
        modality=modalities[0],
        slice_axis=2,
        slice_thickness_mm=thickness,
        body_part=next((part.upper() for part in strings(instances[0].header, "BodyPartExamined")), None),
        name=name,
        source=_source(stack, thickness),
        notes=(*notes, *stack.notes, *_remarks(stack), *remarks, *found),
    )


def _thickness(stack: Stack) -> tuple[float | None, list[str]]:
    """Width of the slice profile in mm, and what is odd about it."""
    stated = sorted(frame.thickness_mm for frame in stack.frames if frame.thickness_mm is not None)
    if len(stated) < len(stack.frames):
        return None, ["SliceThickness is absent or not usable; the slice profile has to be assumed"]
    middle = stated[len(stated) // 2]
    if stated[-1] - stated[0] > THICKNESS_TOLERANCE * middle:
        return middle, [f"SliceThickness varies from {stated[0]:g} to {stated[-1]:g} mm; {middle:g} mm is used"]
    spacing = stack.geometry.spacing[2]
    if middle < THIN_SLICE * spacing:
        return middle, [f"slices of {middle:g} mm lie {spacing:g} mm apart: the tissue between them was not imaged"]
    return middle, []


def _remarks(stack: Stack) -> list[str]:
    """What the headers say that a reader of the result should know."""
    header = stack.frames[0].instance.header
    remarks = []
    if strings(header, "PhotometricInterpretation") == ("MONOCHROME1",):
        remarks.append("MONOCHROME1: viewers show small values bright; the values themselves are kept as they are")
    if not strings(header, "FrameOfReferenceUID"):
        remarks.append("FrameOfReferenceUID is missing; the series stands in a frame of its own")
    if stack.frames[0].rescaled and len({(f.slope, f.intercept) for f in stack.frames}) > 1:
        remarks.append("the rescale differs between slices and was applied slice by slice")
    return remarks


def _source(stack: Stack, thickness_mm: float | None) -> DicomSource:
    places: dict[int, int] = {}
    headers: list[Dataset] = []
    for frame in stack.frames:
        if id(frame.instance) not in places:
            places[id(frame.instance)] = len(headers)
            headers.append(frame.instance.header)
    return DicomSource(
        headers=tuple(headers),
        slices=tuple(
            SliceReference(
                header=places[id(frame.instance)],
                frame=frame.index if frame.is_enhanced else None,
                slope=frame.slope,
                intercept=frame.intercept,
            )
            for frame in stack.frames
        ),
        geometry=stack.geometry,
        thickness_mm=thickness_mm,
        rescaled=any(frame.rescaled for frame in stack.frames),
        lossy=_lossy(stack.frames),
    )


def _lossy(frames: Sequence[Frame]) -> tuple[float, str] | None:
    """Ratio and method where the pixels may be coded with loss and the header says nothing about it."""
    header = frames[0].instance.header
    syntax = transfer_syntax(header)
    if syntax not in LOSSY_METHODS or strings(header, "LossyImageCompression"):
        return None
    dataset = frames[0].instance.load()
    rows, columns = frames[0].size
    raw = rows * columns * int(header.BitsAllocated) // 8 * int(header.get("NumberOfFrames") or 1)
    return round(raw / max(1, len(dataset.PixelData)), 2), LOSSY_METHODS[str(syntax)]
