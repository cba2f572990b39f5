"""Whether decoding DICOM slices in several threads pays: wall and CPU time of a series read by one thread and by two.

    python benchmarks/dicom_threads.py --slices 300

A phantom CT of 512 x 512 voxels is written plain and in every lossless compression that the package writes, one file a
slice. Each file is loaded, decoded and put into the volume by the calls that the reader makes, in a pool of threads;
pools take turns and the least of each counts. ``monai-sr``'s own reading, with headers and checks, stands beside it.

Where other work shares the cores, wall times say little: two threads get more of them than one. So it is also counted
how often a thread that sleeps half a millisecond at a time wakes while another one decodes a slice. A codec that holds
Python's lock lets it wake once or twice, however long it takes; hashing, which lets the lock go, is there to compare.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pydicom
from common import machine
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from speed import CASES, phantom

from monai_sr.io import read_volume
from monai_sr.io.dicom_phantom import write_phantom_series

SYNTAXES = {
    "plain": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}


def compressed(plain: Sequence[Path], syntax: UID, folder: Path) -> list[Path]:
    """The same slices in another transfer syntax."""
    folder.mkdir()
    files = []
    for file in plain:
        files.append(folder / file.name)
        if syntax == ExplicitVRLittleEndian:
            shutil.copy(file, files[-1])
            continue
        dataset = pydicom.dcmread(file)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(files[-1])
    return files


def decode(files: Sequence[Path], threads: int) -> np.ndarray:
    """``(X, Y, Z)`` values of a series, by so many threads."""
    first = pydicom.dcmread(files[0], stop_before_pixels=True)
    array = np.empty((first.Columns, first.Rows, len(files)), np.float32, order="F")

    def one(k: int) -> None:
        dataset = pydicom.dcmread(files[k])
        stored, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, index=0, raw=True)
        array[:, :, k] = (stored.astype(np.float64) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)).T

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(len(files))))
    return array


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the wall and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def wakes(work: Callable[[], object], times: int = 10) -> tuple[float, float]:
    """How often another thread wakes during one call of ``work``, and milliseconds of CPU time of a call."""
    began = time.thread_time()
    work()
    milliseconds = 1000 * (time.thread_time() - began)
    thread = threading.Thread(target=lambda: [work() for _ in range(times)])
    thread.start()
    count = 0
    while thread.is_alive():
        time.sleep(0.0005)
        count += 1
    return count / times, milliseconds


def measured(files: Sequence[Path], repeat: int) -> list[float]:
    """Least wall seconds of one thread and of two, CPU seconds of both, wall and CPU seconds of the whole reading."""
    works = (lambda: decode(files, 1), lambda: decode(files, 2), lambda: read_volume(files[0].parent))
    runs = [[value for work in works for value in spent(work)] for _ in range(repeat)]
    one, cpu_of_one, two, cpu_of_two, whole, cpu_of_whole = (min(column) for column in zip(*runs, strict=True))
    return [one, two, one / two, cpu_of_one, cpu_of_two, whole, cpu_of_whole]


def one_slice(file: Path) -> Callable[[], object]:
    """Decoding alone."""
    dataset = pydicom.dcmread(file)
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    return lambda: decoder.as_array(dataset, index=0, raw=True)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    idle = 100.0 - psutil.cpu_percent(interval=3.0)
    case = CASES["ct"]._replace(shape=(options.edge, options.edge, options.slices), spacing=(0.8, 0.8, 2.0))
    print(f"CT of {options.edge} x {options.edge} x {options.slices}; {idle:.0f} % of the processors idle before\n")
    print("| files | MB | wall s, 1 thread | 2 | ratio | CPU s, 1 thread | 2 | whole reading, wall s | CPU s |", end="")
    print(" decoding a slice, CPU ms | wakes meanwhile |\n|---" + "|---:" * 10 + "|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        plain = write_phantom_series(phantom(case), Path(temporary) / "series")
        expected = decode(plain, 1)
        for name, syntax in SYNTAXES.items():
            files = compressed(plain, syntax, Path(temporary) / name)
            assert np.array_equal(decode(files, 2), expected)
            numbers = " | ".join(f"{value:.2f}" for value in measured(files, options.repeat))
            count, milliseconds = wakes(one_slice(files[0]))
            size = sum(file.stat().st_size for file in files) / 1e6
            print(f"| {name} | {size:.0f} | {numbers} | {milliseconds:.1f} | {count:.1f} |", flush=True)
            shutil.rmtree(files[0].parent)
    data = bytes(2**25)
    count, milliseconds = wakes(lambda: hashlib.sha256(data).digest())
    print(f"\nHashing, for comparison: {milliseconds:.1f} ms, {count:.1f} wakes.")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
