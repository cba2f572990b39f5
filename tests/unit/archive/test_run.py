from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive import read_status
from monai_sr.archive.run import run_job
from monai_sr.casework import Upscaling
from monai_sr.io import Case, Volume

pytestmark = pytest.mark.archive


class Stopped(Upscaling):
    """Someone stops the job whenever one series is in work."""

    def read(self, case: Case) -> Volume:
        if case.name == "s001":
            raise KeyboardInterrupt
        return super().read(case)


def test_a_series_is_not_blamed_for_runs_that_are_stopped(job):
    made = job(3, Stopped("none", "cpu"))
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run_job(made, workers=0, on_row=lambda row: None)
        assert list(made.tries.iterdir()) == []
    run_job(replace(made, upscaling=Upscaling("none", "cpu")), workers=0, on_row=lambda row: None)
    assert {row.status for row in read_status(made.status).values()} == {"done"}
