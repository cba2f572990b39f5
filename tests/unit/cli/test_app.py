from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import monai_sr
from monai_sr import Volume, VolumeGeometry, write_volume

COMMANDS = ("upscale", "train", "evaluate", "info", "export")
OPTIONS = (
    *("--modality", "--spacing", "--scale", "--exact-spacing", "--allow-downsample", "--model", "--profile"),
    *("--slice-thickness", "--affine", "--format", "--overwrite", "--device", "--tile", "--quiet", "--json", "--debug"),
)


def test_help_lists_the_commands_and_what_it_is_not_for(run):
    ended = run("--help")
    assert ended.code == 0
    assert "not for diagnosis" in ended.out
    for command in COMMANDS:
        assert command in ended.out
        assert run(command, "--help").code == 0


def test_help_of_upscale_lists_every_option_and_exit_code(run):
    text = " ".join(run("upscale", "--help").out.split())
    for option in OPTIONS:
        assert option in text
    assert "not for diagnosis" in text
    assert "130 interrupted" in text


def test_version(run):
    assert run("--version").out.strip() == f"monai_sr {monai_sr.__version__}"


def test_an_unknown_command_is_two(run):
    assert run("upscall").code == 2


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "monai_sr", "--version"], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == f"monai_sr {monai_sr.__version__}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_ends_with_130_and_leaves_nothing_half(tmp_path, number):
    rng = np.random.default_rng(0)
    array = rng.normal(300.0, 50.0, (192, 192, 96)).astype(np.float32)
    write_volume(Volume(array, VolumeGeometry(array.shape, np.diag([1, 1, 4, 1.0]))), tmp_path / "large.nii.gz")
    command = [sys.executable, "-m", "monai_sr", "upscale", str(tmp_path / "large.nii.gz"), "-o", str(tmp_path / "out")]
    command += ["--model", "none", "--json", "--device", "cpu"]
    # a shell's background job ignores SIGINT and so would its children; the command is to begin as from a terminal
    listening = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **listening) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("stage") in ("measure", "interpolate"):
                time.sleep(0.2)
                process.send_signal(number)
                break
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["large.nii.gz"]
