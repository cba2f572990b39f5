from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

from monai_sr.archive import Job, JobRefused, Shard
from monai_sr.archive.job import _differences
from monai_sr.casework import Upscaling

pytestmark = pytest.mark.archive


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_shards_share_all_rows_and_none_twice(count):
    rows = [row for i in range(count) for row in Shard.parse(f"{i + 1}/{count}").rows(20)]
    assert sorted(rows) == list(range(20))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(JobRefused, match="i/n"):
        Shard.parse(text)


def test_a_folder_holds_one_set_of_choices(tmp_path):
    def job(**options):
        return Job(tmp_path, tmp_path / "m.parquet", Upscaling("none", "cpu", options={"spacing": "auto", **options}))

    job().begin(3)
    job().begin(3)
    job(tile=32).begin(3)  # the values do not depend on it
    assert job().digest() == job(tile=64).digest()
    with pytest.raises(JobRefused, match="spacing was auto and is 2"):
        job(spacing=2.0).begin(3)
    assert job().digest() != job(spacing=2.0).digest()


def test_large_jobs_spread_their_folders_and_keep_the_layout_they_began_with(tmp_path):
    small = Job(tmp_path / "small", tmp_path / "m.parquet", Upscaling("none"))
    small.begin(10_000)
    assert small.folder("a") == tmp_path / "small" / "a"
    grown = Job(tmp_path / "small", tmp_path / "m.parquet", Upscaling("none"))
    grown.begin(10_001)
    assert grown.folder("a") == tmp_path / "small" / "a"
    large = Job(tmp_path / "large", tmp_path / "m.parquet", Upscaling("none"))
    large.begin(10_001)
    assert large.folder("a") == tmp_path / "large" / "ca" / "a"  # printf a | sha256sum


def test_another_name_of_the_same_weights_is_another_choice() -> None:
    """Here the digests of the weights do not differ."""
    said = _differences({"model": "default", "models": ["a"]}, {"model": "fast", "models": ["a"]})
    assert "model was default and is fast" in said
    assert "models" not in said
