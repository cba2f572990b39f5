from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs Ray Data and PyArrow: pip install 'monai_sr[archive]'")

import pyarrow as pa
import pyarrow.parquet as pq

from monai_sr.archive import Manifest, write_manifest
from monai_sr.data import phantom
from monai_sr.io import InputError, find_cases
from monai_sr.io.dicom_phantom import write_phantom_series

pytestmark = pytest.mark.archive


def test_every_case_can_be_read_from_its_row(tmp_path, series):
    folder = series(3)
    body = phantom.ellipsoids((20, 18, 6), (1.5, 1.5, 4.0), oversampling=1)
    write_phantom_series(body, folder / "ct")
    (folder / "ct" / "readme.mha").write_text("no scan")
    cases = find_cases(folder)
    write_manifest(cases, tmp_path / "m.parquet")
    manifest = Manifest(tmp_path / "m.parquet")
    assert len(manifest) == len(cases) == 5
    for row, case in enumerate(cases):
        again = manifest.case(row)
        assert (again.name, again.kind, again.path, again.files) == (case.name, case.kind, case.path, case.files)
        if case.kind == "refused":
            with pytest.raises(InputError, match="format that is not read"):
                again.read()
        else:
            np.testing.assert_array_equal(again.read().array, case.read().array)
            assert again.read().name == case.name


def test_rows_lie_in_groups_and_each_is_found(tmp_path, series, monkeypatch):
    monkeypatch.setattr("monai_sr.archive.manifest._ROWS", 2)
    cases = find_cases(series(5))
    write_manifest(cases, tmp_path / "m.parquet")
    manifest = Manifest(tmp_path / "m.parquet")
    assert pq.ParquetFile(tmp_path / "m.parquet").num_row_groups == 3
    assert [manifest.case(row).name for row in (4, 0, 3, 1, 2)] == ["s004", "s000", "s003", "s001", "s002"]


def test_a_manifest_is_not_replaced_unasked(tmp_path, series):
    cases = find_cases(series(1))
    write_manifest(cases, tmp_path / "m.parquet")
    with pytest.raises(InputError, match="exists"):
        write_manifest(cases, tmp_path / "m.parquet")


def test_two_series_of_one_name_are_refused_before_one_is_lost(tmp_path, series, monkeypatch):
    monkeypatch.setattr("monai_sr.archive.manifest._ROWS", 2)
    cases = find_cases(series(5))
    cases[4] = replace(cases[4], name=cases[1].name)
    write_manifest(cases, tmp_path / "m.parquet")
    with pytest.raises(InputError, match="2 rows have the series name of row 1"):
        Manifest(tmp_path / "m.parquet").refuse_doubles()


@pytest.mark.parametrize("column", ["series", "kind", "path", "files"])
def test_a_row_with_a_hole_is_refused(tmp_path, series, column):
    write_manifest(find_cases(series(1)), tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    pq.write_table(pa.Table.from_pylist([{**table.to_pylist()[0], column: None}], table.schema), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=f"a row has no {column}"):
        Manifest(tmp_path / "m.parquet").case(0)


def test_what_is_no_manifest_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("series,path\n")
    pq.write_table(pa.table({"series": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="cannot be read as a Parquet manifest"):
        Manifest(tmp_path / "text.parquet")
    with pytest.raises(InputError, match="lacks the column"):
        Manifest(tmp_path / "other.parquet")


@pytest.mark.parametrize("name", ["../../outside", "a/b", "", ".hidden", "_job"])
def test_a_series_name_of_a_foreign_manifest_cannot_leave_the_output_folder(tmp_path, series, name):
    write_manifest(find_cases(series(1)), tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    hostile = table.set_column(table.schema.get_field_index("series"), "series", pa.array([name]))
    pq.write_table(hostile, tmp_path / "hostile.parquet")
    with pytest.raises(InputError, match="series name"):
        Manifest(tmp_path / "hostile.parquet").case(0)
