from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")
pytest.importorskip("fcntl", reason="this system has no such locks")

from monai_sr.archive import JobRefused, Shard
from monai_sr.archive.lock import only_run
from monai_sr.archive.run import run_job

pytestmark = pytest.mark.archive


@pytest.mark.parametrize(
    ("there", "comes", "refused"),
    [("1/1", "1/1", True), ("1/2", "1/2", True), ("1/2", "2/2", False), ("1/2", "1/1", True), ("1/1", "2/2", True)],
)
def test_a_share_has_one_run_at_a_time(tmp_path, there, comes, refused):
    with only_run(tmp_path, Shard.parse(there)):
        if refused:
            with pytest.raises(JobRefused, match="another run is at work"), only_run(tmp_path, Shard.parse(comes)):
                pass
        else:
            with only_run(tmp_path, Shard.parse(comes)):
                pass
    with only_run(tmp_path, Shard.parse(comes)):
        pass


def test_a_second_run_in_the_same_folder_is_refused_and_leaves_the_first_alone(job):
    made, said = job(2), []

    def start_again(row: object) -> None:
        with pytest.raises(JobRefused, match="another run is at work in this output folder"):
            run_job(made, workers=0, on_row=said.append)

    run_job(made, workers=0, on_row=start_again)
    assert said == []
    run_job(made, workers=0, on_row=said.append)
    assert all(row.kept for row in said)
