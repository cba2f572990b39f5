"""``y - A x`` on the acquired grid, against slab averages that NumPy makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from monai_sr.data import phantom
from monai_sr.inference import SRModel, super_resolve
from monai_sr.inference.unexplained import unexplained
from monai_sr.io import Volume

MakeModel = Callable[..., SRModel]
BOX = [{"axis": 2, "profile": "box", "profile_width_spacings": 1.0}]


def test_it_is_the_slab_average_that_is_missing(thick_ct: Volume, make_model: MakeModel) -> None:
    result = super_resolve(thick_ct, model=make_model(0.01), profile="box", maps=True, device="cpu")
    residual = result.maps["residual"]
    assert residual.geometry == thick_ct.geometry and result.volume.geometry != thick_ct.geometry
    x, y, z = thick_ct.array.shape
    seen = result.volume.array.astype(np.float64).reshape(x, y, z, 4).mean(axis=3)
    np.testing.assert_allclose(residual.array, thick_ct.array - seen, atol=1e-2)
    rms = float(np.sqrt(np.mean(residual.array.astype(np.float64) ** 2)))
    assert rms > 0.1  # HU: the network changes every voxel, and one step of consistency does not undo all of it
    assert rms == pytest.approx(result.report["axes"][-1]["residual_rms"], rel=1e-3)


def test_it_is_that_of_the_mean_of_an_ensemble(thick_ct: Volume, make_model: MakeModel) -> None:
    result = super_resolve(thick_ct, model=make_model(0.01), profile="box", ensemble=4, maps=True, device="cpu")
    x, y, z = thick_ct.array.shape
    seen = result.volume.array.reshape(x, y, z, 4).mean(axis=3)
    np.testing.assert_allclose(result.maps["residual"].array, thick_ct.array - seen, atol=1e-2)


def test_positive_is_where_the_scan_is_brighter() -> None:
    thin = phantom.ellipsoids((12, 10, 24), (1.0, 1.0, 1.0))
    thick = replace(
        thin,
        array=thin.array.reshape(12, 10, 6, 4).mean(axis=3) + 25.0,
        geometry=thin.geometry.resized((12, 10, 6)),
    )
    found = unexplained(thick, thin, BOX)
    assert found is not None and found.geometry == thick.geometry
    np.testing.assert_allclose(found.array, 25.0, atol=1e-3)


def test_several_axes(thick_ct: Volume) -> None:
    """Two axes of one factor each: the mean over blocks."""
    thin = phantom.ellipsoids((12, 10, 24), (1.0, 1.0, 1.0))
    thick = replace(
        thin,
        array=thin.array.reshape(6, 2, 10, 6, 4).mean(axis=(1, 4)),
        geometry=thin.geometry.resized((6, 10, 6)),
    )
    found = unexplained(thick, thin, [*BOX, {**BOX[0], "axis": 0}])
    assert found is not None
    np.testing.assert_allclose(found.array, 0.0, atol=1e-3)


def test_none_where_an_axis_became_coarser(thick_ct: Volume, make_model: MakeModel) -> None:
    options = {"scale": (1, 0.5, 4), "allow_downsample": True, "maps": True, "device": "cpu"}
    result = super_resolve(thick_ct, model=make_model(0.01), **options)
    assert sorted(result.maps) == ["deviation"]
