"""Orthanc as a PACS for the tests: in a folder of its own, on free ports, loopback only, stopped by its process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/local/share/orthanc/plugins"))
PROGRAMS = ("Orthanc", "storescu", "findscu", "getscu")
START_SECONDS = 60


def _missing_programs() -> list[str]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not any((folder / "libOrthancDicomWeb.so").exists() for folder in PLUGINS):
        missing.append("Orthanc's DICOMweb plugin")
    return missing


@dataclass(frozen=True)
class Pacs:
    """A running Orthanc.

    Args:
        web: address of its DICOMweb services.
        dicom_port: of its DIMSE services, on the loopback.
    """

    web: str
    dicom_port: int

    def scu(self, program: str, *words: object) -> str:
        """Run one of dcmtk's clients against it; what it prints."""
        command = [program, "-aet", "CLIENT", "-aec", "ORTHANC", "127.0.0.1", str(self.dicom_port), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def store(self, folder: Path) -> None:
        """C-STORE of all files of a folder, as a scanner or a node sends them."""
        self.scu("storescu", "+sd", folder)

    def find(self, level: str, keys: Sequence[str]) -> str:
        """C-FIND at a level, with dcmtk's ``Keyword=value`` keys."""
        return self.scu("findscu", "-S", "-k", f"QueryRetrieveLevel={level}", *(w for k in keys for w in ("-k", k)))

    def get(self, series_uid: str, study_uid: str, folder: Path) -> list[Path]:
        """C-GET of one series into a folder."""
        folder.mkdir()
        keys = ("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study_uid}", f"SeriesInstanceUID={series_uid}")
        self.scu("getscu", "-S", "-od", folder, *(word for key in keys for word in ("-k", key)))
        return sorted(folder.iterdir())


@contextlib.contextmanager
def _started(folder: Path) -> Iterator[Pacs]:
    """Start an empty Orthanc that keeps everything below ``folder``, and stop it at the end."""
    dicom, http = _free_port(), _free_port()
    settings = {
        "Name": "monai_sr tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(path) for path in PLUGINS if path.is_dir()],
        "DicomWeb": {"Enable": True},
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        # DIMSE is answered to this one client on this machine only
        "DicomModalities": {"client": ["CLIENT", "127.0.0.1", dicom]},
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowEcho": False,
        "StorageCompression": False,
        "OverwriteInstances": True,
    }
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(settings))
    log = folder / "orthanc.log"
    # a library path or Python setting of the tests is none of its business
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LD_"))}
    with log.open("wb") as stream:
        process = subprocess.Popen(["Orthanc", str(configuration)], stdout=stream, stderr=stream, env=variables)
        try:
            _wait(process, f"http://127.0.0.1:{http}/system", log)
            yield Pacs(f"http://127.0.0.1:{http}/dicom-web", dicom)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"Orthanc ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(address, timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError(f"Orthanc did not answer in {START_SECONDS} s: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """An empty PACS; skipped where its programs are not installed."""
    if missing := _missing_programs():
        pytest.skip(f"no PACS to test with: install {', '.join(missing)} (Debian: orthanc, orthanc-dicomweb, dcmtk)")
    with _started(tmp_path_factory.mktemp("orthanc")) as running:
        yield running
