"""Why outside readers say other things of a series than we do; each line of their table is held against these."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["NOTES", "Note", "kind_of_refusal"]

_REFUSALS = {
    "gantry tilt": "tilt",
    "is a localizer": "localizer",
    "is a mosaic": "mosaic",
    "is a colour image": "colour",
    "images at each of 2 slice": "volumes of two slices",
    "misses": "uneven",
    "irregularly spaced": "uneven",
    "has 1 slice": "one slice",
    "has 2 slices": "two slices",
    "mixes slice orientations": "orientations",
    "lie at one slice position": "one place",
    "images at each of": "volumes",
    "same image twice": "copies",
    "unsupported compression": "codec",
    "is not a CT or MR image": "other object",
}


@dataclass(frozen=True)
class Note:
    """An explanation, and what it explains: regular expressions that match the whole of each."""

    text: str
    kind: str = ".*"
    reader: str = ".*"
    cell: str = ".*"
    item: str = ".*"

    def fits(self, item: str, kind: str, reader: str, cell: str) -> bool:
        """Whether it explains this cell of the table."""
        pairs = ((self.item, item), (self.kind, kind), (self.reader, reader), (self.cell, cell))
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


def kind_of_refusal(message: str) -> str:
    """What kind of refusal a message is."""
    return next((kind for words, kind in _REFUSALS.items() if words in message), "other")


_ITK = "SimpleITK|ITK"
_ANY_FILES = "(reads|writes|finds) .*"

NOTES: list[Note] = [
    Note(
        "Several volumes in one series, which we ask to choose from (`--series NAME:2`, `:all`). ITK stacks all images "
        "into one tall volume: where positions repeat, with a spacing averaged over them.",
        kind="volumes",
        reader=_ITK,
    ),
    Note(
        "Several volumes in one series, which we ask to choose from. dcm2niix writes all of them as one 4-D file; its "
        "volumes are held against those that `--series NAME:all` reads (to 0.01 mm, as their headers round).",
        kind="volumes",
        reader="dcm2niix",
        cell="writes 4-D .*, each volume the same",
    ),
    Note(
        "Several volumes of two slices each: one gap proves no regular spacing, so none is offered to choose. "
        "ITK stacks all images with an averaged spacing, dcm2niix writes one 4-D file.",
        kind="volumes of two slices",
    ),
    Note(
        "Gantry tilt, refused by us without `--allow-tilt`. ITK puts the slices on a right-angled grid, so that the "
        "last one lies 20.9 mm (Philips) and 3.7 mm from where it was acquired.",
        kind="tilt",
        reader=_ITK,
    ),
    Note(
        "Gantry tilt. dcm2niix writes the stack as if it were upright, with a warning, and a second file that it has "
        "straightened (`_Tilt`).",
        kind="tilt",
        reader="dcm2niix",
    ),
    Note(
        "Uneven slices, refused by us without `--resample-irregular`. ITK averages the spacing over the gap, so that "
        "slices lie up to 3.3 mm off their place; it prints a warning.",
        kind="uneven",
        reader=_ITK,
    ),
    Note(
        "Uneven slices. dcm2niix writes the stack as if it were even, with a warning, and a second file that it has "
        "interpolated (`_Eq`; `_Tilt` also straightened: this series has both faults).",
        kind="uneven",
        reader="dcm2niix",
    ),
    Note("One image, no volume: the thickness or 1 mm stands in for a spacing.", kind="one slice", cell="reads .*"),
    Note(
        "One image, no volume; dcm2niix writes its overlay as a second file.",
        kind="one slice",
        reader="dcm2niix",
        cell="writes .*ROI.*",
    ),
    Note(
        "Two slices: they can be read, but one gap proves no regular spacing (one between may be missing): refused.",
        kind="two slices",
    ),
    Note(
        "Four images at one place (bolus tracking, by ImageType). ITK makes up a slice spacing of 1 mm, dcm2niix "
        "writes one slice at four times.",
        kind="one place",
    ),
    Note(
        "Localizer: a projection, or planes across each other. Read as an image of one slice, with a spacing made up.",
        kind="localizer",
    ),
    Note(
        "Two orientations in one series. SimpleITK stacks them with a spacing of centimetres; ITK and dcm2niix see two "
        "stacks of two slices, fewer than the three that we ask for.",
        kind="orientations",
    ),
    Note(
        "Siemens mosaic: ITK takes the tiled images for slices (as two series, where their details differ). dcm2niix "
        "takes them apart by Siemens' private header, which is what we advise.",
        kind="mosaic",
    ),
    Note(
        "JPEG Lossless needs the extra `monai_sr[codecs]`, which is not installed here; with it the series is taken.",
        kind="codec",
    ),
    Note(
        "Debian's build of dcm2niix has no JPEG-LS decoder; it says so.",
        kind="taken",
        reader="dcm2niix",
        cell="no: no output.*",
        item=".*jpegls.*",
    ),
    Note(
        "No CT or MR image (secondary capture, dose, ultrasound, colour map), so no grid and no HU to vouch for. Image "
        "readers open whatever has pixels.",
        kind="other object|colour",
        cell=_ANY_FILES,
    ),
]
