"""What a training leaves behind: the weights with their record, and how the run came about."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Events

from monai_sr.catalogue import write_record
from monai_sr.data import Split
from monai_sr.degradation import DegradationSampler
from monai_sr.engines.config import running_config
from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.report import plain
from monai_sr.transforms import RandContrast, contrast_seen

__all__ = ["RunRecord", "export_weights", "save_state", "trained_range"]

_PACKAGES = ("monai_sr", "monai", "torch", "numpy", "scipy", "pytorch-ignite")
_logger = logging.getLogger(__name__)


def trained_range(
    cases: Sequence[Mapping[str, Any]],
    sampler: DegradationSampler | None = None,
    body_parts: Mapping[str, Sequence[str]] | None = None,
    profiles: Sequence[str] | None = None,
    change: RandContrast | None = None,
    patch: int = 44,
) -> dict[str, Any]:
    """Limits of what a model has seen, for the warnings of inference.

    Args:
        cases: prepared volumes with ``modality``, ``noise``, ``contrast``, and real pairs with ``factor``, ``width``;
            images have none of them.
        sampler: of the degradations, if they are simulated.
        body_parts: per modality, the values of DICOM BodyPartExamined that the scans show; None: not known.
        profiles: slice profiles for which the network is good enough; None: all that the sampler draws.
        change: of the contrast of the patches that are trained on; None: they keep that of the volumes.
        patch: their size.

    Returns:
        JSON-serialisable; ``noise`` is the upper limit as a fraction of the intensity range, the volumes' own included.
    """
    found: dict[str, Any] = {"modalities": sorted({case.get("modality", "image") for case in cases})}
    if body_parts:
        found["body_parts"] = {modality: sorted(parts) for modality, parts in body_parts.items()}
    if "noise" not in cases[0]:
        return found
    own = max(float(case["noise"]) for case in cases)
    if sampler is None:
        for name in ("factor", "width"):
            values = [float(case[name]) for case in cases]
            found[name] = [min(values), max(values)]
        found["noise"] = [0.0, own]
    else:
        found["factor"] = list(sampler.limits())
        found["width"] = [float(x) for x in sampler.width]
        found["profiles"] = sorted(profiles or {kind for kinds in sampler.profiles.values() for kind in kinds})
        found["noise"] = [0.0, float(np.hypot(own, sampler.max_noise))]
    found["contrast"] = {}
    for modality in found["modalities"]:
        own_cases = [case for case in cases if case["modality"] == modality]
        seen = [{name: (value, value) for name, value in case["contrast"].items()} for case in own_cases]
        if change is not None:
            seen += [contrast_seen(case, change, patch, seed=seed) for seed, case in enumerate(own_cases)]
        found["contrast"][modality] = {
            name: [float(min(s[name][0] for s in seen if s)), float(max(s[name][1] for s in seen if s))]
            for name in seen[0]
        }
    return found


def export_weights(network: torch.nn.Module, path: Path) -> None:
    """Write a plain state dict, on the CPU and contiguous, so that it loads with ``weights_only=True`` anywhere."""
    save_state({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}, path)


def save_state(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a state dict, whole or not at all."""
    temporary = path.with_suffix(".pt.tmp")
    torch.save(dict(state), temporary)
    os.replace(temporary, path)


class RunRecord:
    """Handler: ``run.json`` from the beginning, ``model.pt`` with its record ``model.json`` after every epoch.

    The weights are the moving average if there is one.

    Args:
        output_dir: where to.
        seed: of the training.
        split: who trained.
        trained_range: see :func:`trained_range`.
        stage: ``"l1"`` or ``"gan"``; default: by the trainer's adversary.
        description: one sentence for people.
    """

    def __init__(
        self,
        output_dir: str | Path,
        seed: int,
        split: Split,
        trained_range: Mapping[str, Any],
        stage: str | None = None,
        description: str | None = None,
    ) -> None:
        self.folder = Path(output_dir)
        self.seed = seed
        self.split = split
        self.trained_range = trained_range
        self.stage = stage
        self.description = description or ""
        self._seconds_before = 0.0
        self._began = 0.0

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``Checkpointer``."""
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.STARTED, self._start)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)
            engine.add_event_handler(Events.COMPLETED, self.write)  # also where a finished training is started again

    def _start(self, engine: SRGanTrainer) -> None:
        self._began = time.perf_counter()
        file = self.folder / "run.json"
        if engine.state.iteration > 0 and file.exists():
            self._seconds_before = float(json.loads(file.read_text(encoding="utf-8")).get("seconds", 0.0))
        self._write_run(engine)

    def write(self, engine: SRGanTrainer) -> None:
        """Export the weights of this moment and bring ``run.json`` up to date."""
        learner = engine.generator
        network = learner.network if learner.ema is None else learner.ema.module
        self.write_model(network, "l1" if engine.adversary is None else "gan", int(engine.state.iteration))
        self._write_run(engine)

    def write_model(self, network: torch.nn.Module, stage: str, steps: int) -> None:
        """``model.pt`` and its record."""
        export_weights(network, self.folder / "model.pt")
        entry = {
            "network": plain(_resolved(running_config().get("network_def", {}), running_config())),
            "stage": self.stage or stage,
            "trained_range": dict(self.trained_range),
            "description": self.description,
            "steps": steps,
        }
        write_record(self.folder / "model.pt", entry)

    def _write_run(self, engine: SRGanTrainer) -> None:
        self.write_run(
            steps_done=int(engine.state.iteration),
            steps=int(engine.state.max_epochs * engine.state.epoch_length),
            seconds=self._seconds_before + time.perf_counter() - self._began,
            device=str(engine.state.device),
            amp=str(engine.amp_dtype),
        )

    def write_run(self, *, steps_done: int, steps: int, seconds: float, device: str, amp: str) -> None:
        """``run.json``: how far, how long, on what, with which versions and which merged config."""
        content = {
            "steps_done": steps_done,
            "steps": steps,
            "seconds": round(seconds, 1),
            "seed": self.seed,
            "split_sha256": self.split.sha256,
            "device": device,
            "amp": amp,
            "threads": torch.get_num_threads(),
            "git_commit": _git_commit(),
            "versions": _versions(),
            "config": plain(running_config()),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / "run.json.tmp"
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "run.json")


def _resolved(value: Any, config: Mapping[str, Any]) -> Any:
    """References to top-level keys (``@spatial_dims``) replaced by what they refer to: a record stands alone."""
    if isinstance(value, Mapping):
        return {key: _resolved(item, config) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, config) for item in value]
    if isinstance(value, str) and value.startswith("@") and value[1:] in config:
        return _resolved(config[value[1:]], config)
    return value


def _git_commit() -> str | None:
    """Commit of the checkout that this package runs from, with ``-dirty`` if changed; None outside of one."""
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
