"""How fast the release trains here: patches per second, how long the step waits for them, the cost of a whole training.

    python benchmarks/training.py                                    # the fast model, its own presets, 20 steps
    python benchmarks/training.py --model best --stage release_gan   # the GAN stage
    python benchmarks/training.py --workers 0 2 8 --batch 16         # on a machine with a GPU

The real training of the presets, on real patches and the device that it would take; after the first few steps Ignite's
profiler counts. *Busy* is the share of the time in which the step computes and does not wait for its next batch: one
worker of the loader simulates on one core, so it says how many of them keep the device fed.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import REPOSITORY, data_folder, machine
from ignite.engine import Events
from ignite.handlers import BasicTimeProfiler
from monai.bundle import ConfigWorkflow

from monai_sr.cli.train import config_files

WARM_UP = 3  # steps that do not count: memory is taken, kernels are chosen, workers start
AHEAD = 2  # batches that each worker makes before they are asked for: the first steps do not wait for theirs
LOADED = 30, 100  # batches of the loader alone: matrices of usual factors are kept after the first time, then counted


def workflow_of(options: argparse.Namespace, folder: Path, **values: Any) -> ConfigWorkflow:
    """The training as ``monai-sr train`` would build it, without handlers that write or validate."""
    files = config_files({"task": None, "model": options.model, "run": "release"})
    if options.stage:
        files.append(REPOSITORY / "configs" / "run" / f"{options.stage}.yaml")
    workflow = ConfigWorkflow(
        config_file=[str(file) for file in files],
        meta_file=str(files[0].parent / "metadata.json"),
        logging_file=False,
        workflow_type="train",
        dataset_dir=str(options.data or data_folder() / "train"),
        output_dir=str(folder),
        init_weights=None,
        **values,
    )
    workflow.initialize()
    return workflow


def measured(options: argparse.Namespace, workers: int) -> dict[str, float]:
    """Seconds of a step and of its wait, and the loader alone."""
    skipped = WARM_UP + AHEAD * workers
    steps = skipped + options.steps - WARM_UP
    values: dict[str, Any] = {"num_workers": workers, "train::handlers": [], "steps_per_epoch": steps}
    if options.batch:
        values["batch_size"] = options.batch
    if options.data:
        values["split_file"] = None  # the committed one is of the development data
    if options.patch:
        values["patch"] = options.patch
    if options.stage == "release_gan":  # both sides of the game from the first step on
        values |= {"adversary::start_step": 0, "adversary::lead_steps": None}
    with tempfile.TemporaryDirectory() as folder:
        workflow = workflow_of(options, Path(folder), **values)
        parser = workflow.parser
        planned, batch = int(parser.get_parsed_content("steps")), int(parser.get_parsed_content("batch_size"))
        loader = iter(parser.get_parsed_content("train::dataloader"))
        for _ in range(LOADED[0]):
            next(loader)
        began = time.perf_counter()
        for _ in range(LOADED[1]):
            next(loader)
        alone = (time.perf_counter() - began) / LOADED[1]
        del loader
        trainer = parser.get_parsed_content("train::trainer")
        profiler = BasicTimeProfiler()
        profiler.attach(trainer)
        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=steps), lambda engine: engine.terminate())
        if trainer.state.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        trainer.run()
        counted = slice(skipped, steps)
        step, wait = profiler.processing_times[counted], profiler.dataflow_times[counted]
        return {
            "batch": batch,
            "planned": planned,
            "loader": alone,
            "step": float(step.mean()),
            "wait": float(wait.mean()),
            "peak": torch.cuda.max_memory_allocated() / 1e9 if trainer.state.device.type == "cuda" else 0.0,
        }


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast", help="preset of configs/model")
    parser.add_argument("--stage", help="preset of configs/run laid over release, e.g. release_gan")
    parser.add_argument("--data", type=Path, help="training volumes; default: the development data")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, help="default: the preset's")
    parser.add_argument("--patch", type=int, help="default: the preset's")
    parser.add_argument("--workers", type=int, nargs="*", default=[0], help="processes that simulate")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.steps <= WARM_UP:
        parser.error(f"--steps must be over {WARM_UP}, which do not count")
    logging.disable(logging.INFO)
    torch.set_num_threads(options.threads)
    lines = [
        "| workers | loader alone, patches/s | step, s | wait, s | busy | patches/s | whole training | GPU, GB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for workers in options.workers:
        found = measured(options, workers)
        each = found["step"] + found["wait"]
        lines.append(
            f"| {workers} | {found['batch'] / found['loader']:.0f} | {found['step']:.3f} | {found['wait']:.3f} | "
            f"{100 * found['step'] / each:.0f} % | {found['batch'] / each:.1f} | "
            f"{found['planned']:.0f} steps, {found['planned'] * each / 60:.0f} min | {found['peak'] or '-':.3} |"
        )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print("\n".join(lines))
    print(
        f"\n`{options.model}`{' ' + options.stage if options.stage else ''}, batches of {found['batch']:.0f}, {device}"
    )
    print(machine())


if __name__ == "__main__":
    main()
