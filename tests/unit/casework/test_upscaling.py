"""The choices of a command, applied to one case."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_sr.casework.upscaling import Upscaling
from monai_sr.cli import main
from monai_sr.data import phantom
from monai_sr.io import InputError


def test_a_model_without_gan_stage_for_this_modality_is_refused_by_case(tmp_path: Path) -> None:
    """A size may have a GAN stage for one modality alone, so it is found out case by case; no fault of the program."""
    with pytest.raises(SystemExit) as ended:
        main(["export", "default", "-o", str(tmp_path)])
    assert not ended.value.code
    thick = phantom.ellipsoids((24, 24, 8), (1.5, 1.5, 4.0), modality="MR")
    with pytest.raises(InputError, match=r"for MR, ct_mr_fast_l1, has no GAN stage, so --fidelity 0.5 is not possible"):
        Upscaling(str(tmp_path), "cpu", options={"fidelity": 0.5}).resolve(thick)
