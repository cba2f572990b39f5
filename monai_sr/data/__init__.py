"""Finding cases, splitting them by subject, drawing samples; phantoms, and lesions put into scans."""

from monai_sr.data.dataset import SeededPatchDataset
from monai_sr.data.lesion_places import draw_places
from monai_sr.data.lesions import Lesion, Patch, erase, insert_lesions, lesion_patch
from monai_sr.data.pairing import find_pairs, find_photos, find_scans, find_truths, of_modality, subject_of
from monai_sr.data.photos import export_photos
from monai_sr.data.prepare import prepare_cases
from monai_sr.data.sampling import StepSampler
from monai_sr.data.simulate import thicken
from monai_sr.data.splits import Split, make_split, split_cases

__all__ = [
    "Lesion",
    "Patch",
    "SeededPatchDataset",
    "Split",
    "StepSampler",
    "draw_places",
    "erase",
    "export_photos",
    "find_pairs",
    "find_photos",
    "find_scans",
    "find_truths",
    "insert_lesions",
    "lesion_patch",
    "make_split",
    "of_modality",
    "prepare_cases",
    "split_cases",
    "subject_of",
    "thicken",
]
