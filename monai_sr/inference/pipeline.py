"""``super_resolve``: the one way a volume is upscaled. The CLI, the bundle and every other caller go through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_sr.catalogue import find_model
from monai_sr.degradation import (
    CoarseAxis,
    ProfileKind,
    SliceProfile,
    backprojection_steps,
    default_profile,
    degrade,
)
from monai_sr.geometry import VolumeGeometry
from monai_sr.grid import AxisGrid
from monai_sr.inference.calibration import Calibration, calibration_of
from monai_sr.inference.engine import Engine, OpenVINONetwork, on_engine, select_engine
from monai_sr.inference.ensemble import FLIPS, RunningSpread
from monai_sr.inference.facts import geometry_facts, model_facts, peak_memory_bytes, versions
from monai_sr.inference.memory import MemoryNeed, memory_need
from monai_sr.inference.model import (
    AddedDetail,
    SRModel,
    load_model,
    load_perceptual,
    select_device,
    with_fidelity,
    working_bytes,
)
from monai_sr.inference.plan import GridPlan, Spacing, plan_grid
from monai_sr.inference.precision import Precision, network_dtype
from monai_sr.inference.restore import StartTiles, finish
from monai_sr.inference.stages import StageClock
from monai_sr.inference.tilt import TILT_NOTE, tilt_of
from monai_sr.inference.trained_range import outside_trained_range
from monai_sr.inference.unexplained import unexplained
from monai_sr.inference.window import HaloInferer
from monai_sr.intensity import IntensityRange, body_mask, contrast, estimate_noise, intensity_range
from monai_sr.io import InputError, Modality, Volume, read_volume

__all__ = ["SRResult", "super_resolve"]

Progress = Callable[[str, float], None]

_LEAST_CONSISTENCY = 0.3  # with a network, however noisy the scan
_WHOLLY_BELOW = {"CT": 0.005}  # noise up to which the data are followed wholly; other modalities: 0.01
_SAME_FACTOR = 0.02  # axes whose factors differ by less are restored at once by a 2-D network
_SLICE_VOXELS = 2**21  # in one batch of slices


@dataclass(frozen=True)
class SRResult:
    """What :func:`super_resolve` returns.

    Args:
        volume: the super-resolved scan, in HU or the scanner's units.
        acquired: the scan as it was read.
        report: facts for ``run.json``, plain JSON types.
        maps: if asked for, in the units and on the grid of ``volume``: ``deviation`` (how far the restorations of an
            ensemble disagree); ``expected_error`` (of the result, root mean square), where the model's record says how
            the one follows from the other and the network restored every axis; and, where the model has a GAN stage,
            ``added`` (how far that stage departs from it). On the grid of ``acquired``: ``residual``, what it has
            beyond ``volume`` seen through the slice profile, with its sign; none where an axis was made coarser.
    """

    volume: Volume
    acquired: Volume
    report: dict[str, Any]
    maps: dict[str, Volume] = field(default_factory=dict)


@dataclass
class _Job:
    """The state of one call."""

    model: SRModel | None
    device: torch.device
    tile: int | None
    progress: Progress
    flips: tuple[bool, bool, bool] = FLIPS[0]  # axes along which the network sees the volume mirrored
    noise: float = 0.0  # largest estimate so far, as a fraction of the range
    warnings: list[str] = field(default_factory=list)
    axes: list[dict[str, Any]] = field(default_factory=list)
    precision: Precision = "auto"
    clock: StageClock = field(default_factory=StageClock)
    need: MemoryNeed | None = None
    retreats: list[str] = field(default_factory=list)
    tiles: list[list[int]] = field(default_factory=list)

    def again(self, model: SRModel | None, flips: tuple[bool, bool, bool]) -> _Job:
        """The same work by another member of the ensemble: its times add up, its remarks would be the same."""
        return replace(self, model=model, flips=flips, noise=0.0, warnings=[], axes=[])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage and say that it has begun."""
        self.progress(name, 0.0)
        with self.clock.stage(name):
            yield


