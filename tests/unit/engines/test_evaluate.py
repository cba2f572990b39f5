"""Rows of an evaluation: right numbers, one road for all methods, and a second run that goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from monai_sr.catalogue import ModelRecord
from monai_sr.data.phantom import ellipsoids
from monai_sr.data.simulate import thicken
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.scoreboard import case_table, markdown_table, model_name, scores, summary
from monai_sr.engines.tasks import Task
from monai_sr.inference import SRModel
from monai_sr.intensity import body_mask, intensity_range
from monai_sr.io import Volume, write_volume
from monai_sr.keys import HR, LR

THROUGH, IN_PLANE = Task("through-plane", 2.0), Task("in-plane", 2.0, 0.02)
EVERY = {"ssim", "ms_ssim", "gms", "edge_width_mm", "frc_resolution_mm", "frc"}


class Added(nn.Module):
    """A generator that adds stripes across the restored axis: what data consistency cannot see at x2."""

    spatial_dims, size_multiple, receptive_field, factors, consistency = 3, 2, 0, (), True

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] + self.value * torch.tensor([1.0, -1.0]).repeat(x.shape[-1] // 2)


def model(value: float, sha256: str = "") -> SRModel:
    trained = {"modalities": ["CT", "MR"], "factor": [1, 6], "width": [0, 4], "noise": [0, 1]}
    return SRModel(Added(value), ModelRecord("toy", Path("toy.pt"), sha256, {}, "l1", trained))


@pytest.fixture(scope="module")
def truth() -> Volume:
    body = ellipsoids((24, 36, 24), (1.0, 1.0, 1.0), modality="MR")
    array = body.array + np.random.default_rng(0).normal(0, 1, body.array.shape).astype(np.float32)
    return replace(body.with_values(np.abs(array).astype(np.float32)), name="head")


def by_method(rows: list[dict[str, object]], task: Task) -> dict[str, dict[str, object]]:
    return {str(row["method"]): row for row in rows if row["task"] == task.name}


def test_cubic_is_scipys_and_psnr_is_scikit_images(truth: Volume) -> None:
    row = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"])[0]
    acquired = thicken(truth, axis=2, factor=2.0)
    where = np.meshgrid(np.arange(24.0), np.arange(36.0), (np.arange(24) + 0.5) / 2 - 0.5, indexing="ij")
    restored = ndimage.map_coordinates(acquired.array.astype(float), where, order=3, mode="reflect")
    mask = body_mask(truth.array, "MR")
    width = intensity_range(truth.array, "MR", mask).width
    expected = peak_signal_noise_ratio(truth.array[mask], restored[mask], data_range=width)
    assert row["psnr"] == pytest.approx(expected, abs=0.01)
    assert row["body_bias"] == pytest.approx((restored - truth.array)[mask].mean(), abs=0.01 * width)
    assert 0 < row["ssim"] < 1


def test_back_projection_explains_the_data_better_than_cubic(truth: Volume) -> None:
    for task in (THROUGH, Task("in-plane", 2.0)):
        found = by_method(evaluate([truth], model=None, tasks=[task], measures="psnr"), task)
        residuals = [found[name]["residual"] for name in ("cubic", "ibp1", "ibp3", "ibp5")]
        assert residuals == sorted(residuals, reverse=True)
        assert found["ibp1"]["psnr"] > found["cubic"]["psnr"]


def test_every_case_task_and_method_has_its_row(truth: Volume) -> None:
    rows = evaluate([truth], model=model(0.0), tasks=[THROUGH, IN_PLANE], measures="psnr")
    assert [row["method"] for row in rows] == ["cubic", "ibp1", "ibp3", "ibp5", "none", "toy"] * 2
    assert [row["axes"] for row in rows] == [[2]] * 6 + [[0, 1]] * 6
    json.dumps(rows)  # plain types


def test_a_model_goes_the_same_road_as_none(truth: Volume) -> None:
    """A generator that adds nothing is our pipeline without a network; one that spoils the values is seen."""
    found = by_method(evaluate([truth], model=model(0.0), tasks=[THROUGH], measures="psnr"), THROUGH)
    assert found["toy"]["psnr"] == pytest.approx(found["none"]["psnr"], abs=1e-3)
    assert found["toy"]["warnings"] == []
    spoilt = by_method(evaluate([truth], model=model(0.3), tasks=[THROUGH], measures="psnr"), THROUGH)
    assert spoilt["toy"]["psnr"] < found["none"]["psnr"]


def test_a_second_run_goes_on_where_the_first_ended(truth: Volume, tmp_path: Path) -> None:
    first = evaluate([truth], model=model(0.0, "a"), tasks=[THROUGH], out=tmp_path, measures="psnr")
    file = tmp_path / "rows.jsonl"
    lines = file.read_text().splitlines()
    assert len(lines) == len(first) == 6
    file.write_text("\n".join([*lines[:3], lines[3][:40]]))  # cut short while a row was written
    again = evaluate([truth], model=model(0.0, "a"), tasks=[THROUGH], out=tmp_path, measures="psnr")
    assert [row["psnr"] for row in again] == pytest.approx([row["psnr"] for row in first])
    assert [row["seconds"] for row in again[:3]] == [row["seconds"] for row in first[:3]]  # not computed again
    assert evaluate([truth], model=model(0.0, "a"), tasks=[THROUGH], out=tmp_path, measures="psnr") == again


def test_other_weights_and_other_truths_are_computed_anew(truth: Volume, tmp_path: Path) -> None:
    def psnr(volume: Volume, network: SRModel) -> float:
        rows = evaluate([volume], model=network, tasks=[THROUGH], references=[], out=tmp_path, measures="psnr")
        return float(rows[0]["psnr"])

    good = psnr(truth, model(0.0, "a"))
    assert psnr(truth, model(0.3, "b")) < good
    assert psnr(truth.with_values(np.sqrt(truth.array)), model(0.0, "a")) != good
    assert psnr(truth, model(0.0)) == pytest.approx(good)  # without a digest: a network that is being trained
    assert psnr(truth, model(0.3)) < good


def test_one_bad_case_does_not_stop_the_others(truth: Volume, tmp_path: Path) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"no scan")
    thin = truth.with_values(truth.array[:, :, :6], truth.geometry.resampled((24, 36, 6), (1, 1, 1), (0, 0, 0)))
    rows = evaluate([bad, tmp_path / "none.nii", thin, truth], model=None, tasks=[THROUGH], references=["cubic"])
    assert [("error" in row) for row in rows] == [True, True, True, False]
    assert "axis 2 has 6 voxels" in rows[2]["error"]
    assert {row["method"] for row in rows} == {"cubic"}


def test_real_pairs_are_taken_as_they_are(truth: Volume, tmp_path: Path) -> None:
    thick = thicken(truth, axis=2, factor=3.0)
    for volume, name in ((truth, "hr"), (thick, "lr")):
        write_volume(volume, tmp_path / f"{name}.nii.gz")
    pair = {"name": "pair", HR: tmp_path / "hr.nii.gz", LR: tmp_path / "lr.nii.gz"}
    rows = evaluate([pair], model=None, modality="MR", references=["cubic", "ibp3"])
    assert {row["task"] for row in rows} == {"as acquired, x3"}
    simulated = evaluate([truth], model=None, tasks=[Task("through-plane", 3.0)], references=["cubic", "ibp3"])
    assert [row["psnr"] for row in rows] == pytest.approx([row["psnr"] for row in simulated], abs=1e-3)


def test_a_pair_that_does_not_cover_the_same_field_is_refused(truth: Volume) -> None:
    thick = thicken(truth, axis=2, factor=3.0)
    moved = thick.with_values(thick.array, thick.geometry.resampled(thick.geometry.shape, (1, 1, 1), (0, 0, 0.5)))
    row = evaluate([{HR: truth, LR: moved}], model=None, references=["cubic"])[0]
    assert "outer corners of the pair lie up to 1.5 mm apart" in row["error"]


def test_cases_of_the_same_name_are_told_apart(truth: Volume, tmp_path: Path) -> None:
    for subject in ("01", "02"):
        write_volume(truth, tmp_path / subject / "t1.nii.gz")
    files = [tmp_path / "01" / "t1.nii.gz", tmp_path / "02" / "t1.nii.gz", truth]
    rows = evaluate(files, model=None, tasks=[THROUGH], references=["cubic"], measures="psnr", modality="MR")
    assert [row["case"] for row in rows] == ["01/t1", "02/t1", "head"]


def test_an_unknown_reference_is_refused(truth: Volume) -> None:
    with pytest.raises(ValueError, match="unknown reference 'bicubic'"):
        evaluate([truth], references=["bicubic"])


@pytest.mark.parametrize(
    ("measures", "more"),
    [
        ("psnr", set()),
        ("ssim", {"ssim"}),
        ("all", {"ssim", "ms_ssim", "gms", "edge_width_mm", "frc_resolution_mm", "frc"}),
    ],
)
def test_it_measures_what_is_asked_for_and_no_more(truth: Volume, measures: Any, more: set[str]) -> None:
    row = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], measures=measures)[0]
    assert EVERY & set(row) == more
    always = {"case", "subject", "task", "method", "psnr", "body_bias", "residual", "seconds", "peak_memory_bytes"}
    assert always <= set(row)
    json.dumps(row)


def test_rows_of_fewer_measures_are_not_taken_for_those_of_all(truth: Volume, tmp_path: Path) -> None:
    for measures in ("psnr", "ssim", "psnr"):
        rows = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], out=tmp_path, measures=measures)  # type: ignore[arg-type]
        assert ("ssim" in rows[0]) == (measures == "ssim")
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 2


def test_pictures_are_kept_and_named_in_the_rows(truth: Volume, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    rows = evaluate(
        [truth], model=None, tasks=[THROUGH], references=["cubic", "ibp1"], pictures=pictures, measures="psnr"
    )
    names = [row[key] for row in rows for key in ("truth_picture", "acquired_picture", "picture")]
    assert len(set(names)) == 4  # one truth, one acquired volume, two results
    assert {file.name for file in pictures.iterdir()} == set(names)
    plain = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], measures="psnr")
    assert "picture" not in plain[0]


def test_the_acquired_volumes_are_written_for_programs_of_others(truth: Volume, tmp_path: Path) -> None:
    """Read back with nibabel: the values and the place that a method is given."""
    evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], inputs=tmp_path, measures="psnr")
    file = tmp_path / f"{simulated(truth, THROUGH, None, 0).slug}.nii.gz"
    image = nibabel.load(file)
    acquired = thicken(truth, axis=2, factor=2.0)
    assert np.allclose(image.get_fdata(), acquired.array, atol=1e-3)
    assert np.allclose(image.affine, acquired.geometry.affine, atol=1e-4)


def test_methods_of_ones_own_take_part(truth: Volume) -> None:
    class Oracle:
        name, digest = "oracle", None

        def restore(self, problem: Problem, device: str) -> tuple[npt.NDArray[np.float32], list[str]]:
            return problem.truth.array + np.float32(1.0), ["too good"]

    rows = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], methods=[Oracle()], measures="psnr")
    assert [row["method"] for row in rows] == ["cubic", "oracle"]
    mask = body_mask(truth.array, "MR")
    width = intensity_range(truth.array, "MR", mask).width
    assert rows[1]["psnr"] == pytest.approx(20 * np.log10(width), abs=1e-3)  # one unit off everywhere
    assert rows[1]["warnings"] == ["too good"]


# ---- the table


def rows_of(**levels: float) -> list[dict[str, object]]:
    facts = {"kind": "through-plane", "factor": 2.0, "noise": 0.0, "modality": "MR"}
    return [
        {**facts, "case": case, "task": "x2", "method": method, "psnr": psnr + shift, "warnings": []}
        for case, shift in (("a", 0.0), ("b", 1.0))
        for method, psnr in levels.items()
    ]


def test_gain_is_over_the_best_reference_of_the_case() -> None:
    rows = rows_of(cubic=30.0, ibp1=31.0, ibp3=30.5, none=30.8, toy=31.6)
    rows[-1]["psnr"] = 30.5  # case b: worse than its cubic, 31
    assert model_name(rows) == "toy"
    first, second = case_table(rows)
    assert first["gain"] == pytest.approx(0.6)
    assert second["gain"] == pytest.approx(-1.5)
    found = scores([first, second])
    assert found["mean_gain"] == pytest.approx(-0.45)
    assert found["worst_gain"] == pytest.approx(-1.5)
    assert found["mean_gain_over_none"] == pytest.approx((0.8 - 1.3) / 2)
    assert (found["below_cubic"], found["below_best_reference"], found["cases"]) == (1, 1, 2)


def test_without_a_model_there_is_no_gain() -> None:
    found = summary(rows_of(cubic=30.0, none=30.8))["all"]
    assert found["mean_gain"] is None
    assert found["below_cubic"] == 0


def test_the_table_shows_every_case_and_every_part() -> None:
    rows = rows_of(cubic=30.0, ibp1=31.0, none=30.8, toy=31.6)
    rows[3]["warnings"] = ["outside"]
    failed = [{"case": "c", "task": "x2", "method": m, "error": "no scan"} for m in ("cubic", "toy")]
    text = markdown_table([*rows, *failed])
    assert "| a | x2 (!) | 30.00 | 31.00 | 30.80 | 31.60 | +0.60 | +0.80 |" in text
    assert "no scan" in text
    assert "| factor 2 | 2 | +0.60 | +0.60 | +0.80 | +0.80 | 0 | 1 |" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table if line.startswith(("| a", "| b", "| c", "| case"))}) == 1
