"""Finding cases, splitting them by subject, drawing samples."""

from monai_sr.data.dataset import SeededPatchDataset
from monai_sr.data.pairing import find_pairs, find_photos, find_scans, find_truths, of_modality, subject_of
from monai_sr.data.photos import export_photos
from monai_sr.data.prepare import prepare_cases
from monai_sr.data.sampling import StepSampler
from monai_sr.data.simulate import thicken
from monai_sr.data.splits import Split, make_split, split_cases

__all__ = [
    "SeededPatchDataset",
    "Split",
    "StepSampler",
    "export_photos",
    "find_pairs",
    "find_photos",
    "find_scans",
    "find_truths",
    "make_split",
    "of_modality",
    "prepare_cases",
    "split_cases",
    "subject_of",
    "thicken",
]