def super_resolve(
    source: str | Path | Volume | npt.NDArray[np.floating],
    *,
    affine: npt.ArrayLike | None = None,
    modality: Modality | None = None,
    spacing: Spacing = "auto",
    scale: Sequence[float] | None = None,
    exact_spacing: bool = False,
    allow_downsample: bool = False,
    model: str | Path | SRModel = "default",
    fidelity: float = 1.0,
    ensemble: int = 1,
    maps: bool = False,
    profile: ProfileKind | None = None,
    slice_thickness: float | None = None,
    device: str = "auto",
    tile: int | None = None,
    precision: Precision = "auto",
    engine: Engine = "auto",
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> SRResult:
    """Bring a CT or MR scan to a finer grid.

    Every coarse axis is interpolated and back-projected with its slice profile, refined by the network, and made
    consistent with the acquired data; several coarse axes are treated one after the other, coarsest first. The scale of
    the intensities, HU or the scanner's own, and the place of every structure are kept.

    Args:
        source: NIfTI file, DICOM folder, :class:`monai_sr.Volume`, or an array ``(X, Y, Z)`` with its ``affine``.
        affine: ``(4, 4)``, voxel index to RAS+ world coordinates in mm; for arrays only.
        modality: ``"CT"`` or ``"MR"``; default: what the file says or its values show.
        spacing: target in mm: ``"auto"`` (per axis ``min(s, max(1 mm, finest spacing))``), one number, or three.
        scale: factor per axis instead of a spacing, 1 or between 1.1 and 6.
        exact_spacing: keep the spacing to the digit rather than the field of view.
        allow_downsample: axes may be made coarser.
        model: name, path, loaded :class:`SRModel`, or ``"none"``: the whole pipeline without the network.
        fidelity: between 1, the model, and 0, its GAN stage: sharper, and less faithful.
        ensemble: 1, 4 or 8 restorations, for each of which the network sees the volume mirrored along other axes; the
            result is their mean. Slower by that number. The residuals of the report are those of the first one.
        maps: also return where to doubt, see :attr:`SRResult.maps`; needs a model, and at least 4 restorations.
        profile: slice profile; default: box for CT, Gaussian for MR.
        slice_thickness: width of the slice profile in mm along the slice axis; default: the header's, else one spacing.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        tile: edge of the tiles in voxels; default: from the free memory. The result does not depend on it.
        precision: ``"auto"``: the network's layers in bfloat16 where the device computes it natively; or ``"float32"``.
        engine: what computes the network: ``"torch"``; ``"openvino"``, in float32, on a CPU; or ``"auto"``: OpenVINO
            where it is installed, the CPU knows no bfloat16, and the result has 6 million voxels or more.
        progress: called with the stage's name and its finished share.
        notify: called with one sentence on the memory that will be needed, before it is taken.

    Returns:
        The scan on the target grid and a report.

    Raises:
        InputError: if the input is refused, or needs more memory than there is; the message names the rule, the value
            and the remedy.
        monai_sr.catalogue.ModelError: if the model cannot be used.
        DeviceError: if the device or the engine is not there.
        ValueError: if ``ensemble`` is none of its values, or maps are asked of no model.

    Example:
        >>> import numpy as np
        >>> from monai_sr import super_resolve
        >>> thick = np.random.default_rng(0).normal(100.0, 20.0, (24, 24, 8)).astype("float32")
        >>> result = super_resolve(thick, affine=np.diag([1.0, 1.0, 3.0, 1.0]), modality="MR", model="none")
        >>> result.volume.array.shape, result.volume.geometry.spacing
        ((24, 24, 24), (1.0, 1.0, 1.0))
    """
    if ensemble not in (1, 4, 8) or (maps and model == "none"):
        raise ValueError(f"an ensemble has 1, 4 or 8 members and maps need a model; got {ensemble} and {model}")
    job = _Job(
        model=None,
        device=select_device(device),
        tile=tile,
        progress=progress or (lambda stage, share: None),
        precision=precision,
    )
    with job.clock.watched(), job.stage("read"):
        acquired = _as_volume(source, affine, modality)
    loaded = _loaded(model, acquired)
    perceptual = load_perceptual(loaded) if loaded is not None and maps else None
    if loaded is not None and fidelity != 1.0:
        loaded = with_fidelity(loaded, fidelity)
    with job.clock.watched(), torch.inference_mode():
        plan = plan_grid(
            acquired.geometry,
            name=acquired.name,
            spacing=spacing,
            scale=scale,
            exact_spacing=exact_spacing,
            allow_downsample=allow_downsample,
        )
        chosen = select_engine(engine, job.device, precision, math.prod(plan.geometry.shape))
        if chosen == "openvino":
            job.precision = "float32"
        loaded, perceptual = (None if m is None else on_engine(m, chosen) for m in (loaded, perceptual))
        job.model = loaded
        job.need = _need(acquired, plan, job, ensemble, maps)
        if notify is not None:
            notify(str(job.need))
        job.need.refuse_if_too_much(acquired.name)
        array = first = _restore(acquired, plan, job, profile, slice_thickness)
        found: dict[str, npt.NDArray[np.float32]] = {}
        if ensemble > 1 or maps:
            spread = RunningSpread(first)
            for flips in FLIPS[1 : max(ensemble, 4 if maps else 1)]:
                spread.add(_restore(acquired, plan, job.again(loaded, flips), profile, slice_thickness))
            if ensemble > 1:
                array = spread.mean
            if perceptual is not None:  # it has a say in the maps, and none in the result
                other = _restore(acquired, plan, job.again(perceptual, FLIPS[0]), profile, slice_thickness)
                found["added"] = np.abs(other - first)
                spread.add(other)
            if maps:
                found["deviation"] = spread.deviation
                calibration = _calibration(acquired, job)
                if calibration is not None:
                    with job.stage("measure"):
                        width = _intensity_range(acquired).width
                        found["expected_error"] = calibration.expected_error(found["deviation"], width)
            del spread
        result = acquired.with_values(array, plan.geometry)
        shown = {name: result.with_values(found[name]) for name in sorted(found)}
        if maps:
            with job.stage("consistency"):
                missed = unexplained(acquired, result, job.axes)
            shown |= {} if missed is None else {"residual": missed}
    report = _report(acquired, result, plan, job)
    report["ensemble"] = ensemble
    return SRResult(result, acquired, report, shown)


def _loaded(model: str | Path | SRModel, acquired: Volume) -> SRModel | None:
    """The model that is meant, of a size or a bundle that for the modality; None for ``"none"``."""
    if isinstance(model, SRModel):
        return model
    return None if model == "none" else load_model(find_model(model, acquired.modality))


def _need(acquired: Volume, plan: GridPlan, job: _Job, ensemble: int, maps: bool) -> MemoryNeed:
    """Memory that the work will take; maps and ensembles hold further volumes of the result's size."""
    beside = (1 if len(plan.axes) > 1 else 0) + (4 if ensemble > 1 or maps else 0) + (3 if maps else 0)
    each = 0 if job.model is None else working_bytes(job.model.network, network_dtype(job.precision, job.device))
    shape, target = acquired.geometry.shape, plan.geometry.shape
    return memory_need(shape, target, job.device, volumes=1 + beside, bytes_per_voxel=each, tile=job.tile)


def _as_volume(
    source: str | Path | Volume | npt.NDArray[np.floating], affine: npt.ArrayLike | None, modality: Modality | None
) -> Volume:
    if isinstance(source, np.ndarray):
        if affine is None or source.ndim != 3:
            raise InputError(f"an array needs three axes and its affine, got shape {source.shape}")
        if not np.isfinite(source).all():
            raise InputError("the array holds NaN or infinite values; replace them first")
        array = np.ascontiguousarray(source, dtype=np.float32)
        volume = Volume(array, VolumeGeometry(array.shape, np.asarray(affine, dtype=np.float64)), name="array")
    else:
        volume = source if isinstance(source, Volume) else read_volume(source)
    if modality is not None:
        volume = replace(volume, modality=modality)
    if volume.modality is None:
        raise InputError(f"{volume.name}: the modality is not known; say --modality ct or --modality mr")
    if float(volume.array.min()) == float(volume.array.max()):
        raise InputError(f"{volume.name}: every voxel is {float(volume.array.flat[0]):g}; there is nothing to resolve")
    return volume


def _calibration(acquired: Volume, job: _Job) -> Calibration | None:
    """How the error follows from the deviation; None if not measured of this network, or if it left out an axis."""
    assert job.model is not None
    measured = job.model.fidelity == 1.0 and job.model.adaptation is None
    if not measured or any(axis["treatment"] != "network" for axis in job.axes):
        return None
    return calibration_of(job.model.record, str(acquired.modality))


def _intensity_range(acquired: Volume) -> IntensityRange:
    modality = str(acquired.modality)
    return intensity_range(acquired.array, modality, body_mask(acquired.array, modality))


def _restore(
    acquired: Volume, plan: GridPlan, job: _Job, kind: ProfileKind | None, thickness: float | None
) -> npt.NDArray[np.float32]:
    modality = str(acquired.modality)
    array = np.ascontiguousarray(acquired.array)
    with job.stage("measure"):
        mask = body_mask(array, modality)
        scale = intensity_range(array, modality, mask)
        found = contrast(array, mask, scale)
    x, inside = torch.from_numpy(array), torch.from_numpy(mask)
    spacing = list(acquired.geometry.spacing)
    tilt = tilt_of(acquired)
    if tilt is not None:
        spacing[tilt.axis] *= tilt.cosine  # the thickness of a slice is measured along its normal, too
    slice_axis = _slice_axis(acquired, plan)
    for axis, grid in (item for item in plan.axes if item[1].factor < 1):
        x = degrade(x, grid.reversed(), default_profile(modality), axis)
        job.axes.append({"axis": axis, "factor": grid.factor, "treatment": "made coarser"})
        inside = _nearest(inside, grid, axis)
        spacing[axis] /= grid.factor
    restored = [
        CoarseAxis(axis, grid, _profile(acquired, axis, slice_axis, spacing[axis], kind, thickness, job))
        for axis, grid in plan.axes
        if grid.factor >= 1
    ]
    groups = _at_once(restored, job.model)
    for group in groups:
        last = group is groups[-1]
        if tilt is not None and [c.axis for c in group] == [tilt.axis]:
            with job.stage("straighten"):
                job.noise = max(job.noise, _noise(x, inside, group, scale, spacing))  # a shift smooths it
                straight, margins = tilt.straightened(x, spacing)
                body = tilt.straightened(inside.float(), spacing)[0] > 0.5
            straight = _restore_axes(straight, body, group, scale, found, acquired, spacing, job, last=last)
            with job.stage("straighten"):
                x = tilt.leant(straight, group[0].grid, spacing, margins)
        else:
            x = _restore_axes(x, inside, group, scale, found, acquired, spacing, job, last=last)
        for axis, grid, _ in group:
            inside = _nearest(inside, grid, axis)
            spacing[axis] /= grid.factor
    return x.numpy()


def _at_once(restored: Sequence[CoarseAxis], model: SRModel | None) -> list[list[CoarseAxis]]:
    """Axes that are restored together: both by a 2-D network if their factors agree, else each for itself."""
    slices = model is not None and model.network.spatial_dims == 2
    if slices and len(restored) == 2 and abs(restored[0].grid.factor / restored[1].grid.factor - 1) < _SAME_FACTOR:
        return [list(restored)]
    return [[axis] for axis in restored]


def _slice_axis(acquired: Volume, plan: GridPlan) -> int | None:
    """The axis whose profile a header or the user speaks of; without a header the coarsest axis that is restored."""
    if acquired.slice_axis is not None:
        return acquired.slice_axis
    restored = [axis for axis, grid in plan.axes if grid.factor > 1]
    return restored[0] if restored else None


def _profile(
    acquired: Volume,
    axis: int,
    slice_axis: int | None,
    spacing: float,
    kind: ProfileKind | None,
    thickness: float | None,
    job: _Job,
) -> SliceProfile:
    default = default_profile(acquired.modality)
    width = default.width
    if axis == slice_axis:
        stated = thickness if thickness is not None else acquired.slice_thickness_mm
        if stated is not None:
            width = stated / spacing
            if not 0.05 <= width <= 4.0:
                job.warnings.append(
                    f"slice thickness {stated:.3g} mm does not go with a spacing of {spacing:.3g} mm; "
                    "one spacing is assumed"
                )
                width = default.width
    return SliceProfile(kind or default.kind, width)


def _restore_axes(
    x: torch.Tensor,
    inside: torch.Tensor,
    coarse: Sequence[CoarseAxis],
    scale: IntensityRange,
    found: dict[str, float],
    acquired: Volume,
    spacing: Sequence[float],
    job: _Job,
    *,
    last: bool,
) -> torch.Tensor:
    """Restore one axis, or the two axes of all slices at once; after the last nothing more is done to the volume."""
    axes = [c.axis for c in coarse]
    with job.stage("measure"):
        # an axis that was restored before is smooth, and hides the noise that the scan still has in the other ones
        noise = job.noise = max(job.noise, _noise(x, inside, coarse, scale, spacing))
    places = list(range(-len(axes), 0))
    y = torch.movedim(x, axes, places).contiguous()
    moved = [CoarseAxis(place, c.grid, c.profile) for place, c in zip(places, coarse, strict=True)]
    source = StartTiles(y, moved, noise, str(acquired.modality), job.clock)
    doubts = [] if job.model is None else _doubts(job.model, coarse, noise, found, acquired)
    used = job.model is not None and not doubts
    if doubts:
        which = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes[0]} and {axes[1]}"
        job.warnings.append(
            f"{which}: {'; '.join(doubts)}: outside what model {job.model.record.name} was trained on, "  # type: ignore[union-attr]
            "so this axis is interpolated and made consistent with the data, without the network"
        )
    added = None
    if used:
        with job.stage("network"):
            added = _network(source, noise, scale, job)
    weight = _consistency_weight(noise, str(acquired.modality), network=used)
    if used and not job.model.network.consistency:  # type: ignore[union-attr]
        weight = 0.0
    # interpolation overshoots at edges; below everything that was acquired is no signal (air, MR magnitude)
    floor = float(acquired.array.min()) if last else None
    with job.stage("consistency"):
        sr, rms = finish(source, added, weight=weight, floor=floor, clock=job.clock)
    for axis, grid, profile in coarse:
        job.axes.append(
            {
                "axis": axis,
                "treatment": "network" if used else "interpolation and data consistency",
                "factor": round(grid.factor, 6),
                "profile": profile.kind,
                "profile_width_spacings": round(profile.width, 4),
                "profile_width_mm": round(profile.width * spacing[axis], 4),
                "noise_percent": round(100 * noise, 3),
                "backprojection_steps": backprojection_steps(noise, str(acquired.modality)),
                "consistency_weight": round(weight, 3),
                "residual_rms_interpolated": rms[0],
                "residual_rms": rms[1],
            }
        )
    return torch.movedim(sr, places, axes)


