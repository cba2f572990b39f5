"""Part by part is what the whole volume gives, bit by bit or nearly."""

from __future__ import annotations

import pytest
import torch

from monai_sr.degradation import CoarseAxis, SliceProfile, correct, residual, start_volume
from monai_sr.grid import AxisGrid, apply_along, interpolation_matrix
from monai_sr.inference import restore
from monai_sr.inference.restore import StartTiles, finish
from monai_sr.inference.stages import StageClock

VOLUME = [CoarseAxis(-1, AxisGrid(9, 27), SliceProfile("gaussian"))]
SLICES = [CoarseAxis(-2, AxisGrid(11, 22), SliceProfile("box")), CoarseAxis(-1, AxisGrid(9, 18), SliceProfile("box"))]


def acquired(seed: int = 0) -> torch.Tensor:
    return 100.0 * torch.rand(10, 11, 9, generator=torch.Generator().manual_seed(seed))


def whole(y: torch.Tensor, coarse: list[CoarseAxis]) -> tuple[torch.Tensor, torch.Tensor]:
    cubic = y
    for axis, grid, _ in coarse:
        cubic = apply_along(interpolation_matrix(grid), cubic, axis)
    return start_volume(y, coarse, 0.004, "MR"), cubic


@pytest.mark.parametrize("mirrored", [(), (-1,), (-3, -2)])
def test_a_part_of_a_volume_is_that_part_of_the_whole(mirrored: tuple[int, ...]) -> None:
    y = acquired()
    expected = torch.stack(whole(y, VOLUME))[None].flip(list(mirrored))
    source = StartTiles(y, VOLUME, 0.004, "MR", StageClock(), mirrored)
    assert source.shape == expected.shape
    for spans in ((slice(0, 10), slice(0, 11), slice(0, 27)), (slice(2, 7), slice(4, 11), slice(5, 21))):
        index = (slice(None), slice(None), *spans)
        torch.testing.assert_close(source[index], expected[index], atol=1e-3, rtol=0)


@pytest.mark.parametrize("mirrored", [(), (-1,), (-2, -1)])
def test_a_part_of_some_slices_is_that_part_of_the_whole(mirrored: tuple[int, ...]) -> None:
    y = acquired()
    expected = torch.stack(whole(y, SLICES), dim=1).flip(list(mirrored))
    source = StartTiles(y, SLICES, 0.004, "MR", StageClock())
    some = source.slices(slice(3, 7), mirrored)
    assert source.shape == expected.shape
    assert some.shape == (4, 2, 22, 18)
    index = (slice(None), slice(None), slice(3, 20), slice(1, 9))
    torch.testing.assert_close(some[index], expected[3:7][index], atol=1e-3, rtol=0)


@pytest.mark.parametrize("coarse", [VOLUME, SLICES], ids=["volume", "slices"])
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_slabs_give_what_the_whole_volume_gives(
    coarse: list[CoarseAxis], weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, clock = acquired(), StageClock()
    start, cubic = whole(y, coarse)
    added = torch.randn(start.shape, generator=torch.Generator().manual_seed(1))
    expected = start + added
    expected = expected + weight * (correct(expected, y, coarse) - expected)
    expected, cubic = expected.clamp(min=5.0), cubic.clamp(min=5.0)
    rms = [float(torch.sqrt(torch.mean(residual(v, y, coarse) ** 2))) for v in (cubic, expected)]
    monkeypatch.setattr(restore, "_SLAB_VOXELS", 700)
    source = StartTiles(y, coarse, 0.004, "MR", clock)
    assert len(list(source.slabs())) > 3
    found, told = finish(source, added, weight=weight, floor=5.0, clock=clock)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)  # 1e-5 of the range
    assert told == pytest.approx(rms, rel=1e-4)
    assert found.data_ptr() == added.data_ptr()  # no second volume
    assert set(clock.seconds) == {"interpolate", "consistency"}


def test_without_a_network_it_is_the_start() -> None:
    y = acquired()
    found, _ = finish(StartTiles(y, VOLUME, 0.004, "MR", StageClock()), None, weight=0, floor=None, clock=StageClock())
    torch.testing.assert_close(found, whole(y, VOLUME)[0], atol=1e-3, rtol=0)


def test_values_that_are_not_finite_are_an_error() -> None:
    y = acquired()
    added = torch.zeros(10, 11, 27)
    added[9, 3, 4] = float("nan")
    with pytest.raises(RuntimeError, match="not finite"):
        finish(StartTiles(y, VOLUME, 0.004, "MR", StageClock()), added, weight=0, floor=None, clock=StageClock())
