"""Windows of a source are taken as they are, or not at all."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from monai_sr.io.dicom_window import Window, window_of


def header(**elements: object) -> Dataset:
    out = Dataset()
    for keyword, value in elements.items():
        setattr(out, keyword, value)
    return out


def test_several_with_names() -> None:
    found = window_of(
        header(
            WindowCenter=[40, 600],
            WindowWidth=[400, 2000],
            WindowCenterWidthExplanation=["SOFT", "BONE"],
            VOILUTFunction="LINEAR_EXACT",
        ),
        None,
    )
    assert found == Window((40.0, 600.0), (400.0, 2000.0), ("SOFT", "BONE"), "LINEAR_EXACT")


def test_names_that_do_not_belong_are_left_out() -> None:
    found = window_of(header(WindowCenter=40, WindowWidth=400, WindowCenterWidthExplanation=["A", "B"]), None)
    assert found == Window((40.0,), (400.0,))


@pytest.mark.parametrize(
    ("centre", "width"), [(None, None), (40, None), ([40, 50], 400), (40, 0), (40, 0.5), ("1e400", 3), ([], [])]
)
def test_unusable(centre: object, width: object) -> None:
    assert window_of(header(WindowCenter=centre, WindowWidth=width), None) is None


def test_of_a_frame() -> None:
    def group(centre: int) -> Dataset:
        return header(FrameVOILUTSequence=[header(WindowCenter=centre, WindowWidth=10)])

    own = header(PerFrameFunctionalGroupsSequence=[group(1), group(2)])
    assert window_of(own, 1) == Window((2.0,), (10.0,))
    shared = header(PerFrameFunctionalGroupsSequence=[Dataset()], SharedFunctionalGroupsSequence=[group(7)])
    assert window_of(shared, 0) == Window((7.0,), (10.0,))
    plain = header(PerFrameFunctionalGroupsSequence=[Dataset()], WindowCenter=3, WindowWidth=4)
    assert window_of(plain, 0) == Window((3.0,), (4.0,))