def _noise(
    x: torch.Tensor,
    inside: torch.Tensor,
    coarse: Sequence[CoarseAxis],
    scale: IntensityRange,
    spacing: Sequence[float],
) -> float:
    """Noise as a fraction of the range, measured across the restored axis, or in the slices."""
    axes = [c.axis for c in coarse]
    others = axes if len(axes) > 1 else sorted((a for a in range(3) if a not in axes), key=lambda a: spacing[a])
    return estimate_noise(x.numpy(), inside.numpy(), (others[0], others[1])) / scale.width


def _doubts(
    model: SRModel, coarse: Sequence[CoarseAxis], noise: float, found: dict[str, float], acquired: Volume
) -> list[str]:
    """Why the network should not be used here, as half sentences."""
    network, (_, grid, profile) = model.network, coarse[0]
    if network.spatial_dims == 2 and len(coarse) != 2:
        return ["this network restores the two axes of a slice at once, by one factor"]
    if network.factors and not any(abs(grid.factor - f) < 0.01 for f in network.factors):
        return [f"factor {grid.factor:.3g} is none of {', '.join(map(str, network.factors))}"]
    return outside_trained_range(
        model.record.trained_range,
        modality=str(acquired.modality),
        profile=profile.kind,
        factor=grid.factor,
        width=profile.width,
        noise=noise,
        contrast=found,
        body_part=acquired.body_part,
    )


