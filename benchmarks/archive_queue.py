"""A simulated archive job: the queue of ``monai-sr archive run`` with measured times, failures and stragglers.

    python benchmarks/archive_queue.py [--series 10000 1000000] [--workers 8 64 512] [--speedup 1]

Times and bytes are drawn from the scans of ``archive_times.json`` (``archive_times.py`` measures them on one core). A
worker takes the next block of series when it is free, as Ray Data gives them out; it dies after a random time
(exponential), then its block begins anew after a restart, the finished series of which are known by their digests; a
series that kills its worker does so twice and is set aside; a slow worker (a straggler) takes longer for everything;
all workers share the bandwidth of the storage. The simulation is of events, not of averages: what it is for is how far
the real job is from ``series x mean time / workers``.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class World:
    """What may go wrong, and what is shared.

    Args:
        speedup: of the stage between reading and writing against the measured core, e.g. by a GPU.
        days_between_deaths: mean time between two deaths of one worker.
        restart_seconds: until a new process has loaded its network.
        poison: share of series that kill every worker that takes them.
        stragglers: share of workers that are slow, and how much.
        slowness: factor on the times of a straggler.
        storage: bytes per second that all workers share, each way.
        verify: bytes per second at which a kept result is hashed.
        tasks: blocks that a job is cut into at most, as in ``monai_sr/archive/cluster.py``.
    """

    speedup: float = 1.0
    days_between_deaths: float = 7.0
    restart_seconds: float = 60.0
    poison: float = 1e-4
    stragglers: float = 0.05
    slowness: float = 3.0
    storage: float = 2e9
    verify: float = 1e9
    tasks: int = 10_000


@dataclass(frozen=True)
class Times:
    """Measured seconds and bytes of one series each."""

    read: np.ndarray
    resolve: np.ndarray
    write: np.ndarray
    bytes_in: np.ndarray
    bytes_out: np.ndarray


def load(file: Path) -> Times:
    """The measured scans; one that was refused has no later stages."""
    rows = json.loads(file.read_text(encoding="utf-8"))["series"]
    columns = ("read", "resolve", "write", "bytes_in", "bytes_out")
    return Times(*(np.array([float(row.get(column, 0.0)) for row in rows]) for column in columns))


def work_seconds(times: Times, workers: int, world: World) -> np.ndarray:
    """Seconds for which each series holds a worker, with all workers at the storage.

    The bandwidth is shared by as many as read or write at one time on average, which depends on how long that takes,
    which depends on the bandwidth; so it is found by repetition.
    """
    resolve = times.resolve / world.speedup
    active = float(workers)
    for _ in range(100):
        share = world.storage / max(1.0, active)
        other = np.maximum(times.read, times.bytes_in / share) + np.maximum(times.write, times.bytes_out / share)
        # a worker with a GPU has three series in hand, one of them in the network; on a core the stages add up
        work = np.maximum(resolve, (resolve + other) / 3) if world.speedup > 1.0 else resolve + other
        active = 0.5 * (active + workers * float(other.sum() / work.sum()))
    return work


def simulate(times: Times, count: int, workers: int, world: World, seed: int = 0) -> dict[str, float]:
    """One job.

    Returns:
        ``seconds`` to the end; ``ideal``, the work divided by the workers; ``busy``, the share of the workers' time
        that is work which counts; ``tail``, seconds from the first idle worker to the end; ``deaths``; ``again``, the
        share of series that were begun more than once.
    """
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, times.read.size, count)
    work = work_seconds(times, workers, world)[kind]
    check = times.bytes_out[kind] / world.verify
    poisonous = rng.random(count) < world.poison
    pace = np.where(rng.random(workers) < world.stragglers, world.slowness, 1.0)
    life = rng.exponential(world.days_between_deaths * 86400.0, workers)
    size = max(1, -(-count // world.tasks))
    blocks = [range(start, min(start + size, count)) for start in range(0, count, size)]
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    ends, deaths, again = [], 0, 0
    for block in blocks:
        now, worker = heapq.heappop(free)
        for series in block:
            done = series - block.start
            if poisonous[series]:  # twice: each time the finished series of the block are checked again
                for _ in range(2):
                    now += work[series] * pace[worker] + world.restart_seconds
                    now += float(check[block.start : block.start + done].sum())
                deaths, again = deaths + 2, again + 1
                continue
            end = now + work[series] * pace[worker]
            while end > life[worker]:
                deaths, again = deaths + 1, again + 1
                now = life[worker] + world.restart_seconds + float(check[block.start : block.start + done].sum())
                life[worker] = now + rng.exponential(world.days_between_deaths * 86400.0)
                end = now + work[series] * pace[worker]
            now = end
        ends.append((now, worker))
        heapq.heappush(free, (now, worker))
    last = {worker: now for now, worker in sorted(ends)}
    total = max(last.values())
    counted = float(work[~poisonous].sum())
    return {
        "seconds": total,
        "ideal": counted / workers,
        "busy": counted / (total * workers),
        "tail": total - min(last.values()),
        "deaths": deaths,
        "again": again / count,
    }


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=Path, default=Path(__file__).with_name("archive_times.json"))
    parser.add_argument("--series", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--speedup", type=float, default=1.0, help="of the stage with the network against one core")
    parser.add_argument("--storage", type=float, default=2e9, help="bytes per second, shared")
    parser.add_argument("--tasks", type=int, default=10_000, help="that a job is cut into at most")
    parser.add_argument("--deaths", type=float, default=7.0, help="days between two deaths of one worker")
    options = parser.parse_args()
    world = World(
        speedup=options.speedup,
        storage=options.storage,
        days_between_deaths=options.deaths,
        tasks=options.tasks,
    )
    times = load(options.times)
    stages = ("read", "resolve", "write")
    print("mean core seconds: " + ", ".join(f"{stage} {getattr(times, stage).mean():.2f}" for stage in stages))
    print(f"mean MB: in {times.bytes_in.mean() / 1e6:.1f}, out {times.bytes_out.mean() / 1e6:.1f}; {world}\n")
    print("| series | workers | hours | work / workers | useful share | tail, min | deaths | begun again |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for count in options.series:
        for workers in options.workers:
            found = simulate(times, count, workers, world)
            print(
                f"| {count} | {workers} | {found['seconds'] / 3600:.2f} | {found['ideal'] / 3600:.2f} | "
                f"{found['busy']:.0%} | {found['tail'] / 60:.1f} | {found['deaths']:.0f} | {found['again']:.3%} |"
            )


if __name__ == "__main__":
    main()
