"""One case from its file to its folder: what ``monai-sr upscale`` and everything that runs over many cases do to it."""

from __future__ import annotations

from monai_sr.casework.failure import EnvironmentProblemError, failure_in_words, is_environment_problem
from monai_sr.casework.folder import case_folder, is_result, refuse_existing, staging_folder
from monai_sr.casework.gather import gather_cases
from monai_sr.casework.upscaling import Progress, Upscaling

__all__ = [
    "EnvironmentProblemError",
    "Progress",
    "Upscaling",
    "case_folder",
    "failure_in_words",
    "gather_cases",
    "is_environment_problem",
    "is_result",
    "refuse_existing",
    "staging_folder",
]