def _consistency_weight(noise: float, modality: str, *, network: bool) -> float:
    """How far the result follows the acquired data: wholly where there is little noise, from 2 % on by the least share.

    Consistency with a noisy acquisition brings its noise back, so without a network there is none from 2 % on. A
    network takes away faint small structures together with the noise, and a share of the data gives some of them back.
    On CT noise counts from half a per cent on: its 2000 HU hold less detail than the range of an MR scan
    (docs/decisions/0018-a-share-of-noisy-data.md).
    """
    least = _LEAST_CONSISTENCY if network else 0.0
    return float(np.clip((0.02 - noise) / (0.02 - _WHOLLY_BELOW.get(modality, 0.01)), least, 1.0))


def _network(source: StartTiles, noise: float, scale: IntensityRange, job: _Job) -> torch.Tensor:
    """What the network adds, ``(X, Y, Z)``."""
    assert job.model is not None
    _, grid, profile = source.coarse[0]
    generator = AddedDetail(
        job.model.network.to(job.device),
        scale,
        factor=grid.factor,
        profile=profile,
        noise=noise,
        precision=job.precision,
    )
    mirrored = [axis for axis, flip in zip((-1, -2, -3), job.flips, strict=True) if flip]
    if len(source.coarse) == 1:
        parts = [source.slices(slice(None), mirrored)]
    else:  # slices in batches
        mirrored = [axis for axis in mirrored if axis != -3]
        count = max(1, _SLICE_VOXELS // math.prod(source.target[1:]))
        batches = range(0, source.target[0], count)
        parts = [source.slices(slice(first, first + count), mirrored) for first in batches]
    added = []
    for done, part in enumerate(parts):
        infer = HaloInferer(job.tile, _share_of(job.progress, done, len(parts)))
        found = infer(part, generator, job.device)
        added.append((found.flip(mirrored) if mirrored else found)[:, 0])
        job.retreats += [sentence for sentence in infer.retreats if sentence not in job.retreats]
        job.tiles = [list(infer.core)]
    if isinstance(job.model.network, OpenVINONetwork):
        job.model.network.release()
    if len(source.coarse) == 1:
        return added[0][0]
    return added[0] if len(added) == 1 else torch.cat(added)


def _share_of(progress: Progress, done: int, count: int) -> Callable[[float], None]:
    """The share of one batch as a share of all."""
    return lambda share: progress("network", (done + share) / count)


def _nearest(mask: torch.Tensor, grid: AxisGrid, axis: int) -> torch.Tensor:
    index = np.clip(np.rint(grid.hr_centres()), 0, grid.n_lr - 1).astype(np.int64)
    return torch.index_select(mask, axis, torch.from_numpy(index))


def _model_facts(model: SRModel | None) -> dict[str, Any]:
    if model is None:
        return model_facts(None)
    adapted = {} if model.adaptation is None else {"adaptation": dict(model.adaptation)}
    return model_facts(model.record, model.fidelity) | adapted


def _engine_of(model: SRModel) -> str:
    return "openvino" if isinstance(model.network, OpenVINONetwork) else "torch"


def _report(acquired: Volume, result: Volume, plan: GridPlan, job: _Job) -> dict[str, Any]:
    tilt = tilt_of(acquired)
    engine = "none" if job.model is None else _engine_of(job.model)
    return {
        "case": acquired.name,
        "modality": acquired.modality,
        "acquired": geometry_facts(acquired.geometry),
        "target": geometry_facts(result.geometry),
        "axes": job.axes,
        "model": _model_facts(job.model),
        "device": str(job.device),
        "precision": "none" if job.model is None else str(network_dtype(job.precision, job.device)).partition(".")[2],
        "engine": engine,
        "threads": torch.get_num_threads(),
        "tile": job.tile or "auto",
        "tile_voxels": job.tiles,
        "retreats": job.retreats,
        "seconds": {stage: round(spent, 3) for stage, spent in job.clock.seconds.items()},
        "peak_memory_bytes": peak_memory_bytes(job.device),
        "peak_memory_bytes_by_stage": job.clock.peak_bytes,
        "memory_need_bytes": None if job.need is None else asdict(job.need),
        "warnings": job.warnings,
        "tilt_degrees": None if tilt is None else round(tilt.degrees, 3),
        "notes": [*acquired.notes, *plan.notes, *([] if tilt is None else [TILT_NOTE])],
        "versions": versions(*(["openvino"] if engine == "openvino" else [])),
    }
