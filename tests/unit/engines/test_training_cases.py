from __future__ import annotations

from pathlib import Path

import pytest

from monai_sr.data import Split
from monai_sr.data.phantom import ellipsoids
from monai_sr.engines import ConfigRefused, TrainingCases
from monai_sr.io import write_volume


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two heads (MR), one of which validates, and a leg (CT)."""
    for name, modality in (("head_1", "MR"), ("head_2", "MR"), ("leg_1", "CT")):
        write_volume(ellipsoids((16, 16, 16), modality=modality), tmp_path / "data" / f"{name}.nii.gz")
    split = Split(
        roles={"head_1": "train", "head_2": "validation", "leg_1": "train"},
        files={f"{name}.nii.gz": name for name in ("head_1", "head_2", "leg_1")},
    )
    split.write(tmp_path / "split.json")
    return tmp_path


def names(cases: TrainingCases) -> dict[str, list[str]]:
    return {role: [case["name"] for case in found] for role, found in cases.roles.items() if found}


def test_one_modality_of_a_mixed_folder_with_the_split_of_all(mixed: Path) -> None:
    both = TrainingCases(mixed / "data", mixed / "a", split_file=mixed / "split.json")
    assert names(both) == {"train": ["head_1.nii.gz", "leg_1.nii.gz"], "validation": ["head_2.nii.gz"]}
    heads = TrainingCases(mixed / "data", mixed / "b", split_file=mixed / "split.json", only="MR")
    assert names(heads) == {"train": ["head_1.nii.gz"], "validation": ["head_2.nii.gz"]}
    assert heads.split == both.split


def test_a_modality_that_nobody_trains_on_is_refused(mixed: Path) -> None:
    (mixed / "data" / "leg_1.nii.gz").unlink()
    write_volume(ellipsoids((16, 16, 16), modality="MR"), mixed / "data" / "leg_1.nii.gz")
    with pytest.raises(ConfigRefused, match="holds no CT to train on; change cases::only"):
        TrainingCases(mixed / "data", mixed / "a", split_file=mixed / "split.json", only="CT")
