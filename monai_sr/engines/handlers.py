"""What is told while a training runs: progress, a log of named losses and its curves, warnings."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Events
from tqdm import tqdm

from monai_sr.engines.srgan_trainer import SRGanTrainer
from monai_sr.report.curves import plot_losses

__all__ = ["CollapseWarning", "LossLog", "Progress"]

_logger = logging.getLogger(__name__)


class LossLog:
    """Handler: means of all named losses as JSON lines, one sentence per epoch in the log, and their curves as PNG.

    Args:
        output_dir: gets ``losses.jsonl`` and ``losses.png``.
        every: steps that one line is the mean of.
    """

    def __init__(self, output_dir: str | Path, every: int = 50) -> None:
        self.file = Path(output_dir) / "losses.jsonl"
        self.every = every
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._since = 0.0

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``Checkpointer``."""
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._draw)

    def rows(self) -> list[dict[str, float]]:
        """All lines so far."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines() if line]

    def _start(self, engine: SRGanTrainer) -> None:
        """Drop lines of steps that a resumed training takes again."""
        kept = [row for row in self.rows() if row["step"] <= engine.state.iteration]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        self._sums.clear()
        self._since = time.perf_counter()

    def _collect(self, engine: SRGanTrainer) -> None:
        for name, value in engine.state.output["losses"].items():
            self._sums[name].append(value)
        if engine.state.iteration % self.every == 0:
            self._write(engine)

    def _write(self, engine: SRGanTrainer) -> None:
        steps = len(self._sums["generator"])
        now = time.perf_counter()
        row: dict[str, float] = {"step": engine.state.iteration, "epoch": engine.state.epoch}
        row |= {name: float(np.mean(values)) for name, values in self._sums.items()}
        row["learning_rate"] = engine.generator.optimizer.param_groups[0]["lr"]
        row["seconds_per_step"] = (now - self._since) / steps
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self._sums.clear()
        self._since = now

    def _draw(self, engine: SRGanTrainer) -> None:
        if self._sums:  # an epoch that is no multiple of ``every``
            self._write(engine)
        rows = self.rows()
        plot_losses(rows, self.file.with_suffix(".png"))
        terms = ", ".join(f"{k} {v:.5g}" for k, v in rows[-1].items() if k not in ("step", "epoch"))
        state = engine.state
        _logger.info("epoch %d of %d, step %d: %s", state.epoch, state.max_epochs, state.iteration, terms)


class Progress:
    """Handler: a progress bar where somebody looks (a terminal), nothing in a log file."""

    def __init__(self) -> None:
        self._bar: Any = None

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer, behind its ``Checkpointer``."""
        if engine.state.rank == 0:  # of several processes
            engine.add_event_handler(Events.STARTED, self._open)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
            engine.add_event_handler(Events.COMPLETED, self._close)
            engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _open(self, engine: SRGanTrainer) -> None:
        total = engine.state.max_epochs * engine.state.epoch_length
        self._bar = tqdm(total=total, initial=engine.state.iteration, unit="step", disable=None, dynamic_ncols=True)

    def _step(self, engine: SRGanTrainer) -> None:
        self._bar.update()
        if not self._bar.disable and engine.state.iteration % 10 == 0:
            self._bar.set_postfix(loss=f"{engine.state.output['losses']['generator']:.4g}", refresh=False)

    def _close(self, engine: SRGanTrainer) -> None:
        self._bar.close()

    def _fail(self, engine: SRGanTrainer, error: BaseException) -> None:
        if self._bar is not None:
            self._bar.close()
        raise error


class CollapseWarning:
    """Handler: say so when the discriminator no longer teaches.

    Over a window of steps, it has won if its loss is below ``won`` (it sees every difference and its gradient to the
    generator vanishes), and it is blind if its mean logits for HR and SR differ by less than ``blind``.

    Args:
        window: steps.
        won: loss; least squares, BCE and hinge are 0.25 to 1 in balance.
        blind: difference of mean logits.
    """

    def __init__(self, window: int = 200, won: float = 0.02, blind: float = 1e-3) -> None:
        self.window = window
        self.won = won
        self.blind = blind
        self._losses: list[float] = []
        self._gaps: list[float] = []

    def attach(self, engine: SRGanTrainer) -> None:
        """Register with a trainer; one without an adversary is left alone."""
        if engine.adversary is not None:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._watch)

    def _watch(self, engine: SRGanTrainer) -> None:
        losses = engine.state.output["losses"]
        if "discriminator" not in losses:  # it has not begun to learn
            return
        self._losses.append(losses["discriminator"])
        self._gaps.append(losses["d_real"] - losses["d_fake"])
        if len(self._losses) < self.window:
            return
        loss, gap = float(np.mean(self._losses)), float(np.mean(self._gaps))
        step = engine.state.iteration
        if loss < self.won:
            _logger.warning(
                "step %d: the discriminator has won (loss %.2g over %d steps) and teaches nothing any more; "
                "lower its learning rate or raise the weight of the reconstruction losses", step, loss, self.window
            )  # fmt: skip
        elif abs(gap) < self.blind:
            _logger.warning(
                "step %d: the discriminator cannot tell HR from SR (logits differ by %.2g over %d steps); raise its "
                "learning rate or the generator's adversarial start_step", step, gap, self.window
            )  # fmt: skip
        self._losses.clear()
        self._gaps.clear()
