"""The benchmarks for a GPU run unchanged, and small, on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from monai_sr.data.phantom import ellipsoids
from monai_sr.io import write_volume

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
pytestmark = pytest.mark.slow


def printed(script: str, *options: object) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / script), *map(str, options), "--threads", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_floors_and_the_gap() -> None:
    text = printed("floors.py", "--case", "small", "--device", "cpu", "--edge", 24, "--repeat", 1)
    rate, copied = (float(found) for found in re.findall(r"([\d.]+) TFLOP/s, copy (\d+) GB/s", text)[0])
    assert rate > 0
    assert copied > 0
    gaps = [float(row.split("|")[3]) for row in text.splitlines() if row.startswith(("| network", "| compiled"))]
    assert len(gaps) == 2
    assert min(gaps) > 0.5  # nothing is faster than its floor, but for the noise of the clock


def test_patches_per_second_and_who_waits_for_whom(tmp_path: Path) -> None:
    for subject in "12":
        write_volume(ellipsoids((56, 52, 52), modality="MR"), tmp_path / f"sub-{subject}.nii.gz")
    options = ("--data", tmp_path, "--patch", 24, "--steps", 5, "--batch", 1)
    for more in ((), ("--stage", "release_gan")):
        lines = printed("training.py", *options, *more).splitlines()
        row = next(line for line in lines if line.startswith("| 0 |")).split("|")
        busy, patches = float(row[5].rstrip(" %")), float(row[6])
        step, wait = float(row[3]), float(row[4])
        assert busy == pytest.approx(100 * step / (step + wait), abs=3)
        assert patches == pytest.approx(1 / (step + wait), rel=0.1)
