"""The ways of restoring: every one gives the truth's grid, and results from outside lie where they were acquired."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from monai_sr.catalogue import ModelRecord, find_model
from monai_sr.data.phantom import ellipsoids
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.methods import (
    TRAIN_FREE,
    FloatArray,
    ModalityMethod,
    NetworkMethod,
    OutsideMethod,
    TrainingPrecision,
    network_method,
    train_free,
)
from monai_sr.engines.problem import Problem, simulated
from monai_sr.engines.tasks import Task
from monai_sr.inference import SRModel, super_resolve
from monai_sr.io import InputError, Volume
from monai_sr.networks import EDSR, SRGenerator

THROUGH = Task("through-plane", 2.0)


@pytest.fixture(scope="module")
def truth() -> Volume:
    body = ellipsoids((24, 36, 24), (1.0, 1.0, 1.0), modality="MR")
    return replace(body, name="head")


@pytest.fixture(scope="module")
def problem(truth: Volume) -> Problem:
    return simulated(truth, THROUGH, None, 0)


class Nothing(nn.Module):
    """A generator that adds nothing and knows doublings only."""

    spatial_dims, size_multiple, receptive_field, factors, consistency = 3, 2, 0, (2,), True

    def forward(self, x: torch.Tensor, *_: object) -> torch.Tensor:
        return x[:, :1]


def model(limits: tuple[float, float], sha256: str = "") -> SRModel:
    trained = {"modalities": ["MR"], "factor": list(limits), "width": [0, 4], "noise": [0, 1]}
    return SRModel(Nothing(), ModelRecord("toy", Path("toy.pt"), sha256, {}, "l1", trained))


@pytest.mark.parametrize("kind", ["through-plane", "in-plane"])
@pytest.mark.parametrize("name", [*TRAIN_FREE, "none"])
def test_every_method_without_training_gives_the_truths_grid(truth: Volume, name: str, kind: str) -> None:
    problem = simulated(truth, Task(kind, 2.0), None, 0)  # type: ignore[arg-type]
    restored, _ = train_free(name).restore(problem, "cpu")
    assert restored.shape == problem.truth.geometry.shape
    assert restored.dtype == np.float32
    assert np.isfinite(restored).all()

    # it is the same body in the same place: no shift by a voxel brings it nearer to the truth
    def error(volume: FloatArray) -> float:
        return float(np.mean((volume - problem.truth.array) ** 2))

    shifted = [np.roll(restored, by, axis) for axis in problem.axes for by in (-1, 1)]
    assert error(restored) < min(error(volume) for volume in shifted)


@pytest.mark.parametrize(
    "name", sorted(set(TRAIN_FREE) - {"tv"})
)  # a constant has no intensity range for tv to work on
def test_constant_in_constant_out(problem: Problem, name: str) -> None:
    flat = replace(problem, acquired=problem.acquired.with_values(np.full_like(problem.acquired.array, 80.0)))
    restored, _ = train_free(name).restore(flat, "cpu")
    assert np.allclose(restored, 80.0, atol=1e-3)


def test_unknown_names_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown reference 'lanczos'; there are: nearest, .*none"):
        train_free("lanczos")


def test_a_fallback_is_measured_unless_one_is_strict(problem: Problem) -> None:
    """A model that was never trained on x2 declines: the pipeline then goes without it, and says so."""
    lenient = network_method(model((5.0, 6.0)))
    restored, warnings = lenient.restore(problem, "cpu")
    assert restored.shape == problem.truth.geometry.shape
    assert warnings
    with pytest.raises(InputError, match=r"^not applicable: \S"):
        NetworkMethod("toy", model((5.0, 6.0)), strict=True).restore(problem, "cpu")
    assert NetworkMethod("toy", model((1.5, 6.0)), strict=True).restore(problem, "cpu")[1] == []


def test_a_strict_fallback_is_an_error_row_and_the_others_go_on(truth: Volume) -> None:
    methods = [NetworkMethod("strict", model((5.0, 6.0)), strict=True)]
    rows = evaluate([truth], model=None, tasks=[THROUGH], references=["cubic"], methods=methods, measures="psnr")
    assert rows[0]["psnr"] > 0
    assert rows[1]["method"] == "strict"
    assert rows[1]["error"].startswith("not applicable: ")
    assert "psnr" not in rows[1]


def test_weights_in_memory_have_no_digest() -> None:
    assert NetworkMethod("none", None).digest == ""
    assert network_method(model((1, 6))).digest is None
    stored = network_method(model((1, 6), "abc"))
    assert (stored.name, stored.digest) == ("toy", "abc")
    four = network_method(model((1, 6), "abc"), ensemble=4)
    assert (four.name, four.digest) == ("toy, ensemble of 4", "abc, ensemble of 4")


def test_a_size_restores_each_modality_by_its_own_network(problem: Problem) -> None:
    method = network_method("best")
    assert isinstance(method, ModalityMethod)
    own = {modality: network_method(find_model("best", modality).name) for modality in ("CT", "MR")}
    assert own["CT"].digest != own["MR"].digest
    assert method.name == "best"
    assert all(str(each.digest) in str(method.digest) for each in own.values())
    restored, _ = method.restore(problem, "cpu")
    assert np.array_equal(restored, own["MR"].restore(problem, "cpu")[0])
    assert not np.array_equal(restored, own["CT"].restore(problem, "cpu")[0])


class Leaning(Nothing):
    """Adds something to one side, so that it restores a mirrored volume otherwise."""

    receptive_field = 1

    def forward(self, x: torch.Tensor, *_: object) -> torch.Tensor:
        return x[:, :1] + 0.1 * (x[:, :1] - torch.roll(x[:, :1], 1, dims=2))


def test_an_ensemble_is_measured_as_one_gets_it(problem: Problem) -> None:
    leaning = replace(model((1.5, 6.0)), network=Leaning())
    one, four = (network_method(leaning, ensemble=n).restore(problem, "cpu")[0] for n in (1, 4))
    asked = {"modality": problem.truth.modality, "scale": problem.factors, "profile": problem.profile, "device": "cpu"}
    assert np.array_equal(four, super_resolve(problem.acquired, model=leaning, ensemble=4, **asked).volume.array)
    assert not np.allclose(one, four)


# ---- results from outside


def put(folder: Path, name: str, array: np.ndarray, affine: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), folder / name)
    return folder / name


def test_a_result_on_the_truths_grid_is_taken_as_it_is(problem: Problem, tmp_path: Path) -> None:
    values = problem.truth.array + 3.0
    put(tmp_path, f"{problem.slug}.nii.gz", values, problem.truth.geometry.affine)
    restored, warnings = OutsideMethod("theirs", tmp_path).restore(problem, "cpu")
    assert np.allclose(restored, values, atol=1e-3)
    assert warnings == []


def test_a_result_on_another_grid_is_resampled_as_simpleitk_does(problem: Problem, tmp_path: Path) -> None:
    """Shifted by part of a voxel, anisotropic and flipped along an axis, as programs of others write."""
    truth = problem.truth
    affine = np.diag([-0.8, 1.1, 0.9, 1.0])
    affine[:3, 3] = truth.geometry.world([truth.geometry.shape[0] - 1, 0, 0]) + np.array([-0.2, 0.3, 0.4])
    shape = (28, 32, 26)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) @ affine[:3, :3].T + affine[:3, 3]
    values = 100 + 30 * np.sin(grid[..., 0] / 4) + 20 * np.cos(grid[..., 1] / 5) + 10 * np.sin(grid[..., 2] / 6)
    file = put(tmp_path, f"{problem.slug}.nii.gz", values, affine)
    restored, warnings = OutsideMethod("theirs", tmp_path).restore(problem, "cpu")

    reference = put(tmp_path / "grid", "truth.nii.gz", truth.array, truth.geometry.affine)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(sitk.ReadImage(str(file)), sitk.ReadImage(str(reference)), sitk.Transform(), sitk.sitkBSpline)
    ).transpose(2, 1, 0)
    inner = (slice(5, -5),) * 3  # at the border the two continue a volume in different ways
    assert np.abs(restored - expected)[inner].max() < 0.1
    assert restored.shape == truth.geometry.shape
    assert warnings == ["brought from (28, 32, 26) voxels to the truth's grid"]


def test_without_a_file_it_says_not_run(problem: Problem, truth: Volume, tmp_path: Path) -> None:
    theirs = OutsideMethod("theirs", tmp_path)
    with pytest.raises(InputError, match=f"^not run: .* holds 0 results for {problem.slug}"):
        theirs.restore(problem, "cpu")
    row = evaluate([truth], model=None, tasks=[THROUGH], references=[], methods=[theirs], measures="psnr")[0]
    assert row["error"].startswith("not run: ")


def test_the_result_of_another_problem_is_not_taken(truth: Volume, tmp_path: Path) -> None:
    """The slug of one task can begin that of another."""
    right = simulated(truth, THROUGH, None, 0)
    other = simulated(truth, replace(THROUGH, width=0.7), None, 0)
    put(tmp_path, f"{other.slug}.nii.gz", truth.array, truth.geometry.affine)
    theirs = OutsideMethod("theirs", tmp_path)
    with pytest.raises(InputError, match="not run"):
        theirs.restore(right, "cpu")
    put(tmp_path, f"{right.slug}_theirs.nii.gz", truth.array + 1, truth.geometry.affine)
    assert np.allclose(theirs.restore(right, "cpu")[0], truth.array + 1, atol=1e-3)
    assert np.allclose(theirs.restore(other, "cpu")[0], truth.array, atol=1e-3)


def test_the_digest_changes_with_the_files(tmp_path: Path) -> None:
    theirs = OutsideMethod("theirs", tmp_path)
    empty = theirs.digest
    file = put(tmp_path, "a.nii.gz", np.zeros((4, 4, 4)), np.eye(4))
    written = theirs.digest
    os.utime(file, (1, 1))
    assert len({empty, written, theirs.digest}) == 3


def test_the_precision_of_the_training_changes_little_and_keeps_the_contract() -> None:
    torch.manual_seed(0)
    plain = EDSR(channels=4, blocks=1).eval()
    torch.nn.init.normal_(plain.last.conv.weight, std=0.02)
    x = torch.rand(1, 7, 12, 12, 12)
    x[:, 2] = 2 / 4
    mixed = TrainingPrecision(plain)
    assert isinstance(mixed, SRGenerator)
    assert (mixed.factors, mixed.size_multiple, mixed.consistency) == (plain.factors, plain.size_multiple, False)
    with torch.no_grad():
        found, exact = mixed(x), plain(x)
    assert found.dtype == torch.float32
    changed = (exact - x[:, 1:2]).abs().max()
    assert changed > 1e-3  # the network must have done something
    assert (found - exact).abs().max() < 0.05 * changed
