"""benchmarks/peers/eclare.sh with a stand-in for the program: what it is given, keeps, and states as its budget."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "peers" / "eclare.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")

STAND_IN = """#!/usr/bin/env bash
echo "$@" >> "$(dirname "$0")/calls.txt"
while [[ $# -gt 0 ]]; do
    case $1 in --in-fpath) input=$2 ;; --out-dir) out=$2 ;; esac
    shift
done
mkdir -p "$out"
base=$(basename "$input")
cp "$input" "$out/${base//.nii/_eclare.nii}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder that looks like ECLARE's environment."""
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    (programs / "pip").write_text("#!/usr/bin/env bash\necho eclare==1.0.1\n")
    (programs / "run-eclare").write_text(STAND_IN)
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs.parent


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Thick slices along an axis that is not the last, a volume without a coarse axis, one with two."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    values = np.random.default_rng(0).normal(size=(6, 4, 6)).astype(np.float32)
    spacings = {"a.nii.gz-through-plane-x3-clean": (0.9, 2.7, 0.9), "even": (1, 1, 1), "two-coarse": (1, 3, 3)}
    for name, spacing in spacings.items():
        nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1.0])), folder / f"{name}.nii.gz")
    return folder


def run(environment: Path, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "ECLARE_ENV": str(environment), **more}
    return subprocess.run(
        ["bash", str(SCRIPT), *map(str, arguments)], env=settings, capture_output=True, text=True, timeout=60
    )


def test_the_script_is_valid_and_says_how_it_is_called(environment: Path, tmp_path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)]).returncode == 0
    called = run(environment, tmp_path / "nowhere")
    assert called.returncode == 2
    assert "INPUTS OUTPUTS [N_PATCHES]" in called.stderr
    assert run(environment, tmp_path, tmp_path / "out", "many").returncode == 2


def test_one_coarse_axis_is_restored_under_its_own_name_and_the_budget_is_stated(
    environment: Path, inputs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    called = run(environment, inputs, out, 500, ECLARE_PROFILE="boxcar")
    assert called.returncode == 0, called.stderr
    assert [f.name for f in out.glob("*.nii.gz")] == ["a.nii.gz-through-plane-x3-clean.nii.gz"]
    (call,) = (environment / "bin" / "calls.txt").read_text().splitlines()
    for option in (
        "--relative-slice-thickness 3 ",
        "--relative-slice-profile-type boxcar",
        "--n-patches 500",
        "--batch-size 32",
    ):
        assert option in call
    first = (out / "how.txt").read_text().splitlines()[0]
    assert first.startswith("ECLARE 1.0.1, 500 training patches per volume, batches of 32, boxcar profile")
    assert "s per volume (1 volumes)" in first
    assert called.stdout.count("skip: ") == 2

    again = run(environment, inputs, out, 500, ECLARE_PROFILE="boxcar")
    assert again.returncode == 0
    assert "kept    a.nii.gz-through-plane-x3-clean" in again.stdout
    assert len((environment / "bin" / "calls.txt").read_text().splitlines()) == 1

    other = run(environment, inputs, out, 600, ECLARE_PROFILE="boxcar")
    assert other.returncode == 2
    assert "another budget" in other.stderr


def test_without_a_number_the_budget_is_20000(environment: Path, inputs: Path, tmp_path: Path) -> None:
    assert run(environment, inputs, tmp_path / "out").returncode == 0
    assert "20000 training patches" in (tmp_path / "out" / "how.txt").read_text().splitlines()[0]


def test_it_goes_on_after_a_failure_and_says_so(environment: Path, inputs: Path, tmp_path: Path) -> None:
    program = environment / "bin" / "run-eclare"
    shutil.copy(inputs / "a.nii.gz-through-plane-x3-clean.nii.gz", inputs / "b.nii.gz")
    # the first call fails, as one that runs out of memory would
    breaks = 'mkdir "$0.once" 2>/dev/null && { echo broke; exit 1; }\n'
    program.write_text(STAND_IN.replace("while", breaks + "while", 1))
    called = run(environment, inputs, tmp_path / "out", 500)
    assert called.returncode == 1
    assert "failed  a.nii.gz-through-plane-x3-clean: broke" in called.stderr
    assert [f.name for f in (tmp_path / "out").glob("*.nii.gz")] == ["b.nii.gz"]
