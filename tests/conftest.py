"""Shared fixtures: where the real data lie, and small phantoms whose right answer is known."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent

try:
    from absl import logging as absl_logging  # of TensorBoard
except ModuleNotFoundError:
    pass
else:
    # It closes the stderr that it was imported under whenever logging is configured anew and stderr is another by then:
    # pytest's own file, after which every test fails. The real one it leaves open.
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked gpu say why they do not run."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real scans: ``MONAI_SR_DATA``, by default ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("MONAI_SR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "train").is_dir():
        pytest.skip(f"real scans not found at {folder}; set MONAI_SR_DATA to their folder")
    return folder
