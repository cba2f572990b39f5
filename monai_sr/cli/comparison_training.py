"""Train the systems of a comparison, each in a process of its own: one that fails or is cut short stops no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from monai_sr.io import InputError

if TYPE_CHECKING:
    from monai_sr.engines.comparison_plan import ComparisonPlan, PlannedMethod

__all__ = ["TrainingState", "train_systems", "training_state"]

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class TrainingState:
    """What a training folder holds.

    Args:
        folder: of the training.
        steps_done: optimiser steps that its weights have seen; 0 if there are none.
        steps: of the whole training.
        seconds: that it took so far.
        error: last line of the log of a training that ended badly.
    """

    folder: Path
    steps_done: int
    steps: int
    seconds: float
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether its weights are those of the end."""
        return self.steps > 0 and self.steps_done >= self.steps


def training_state(folder: Path) -> TrainingState:
    """Read what a training has left behind."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        done = run["steps_done"] if (folder / "model.pt").is_file() else 0
        return TrainingState(folder, int(done), int(run["steps"]), float(run["seconds"]))
    except (OSError, ValueError, KeyError):
        return TrainingState(folder, 0, 0, 0.0)


def train_systems(
    plan: ComparisonPlan,
    data: Path,
    folder: Path,
    *,
    split: Path | None = None,
    jobs: int = 1,
    options: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> dict[str, TrainingState]:
    """Bring every training of a plan to its end; those that are there already are left as they are.

    Args:
        plan: the comparison.
        data: training data.
        folder: each system's training gets a folder in it; checkpoints make a second call go on there.
        split: who trains; None: each training draws its own.
        jobs: trainings at the same time; the processor's cores are shared among them.
        options: further words for ``monai-sr train``.
        tell: called with a sentence at the beginning and the end of each training.

    Raises:
        InputError: if a folder holds a training with other settings.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    shared = {} if split is None else {"split_file": str(split.resolve())}
    waiting = [method for method in plan.methods if method.trained]
    running: list[tuple[PlannedMethod, subprocess.Popen[bytes]]] = []
    states: dict[str, TrainingState] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                method = waiting.pop(0)
                target = folder / method.name
                _settle(target, {**plan.settings, **method.settings, **shared})
                state = training_state(target)
                if state.finished:
                    states[method.name] = state
                    continue
                tell(f"training {method.name}, from step {state.steps_done}")
                running.append((method, _start(plan, method, data, target, threads, options)))
            for method, process in list(running):
                if process.poll() is None:
                    continue
                running.remove((method, process))
                state = training_state(folder / method.name)
                if process.returncode != 0:
                    state = TrainingState(state.folder, state.steps_done, state.steps, state.seconds, _reason(state))
                states[method.name] = state
                tell(f"trained {method.name}: {state.error or f'{state.steps_done} steps, {state.seconds:.0f} s'}")
            time.sleep(_POLL_SECONDS if running else 0)
    finally:
        for _, process in running:  # an interrupt: the checkpoints are kept
            process.terminate()
    return states


def _settle(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings where the training finds them; a training with others is not continued."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "settings.yaml"
    text = yaml.safe_dump(dict(settings), sort_keys=True)
    if file.exists() and file.read_text(encoding="utf-8") != text and (folder / "run.json").exists():
        raise InputError(f"{folder} holds a training with other settings than the plan's; choose another output folder")
    file.write_text(text, encoding="utf-8")


def _start(
    plan: ComparisonPlan, method: PlannedMethod, data: Path, folder: Path, threads: int, options: Sequence[str]
) -> subprocess.Popen[bytes]:
    words = ["train", "--data", str(data), "--out", str(folder), "--run", plan.run]
    words += ["--task", plan.task] if plan.task else []
    words += ["--model", method.preset] if method.preset else []
    words += ["--config", str(folder / "settings.yaml"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "monai_sr", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )


def _reason(state: TrainingState) -> str:
    lines = (state.folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "the training ended without a word"
