"""A job one of whose series kills every process that works on it: ``python poisoned_job.py MANIFEST OUT WORKERS``.

Prints a line of JSON for each series that ends, as ``monai-sr archive run --json`` does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from monai_sr.archive import Job
from monai_sr.archive.run import run_job
from monai_sr.casework import Upscaling
from monai_sr.io import Case, Volume

POISON = "s050"


class Poisoned(Upscaling):
    def read(self, case: Case) -> Volume:
        if case.name == POISON:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory ends
        return super().read(case)


if __name__ == "__main__":
    manifest, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    job = Job(out, manifest, Poisoned("none", "cpu"))
    run_job(job, workers=workers, on_row=lambda row: print(json.dumps(row.as_dict()), flush=True))
