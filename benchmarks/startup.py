"""What loading the libraries takes, in CPU seconds, before any work is done.

    python benchmarks/startup.py --repeat 5

Each line is a Python of its own; the lines take turns and the least of each counts, so that other work on the machine
does not matter. To hide a package is to let it look as if it were not installed: MONAI then goes without it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from common import REPOSITORY, machine

OPTIONAL = (
    "itk",
    "pandas",
    "pyarrow",
    "tensorboard",
)  # MONAI loads them where they are; upscaling needs none


def hidden(*names: str) -> str:
    """Statement that lets packages look absent."""
    return f"import sys; sys.modules.update(dict.fromkeys({names!r}))"


LINES = {
    "torch": "import torch",
    "torch, SciPy": "import torch, scipy.ndimage, scipy.interpolate, scipy.integrate, scipy.optimize",
    "MONAI": "import monai",
    "MONAI, " + ", ".join(OPTIONAL) + " hidden": f"{hidden(*OPTIONAL)}; import monai",
    "the same, ignite hidden too": f"{hidden(*OPTIONAL, 'ignite')}; import monai",
    "`import monai_sr`": "import monai_sr",
    "all that `monai-sr upscale` loads": "import monai_sr.cli.upscale, monai_sr.inference, monai_sr.report",
}


def seconds(code: str) -> float:
    """CPU time of a Python that runs it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), environment.get("PYTHONPATH", "")])
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {code}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in LINES}
    for _ in range(options.repeat):
        for name, code in LINES.items():
            found[name].append(seconds(code))
    print("| loaded | CPU s | times torch |\n|---|---:|---:|")
    for name, times in found.items():
        print(f"| {name} | {min(times):.2f} | {min(times) / min(found['torch']):.2f} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
