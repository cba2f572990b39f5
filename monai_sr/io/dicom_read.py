"""Read CT and MR series strictly: what comes out lies where the scanner put it, or the series is refused by name.

pydicom reads and decodes; the policy is ours. Image loaders are not used for series, because they average spacing
over missing slices and hide tilts and duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from monai_sr.geometry import VolumeGeometry
from monai_sr.io.dicom_assemble import label_of, one_part, parts_of, stack_of, volume_of
from monai_sr.io.dicom_directory import DIRECTORY_CLASS, is_directory_name
from monai_sr.io.dicom_facts import Glimpse, SeriesFacts, glimpse, series_facts, short_hash
from monai_sr.io.dicom_headers import Instance, quiet, read_header, strings, without_bulk
from monai_sr.io.files import shown, walk_files
from monai_sr.io.series_rules import SeriesRules
from monai_sr.io.volume import InputError, Volume

__all__ = ["PlannedVolume", "SeriesRef", "find_series", "read_series", "series_in_memory"]


@dataclass(frozen=True)
class PlannedVolume:
    """One volume of a series as its headers tell it; its pixels were not read.

    Args:
        label: what sets it apart in its series, empty where it is the only one.
        geometry: its grid; None where it is refused.
        problem: why it is refused.
        notes: what was found and accepted.
    """

    label: str
    geometry: VolumeGeometry | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesRef:
    """A series found in a folder or in memory, not yet read.

    Args:
        name: case name: first 12 hex digits of the SHA-256 of its SeriesInstanceUID; never patient data.
        files: its files, sorted.
        problem: why it cannot be read, where that is known already.
        notes: what was found beside it.
        facts: what a list says of it.
        datasets: complete ones, where it has no files.
    """

    name: str
    files: tuple[Path, ...]
    problem: str | None = None
    notes: tuple[str, ...] = ()
    facts: SeriesFacts = field(default_factory=SeriesFacts)
    datasets: tuple[Dataset, ...] = field(default=(), repr=False, compare=False)

    @quiet()
    def read(self, rules: SeriesRules | None = None, volume: int | None = None) -> Volume:
        """Read the series, or one volume of it.

        Args:
            rules: what is accepted beyond a regular, right-angled stack.
            volume: which of several, from 1; None where the series has to hold one.

        Raises:
            InputError: if it is not one regular CT or MR volume; the message says why.
        """
        return _read_instances(self._instances(), self.name, self.notes, rules, volume)

    @quiet()
    def plan(self, rules: SeriesRules | None = None) -> list[PlannedVolume]:
        """The volumes of the series, from headers alone: what reading would take or refuse, but for damaged pixels."""
        try:
            instances = self._instances()
            parts = parts_of(instances, self.name)
        except InputError as error:
            return [PlannedVolume("", problem=str(error))]
        found = []
        for part in parts:
            try:
                stack = stack_of(part, label_of(instances, self.name), rules)
            except InputError as error:
                found.append(PlannedVolume(part.label, problem=str(error)))
            else:
                found.append(PlannedVolume(part.label, stack.geometry, notes=(*self.notes, *stack.notes)))
        return found

    def _instances(self) -> list[Instance]:
        if self.problem is not None:
            raise InputError(self.problem)
        instances = [
            Instance(without_bulk(dataset), f"dataset {i + 1} of {len(self.datasets)}", memory=dataset)
            for i, dataset in enumerate(self.datasets)
        ]
        for path in self.files:
            if (header := read_header(path)) is None:
                raise InputError(f"{shown(path)} is not a DICOM file any more; leave the folder alone while it is read")
            instances.append(Instance(header, shown(path), path=path))
        return instances


@quiet()
def find_series(source: Path | Iterable[Path]) -> list[SeriesRef]:
    """Every DICOM series below a folder, whatever it holds; reading one tells whether it is a volume.

    Hidden files and DICOMDIR are skipped, and so is what is not DICOM. Broken DICOM files become a series of their own
    that refuses to be read, and a note of the series beside them. Links are followed, loops are not.

    Args:
        source: where to look; a single DICOM file is taken as a series of one file, and files in a row as they are.

    Returns:
        Series in the order of their first file; empty when nothing below the folder is DICOM.
    """
    groups: dict[str, dict[Path, Glimpse]] = {}  # files of a series, with what is to be known of each
    broken: dict[Path, list[tuple[Path, str]]] = {}
    for path in _files(source):
        if is_directory_name(path.name):
            continue
        try:
            header = read_header(path)
        except InputError as error:
            broken.setdefault(path.parent, []).append((path, str(error)))
            continue
        if header is None or strings(header, "SOPClassUID") == (DIRECTORY_CLASS,):
            continue
        # Files without a SeriesInstanceUID belong together by folder at most.
        seen = glimpse(header)
        groups.setdefault(seen.uid or f"none in {path.parent}", {})[path] = seen
    found = []
    for uid, files in groups.items():
        parts, notes = _copies_apart({path: seen.instance for path, seen in files.items()})
        whole = len({seen.instance for seen in files.values()})
        for paths in parts:
            beside = _notes_on_broken({path.parent for path in paths}, broken)
            facts = series_facts([files[path] for path in paths])
            problem = _problem_of_part([files[path].instance for path in paths], whole) if len(parts) > 1 else None
            found.append(SeriesRef(short_hash(uid), paths, problem, notes=(*notes, *beside), facts=facts))
    found += [_broken_series(files) for files in broken.values()]
    return sorted(found, key=lambda series: series.files[0])


@quiet()
def series_in_memory(datasets: Sequence[Dataset]) -> SeriesRef:
    """Complete datasets of one series, in any order, as a series that can be chosen and read.

    Raises:
        InputError: if there are none, or they belong to several series.
    """
    if not datasets:
        raise InputError("no DICOM dataset was given; give the datasets of one CT or MR series")
    seen = [glimpse(dataset) for dataset in datasets]
    uids = {file.uid for file in seen}
    if len(uids) > 1:
        raise InputError(f"the datasets belong to {len(uids)} series, one is needed; give the datasets of one series")
    return SeriesRef(short_hash(uids.pop()), (), facts=series_facts(seen), datasets=tuple(datasets))


@quiet()
def read_series(
    source: Path | Sequence[Dataset], rules: SeriesRules | None = None, volume: int | None = None
) -> Volume:
    """Read one series from a folder, from one (multi-frame) file, or from datasets in memory.

    Args:
        source: a path, or complete datasets of one series in any order.
        rules: what is accepted beyond a regular, right-angled stack.
        volume: which volume of a series that holds several, from 1.

    Returns:
        A volume ``(X, Y, Z)`` = (column, row, slice along the normal), RAS affine, HU or scanner units.

    Raises:
        InputError: if the source is not exactly one regular CT or MR volume.
    """
    if not isinstance(source, Path):
        return series_in_memory(source).read(rules, volume)
    found = find_series(source)
    if not found:
        raise InputError(f"{shown(source)} holds no DICOM file; give a folder with one CT or MR series")
    if len(found) > 1:
        listed = ", ".join(f"{series.name} ({len(series.files)} files)" for series in found[:8])
        raise InputError(
            f"{shown(source)} holds {len(found)} series, one is needed: {listed}{', ...' if len(found) > 8 else ''}; "
            "give the files of one series"
        )
    return found[0].read(rules, volume)


def _files(source: Path | Iterable[Path]) -> Iterable[Path]:
    if not isinstance(source, Path):
        return source
    # a folder that cannot be listed is reported by whoever walks the cases
    return walk_files(source, on_error=lambda error: None) if source.is_dir() else [source]


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


def _problem_of_part(instances: Sequence[str], whole: int) -> str | None:
    """Why a folder that shares images of a series with others is refused: it would be upscaled as if it were whole."""
    held = len(set(instances))
    if held == whole:
        return None
    return (
        f"the folder holds {held} of the {whole} images of a series of which other folders hold some again; "
        "leave one copy of each image"
    )


def _notes_on_broken(folders: set[Path], broken: dict[Path, list[tuple[Path, str]]]) -> tuple[str, ...]:
    files = [path for folder in sorted(folders) for path, _ in broken.get(folder, [])]
    if not files:
        return ()
    return (f"{len(files)} broken DICOM file(s) lie beside this series and may belong to it ({shown(files[0])})",)


def _broken_series(files: list[tuple[Path, str]]) -> SeriesRef:
    path, problem = files[0]
    others = f"; so are {len(files) - 1} other files beside it" if len(files) > 1 else ""
    return SeriesRef(short_hash(f"broken {path}"), tuple(p for p, _ in files), problem=problem + others)


def _read_instances(
    instances: list[Instance], name: str, notes: tuple[str, ...], rules: SeriesRules | None, volume: int | None
) -> Volume:
    label = label_of(instances, name)
    parts = parts_of(instances, name)
    part = one_part(parts, label, name, volume)
    if len(parts) > 1:
        notes = (f"volume {volume} of {len(parts)} of the series: {part.label}", *notes)
    return volume_of(stack_of(part, label, rules), name, part.label, notes)
