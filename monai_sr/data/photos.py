"""Photographs that are at hand without a download: those that travel in the wheel of scikit-image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import skimage

from monai_sr.data.splits import Split
from monai_sr.io.atomic import atomic_path
from monai_sr.io.photo import read_photo, write_photo
from monai_sr.io.volume import InputError

__all__ = ["PHOTOGRAPHS", "Photograph", "export_photos", "photo_split"]


@dataclass(frozen=True)
class Photograph:
    """One photograph of scikit-image.

    Args:
        file: its name in ``skimage/data``.
        role: ``"train"`` or ``"validation"``.
        credit: what is seen, whose it is and on which terms, after the documentation of ``skimage.data``.
    """

    file: str
    role: str
    credit: str

    @property
    def name(self) -> str:
        """File name after :func:`export_photos`."""
        return f"{Path(self.file).stem}.png"


# Left out: drawings (chessboards, logo, phantom, colour wheel, silhouette of a horse), a picture that is blurred on
# purpose (clock_motion), and those for which scikit-image states no terms (moon, page, the stereo pair motorcycle).
# By image, about a quarter validates: a person and buildings, fur, a texture and an organ; a texture, print and tissue
# of the same kinds are among those that train.
PHOTOGRAPHS = (
    Photograph("astronaut.png", "train", "Eileen Collins, portrait. NASA, public domain."),
    Photograph("brick.png", "train", "Brick wall. CC0Textures (Bricks25), CC0."),
    Photograph("camera.png", "validation", "A photographer and buildings. Lav Varshney, CC0."),
    Photograph("cell.png", "train", "A cell in a microscope's quantitative phase image. CC0."),
    Photograph("chelsea.png", "validation", "A cat. Stefan van der Walt, CC0."),
    Photograph("coffee.png", "train", "A cup of coffee. Rachel Michetti, CC0."),
    Photograph("coins.png", "train", "Greek coins from Pompeii. Brooklyn Museum, no known copyright restrictions."),
    Photograph("grass.png", "validation", "Grass. linolafett on DeviantArt, CC0."),
    Photograph("gravel.png", "train", "Gravel. CC0Textures (Gravel04), CC0."),
    Photograph("hubble_deep_field.jpg", "train", "Hubble eXtreme Deep Field. NASA, public domain."),
    Photograph("ihc.png", "train", "Colonic glands, stained. CMMI, no known copyright restrictions."),
    Photograph("retina.jpg", "validation", "A human retina. Mikael Häggström, CC0."),
    Photograph("rocket.jpg", "train", "Launch of a Falcon 9. SpaceX, public domain."),
    Photograph("text.png", "train", "Printed text. Wikipedia, public domain."),
)


def export_photos(folder: Path, roles: Sequence[str] = ("train", "validation")) -> list[Path]:
    """Write the photographs of scikit-image as PNG into a folder, where ``find_photos`` finds them.

    Args:
        folder: is made if it is missing; files of the same names in it are replaced. ``CREDITS.txt`` goes beside them.
        roles: which ones, see :data:`PHOTOGRAPHS`.

    Returns:
        The files, in the order of their names.

    Raises:
        ValueError: if there is no photograph of these roles.
        InputError: if the installed scikit-image lacks one.
    """
    chosen = [photograph for photograph in PHOTOGRAPHS if photograph.role in roles]
    if not chosen:
        raise ValueError(f"no photograph has one of the roles {list(roles)}; there are train and validation")
    shipped = Path(skimage.__file__).parent / "data"
    written = []
    for photograph in chosen:
        source = shipped / photograph.file
        if not source.is_file():
            raise InputError(f"scikit-image {version('scikit-image')} has no data/{photograph.file}; install it anew")
        written.append(write_photo(read_photo(source), folder / photograph.name, overwrite=True))
    credits = "".join(f"{photograph.name}: {photograph.credit}\n" for photograph in chosen)
    with atomic_path(folder / "CREDITS.txt", overwrite=True) as temporary:
        temporary.write_text(f"Sample data of scikit-image {version('scikit-image')}\n\n{credits}", encoding="utf-8")
    return written


def photo_split() -> Split:
    """Who trains and who validates; ``configs/splits/photos.json`` is this, written."""
    roles = {Path(photograph.name).stem: photograph.role for photograph in PHOTOGRAPHS}
    return Split(roles, {photograph.name: Path(photograph.name).stem for photograph in PHOTOGRAPHS})
