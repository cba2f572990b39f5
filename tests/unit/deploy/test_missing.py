"""Without the extra there is one sentence that says what to install."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest


@pytest.mark.skipif(find_spec("holoscan") is not None, reason="MONAI Deploy is installed here")
def test_the_extra_is_named():
    command = [sys.executable, "-m", "monai_sr.deploy", "-i", ".", "-o", "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'pip install torch==2.13.0 "monai_sr[deploy]"' in done.stderr.splitlines()[-1]
