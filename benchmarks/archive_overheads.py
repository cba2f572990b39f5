"""What an archive job costs beside the work: the manifest, its rows, the digests of kept results, the status rows.

    python benchmarks/archive_overheads.py [--series 3000] [--files 300]

Processor time of one thread, so that other work on the machine does not count. File names are those of a DICOM
archive: a folder for each series under its UID, files numbered.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
from common import machine

from monai_sr.archive import Manifest, StatusRow, StatusWriter, read_status, write_manifest
from monai_sr.archive.sums import result_digest, write_sums
from monai_sr.data.phantom import ellipsoids
from monai_sr.io import Case, find_cases
from monai_sr.io.dicom_phantom import write_phantom_series


def case(files: int) -> Case:
    """A DICOM series that is nowhere; no file is opened to list it."""
    uid = f"2.25.{uuid.uuid4().int}"
    folder = Path("/archive") / uid[5:7] / uid
    name = hashlib.sha256(uid.encode()).hexdigest()[:12]
    return Case(name, folder, "dicom", tuple(folder / f"IM-{number:05d}.dcm" for number in range(files)))


def seconds(work: Callable[[], object]) -> float:
    """Processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=3000)
    parser.add_argument("--files", type=int, default=300)
    options = parser.parse_args()
    n = options.series
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_phantom_series(ellipsoids((64, 64, 200), oversampling=1), out / "series")
        scanning = seconds(lambda: find_cases(out / "series")) / 200
        print(f"scan: {1e3 * scanning:.2f} ms for each DICOM file, with a warm cache;")
        before = psutil.Process().memory_info().rss
        cases = [case(options.files) for _ in range(n)]
        held = psutil.Process().memory_info().rss - before
        print(f"it holds {held / n / 1e3:.0f} kB of memory for each series of {options.files} files until it ends")
        writing = seconds(lambda: write_manifest(cases, out / "m.parquet"))
        size = (out / "m.parquet").stat().st_size
        manifest = Manifest(out / "m.parquet")
        rows = range(0, n, max(1, n // 200))
        one = seconds(lambda: [manifest.case(row) for row in rows]) / len(rows)
        print(f"manifest: {size / n:.0f} bytes and {1e3 * writing / n:.2f} ms per series of {options.files} files;")
        print(f"a worker finds a row in {1e3 * one:.1f} ms")

        writer = StatusWriter(out / "status", seconds=1e9)
        for each in cases:
            writer.add(StatusRow(each.name, "done", sha256=uuid.uuid4().hex * 2, worker="host:1", seconds=1.0))
        writer.flush()
        size = sum(part.stat().st_size for part in (out / "status").iterdir())
        reading = seconds(lambda: read_status(out / "status"))
        print(f"status: {size / n:.0f} bytes per series, read in {1e6 * reading / n:.0f} microseconds each")

        (out / "run.json").write_text('{"job": "J"}')
        (out / "a_sr.nii.gz").write_bytes(b"voxels00" * 2**25)
        write_sums(out, ["a_sr.nii.gz"])
        checking = seconds(lambda: result_digest(out, "J"))
        print(f"digests of kept results: {2**28 / checking / 1e9:.2f} GB/s for each core")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
