"""The examples for SLURM, Nextflow and Kubernetes do the work, with the scheduler's own part played by the test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive import read_status, write_manifest
from monai_sr.casework import gather_cases

pytestmark = [
    pytest.mark.archive,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash"),
]

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "archive"
REPOSITORY = EXAMPLES.parents[2]


@pytest.fixture
def shell(tmp_path):
    """Runs a script in which ``monai-sr`` is this package without a network, and ``srun`` its command."""
    tools = tmp_path / "tools"
    tools.mkdir()
    command = 'case "$2" in run) set -- "$@" --model none --device cpu;; esac\n'
    (tools / "monai-sr").write_text(f'#!/bin/bash\n{command}exec "{sys.executable}" -m monai_sr "$@"\n')
    (tools / "srun").write_text('#!/bin/bash\nwhile [ "$1" != monai-sr ]; do shift; done\nexec "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    python_path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    path = os.pathsep.join([str(tools), os.environ["PATH"]])

    def call(*command: str, **variables: str) -> None:
        environment = {**os.environ, "PATH": path, "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", **variables}
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return call


@pytest.fixture
def archive(tmp_path, series):
    """Four series, one of which is refused, so that the exit code of the command is 3; and their manifest."""
    folder = series(4)
    (folder / "s003.nii").write_bytes((folder / "s003.nii").read_bytes()[:300])
    write_manifest(gather_cases([folder], tmp_path), tmp_path / "manifest.parquet")
    return folder


def finished(out: Path) -> list[str]:
    return sorted(name for name, row in read_status(out / "_job" / "status").items() if row.status == "done")


def test_slurm(tmp_path, archive, shell):
    for task in ("1", "2"):
        variables = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2"}
        shell("bash", str(EXAMPLES / "job.sbatch"), "manifest.parquet", "out", **variables)
    assert finished(tmp_path / "out") == ["s000", "s001", "s002"]


def test_slurm_starts_again_what_was_killed_and_nothing_else(tmp_path, shell):
    stub = '#!/bin/bash\nprintf x >> calls\ncase "$(cat calls)" in xxx) exit 0;; esac\nexit {}\n'
    for code, calls in ((137, "xxx"), (2, "x")):
        (tmp_path / "calls").unlink(missing_ok=True)
        (tmp_path / "tools" / "srun").write_text(stub.format(code))
        script = f"bash {EXAMPLES / 'job.sbatch'} m out; [ $? -eq {0 if code == 137 else code} ]"
        shell("bash", "-c", script, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="2")
        assert (tmp_path / "calls").read_text() == calls


def test_kubernetes(tmp_path, archive, shell):
    job = yaml.safe_load((EXAMPLES / "job.yaml").read_text())
    spec = job["spec"]
    container = spec["template"]["spec"]["containers"][0]
    script = container["args"][0]
    assert f"/{spec['completions']}\n" in script
    assert container["volumeMounts"][0]["mountPath"] == "/data"
    script = script.replace("/data/", f"{tmp_path}/").replace("/64\n", "/2\n")
    for index in ("0", "1"):
        shell(*container["command"], script, JOB_COMPLETION_INDEX=index)
    assert finished(tmp_path / "results") == ["s000", "s001", "s002"]
    codes = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    shell("bash", "-c", f"({script.replace(str(tmp_path / 'manifest.parquet'), 'absent')}); [ $? -eq {codes[0]} ]")


def test_nextflow(tmp_path, archive, shell):
    workflow = (EXAMPLES / "main.nf").read_text()
    scan, shard = re.findall(r'"""\n(.*?)"""', workflow, flags=re.DOTALL)
    values = {"params.archive": archive, "params.out": "out", "params.shards": 2, "manifest": "manifest.parquet"}

    def filled(script: str, **more: object) -> str:
        for name, value in {**values, **more}.items():
            script = script.replace("${" + name + "}", str(value))
        return script.replace("\\$", "$")

    (tmp_path / "manifest.parquet").unlink()
    shell("bash", "-ue", "-c", filled(scan))
    for number in (1, 2):
        shell("bash", "-ue", "-c", filled(shard, shard=number))
    assert finished(tmp_path / "out") == ["s000", "s001", "s002"]
