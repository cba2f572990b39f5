"""What outside systems are given: results in all orientations, and Orthanc as a PACS, on loopback only."""

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from monai_sr import Volume, read_volume, super_resolve
from monai_sr.data import phantom
from monai_sr.geometry import VolumeGeometry
from monai_sr.io.dicom_phantom import write_phantom_series
from monai_sr.report import write_results

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


SPACING = (1.2, 1.5, 4.0)


def turned(x: float, y: float, z: float) -> np.ndarray:
    """Axes of an oblique acquisition: a rotation by three angles."""
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(x, y, z)
    return np.array(rotation.GetMatrix()).reshape(3, 3)


AXES = {
    "CT axial": np.diag([-1.0, -1.0, 1.0]),
    "CT oblique": turned(0.3, -0.2, 1.1),
    "MR sagittal": np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "MR coronal": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]]),
    "MR oblique": turned(-0.6, 0.4, 0.2),
}
REAL = [
    "ct_lidc_0003_2.5mm",
    "siemens_HFP_t1_sag",
    "dicom2nifti/hitachi/anatomical/001",
    "dicom2nifti/hyperfine/anatomical/001",
    "dicom2nifti/philips_enhanced/anatomical/001",
]


def _phantom_series(name: str, folder: Path) -> Path:
    body = phantom.ellipsoids((52, 44, 12), SPACING, modality=name[:2])  # type: ignore[arg-type]
    affine = np.eye(4)
    affine[:3, :3] = AXES[name] @ np.diag(SPACING)
    affine[:3, 3] = [31.4, -27.1, 182.8]
    rng = np.random.default_rng(1)
    array = body.array + rng.normal(0, 5, body.array.shape).astype(np.float32)
    array = np.maximum(array, body.array.min())
    body = replace(body, array=array, geometry=VolumeGeometry(body.array.shape, affine), slice_thickness_mm=4.0)
    write_phantom_series(body, folder)
    return folder


@pytest.fixture(scope="session")
def phantom_series() -> Callable[[str, Path], Path]:
    """Write a phantom in one of the orientations as a series."""
    return _phantom_series


@pytest.fixture(params=[*AXES, *REAL])
def name(request: pytest.FixtureRequest) -> str:
    """Of a case in ``results``; the real ones are there where the data are."""
    return str(request.param)


@pytest.fixture(params=[*AXES])
def orientation(request: pytest.FixtureRequest) -> str:
    """Of the phantoms in ``results``."""
    return str(request.param)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Volume, list[Path]]]:
    """By case and format: the volume that was meant, and the files that were written."""
    folder = tmp_path_factory.mktemp("results")
    sources = {name: _phantom_series(name, folder / name / "source") for name in AXES}
    data = Path(os.environ.get("MONAI_SR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    sources |= {name: data / "dicom" / name for name in REAL if (data / "dicom" / name).is_dir()}
    written: dict[tuple[str, str], tuple[Volume, list[Path]]] = {}
    for name, source in sources.items():
        acquired = replace(read_volume(source), name="case")
        # the network changes no geometry: the pipeline without it is faster; one series goes through all of it
        model = "default" if name == "CT axial" else "none"
        wanted = list(acquired.geometry.spacing)
        wanted[int(np.argmax(wanted))] /= 2
        result = super_resolve(acquired, model=model, spacing=wanted, device="cpu")
        for kind in ("dicom", "nifti"):
            out = folder / name / kind
            out.mkdir(parents=True)
            write_results(result, out, "case", format=kind)  # type: ignore[arg-type]
            files = sorted((out / "dicom").iterdir()) if kind == "dicom" else [out / "case_sr.nii.gz"]
            written[name, kind] = (result.volume, files)
    return written
