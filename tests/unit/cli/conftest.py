from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monai_sr import write_volume
from monai_sr.cli import main
from monai_sr.data import phantom


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """``monai-sr`` with the given words, in this process."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        streams = capsys.readouterr()
        return Ended(int(ended.value.code or 0), streams.out, streams.err)

    yield call
    signal.signal(signal.SIGTERM, handler)
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session")
def thick_mr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MR phantom of 4 mm slices and 1.5 mm pixels as NIfTI."""
    file = tmp_path_factory.mktemp("inputs") / "thick.nii.gz"
    write_volume(phantom.ellipsoids((40, 36, 12), (1.5, 1.5, 4.0), modality="MR"), file)
    return file


@pytest.fixture(scope="session")
def isotropic_mr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MR phantom of 1 mm voxels as NIfTI: nothing to do."""
    file = tmp_path_factory.mktemp("inputs") / "isotropic.nii.gz"
    write_volume(phantom.ellipsoids((24, 24, 24), (1.0, 1.0, 1.0), modality="MR"), file)
    return file


@pytest.fixture(scope="session")
def thick_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT phantom of 4 mm slices as a DICOM series."""
    from monai_sr.io.dicom_phantom import write_phantom_series

    folder = tmp_path_factory.mktemp("inputs") / "series"
    write_phantom_series(phantom.ellipsoids((40, 36, 12), (1.5, 1.5, 4.0)), folder)
    return folder
