from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from monai_sr import Volume
from monai_sr.data import phantom
from monai_sr.report.comparison_report import write_comparison_report
from monai_sr.report.pictures import picture_place, save_picture
from monai_sr.report.system_facts import SystemFacts

HOSTILE = "<img src=x onerror=alert(1)>&\"'$a_b$"
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Every tag closed, every address inside the file, every id once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value)
            if tag == "a" and name == "href":
                self.links.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def check(path: Path) -> Page:
    """What holds for every report."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert all(a.startswith(("data:image/webp;base64,", "#")) for a in page.addresses), page.addresses
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert not re.search(r"url\((?!#)", text)
    assert not re.search(r"@import|<link|<iframe", text)
    assert "Research only. Not for diagnosis." in page.text
    return page


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    truth = phantom.ellipsoids((48, 40, 36), (2.0, 2.0, 2.0))
    thick = phantom.ellipsoids((48, 40, 12), (2.0, 2.0, 6.0))
    place, region = picture_place(truth)
    rng = np.random.default_rng(0)

    def save(name: str, volume: Volume) -> None:
        save_picture(folder / f"{name}.npz", volume, place=place, region=region, count=3)

    save("truth", truth)
    save("acquired", thick)
    for k, name in enumerate(("cubic", "ibp1", "ours")):
        noise = rng.normal(0, 40 - 10 * k, truth.array.shape).astype(np.float32)
        save(name, truth.with_values(truth.array + noise))
    return folder


def make_rows(**more: object) -> list[dict[str, object]]:
    frequency = [0.05, 0.1, 0.15, 0.2, 0.25]
    rows: list[dict[str, object]] = []
    for case in ("a", "b", "c"):
        for noise in (0.0, 0.02):
            for k, method in enumerate(("cubic", "ibp1", "ours")):
                rows.append(
                    {
                        "case": case, "subject": case, "kind": "through-plane", "factor": 3.0, "noise": noise,
                        "task": "through-plane x3, " + ("2 % noise" if noise else "clean"), "axes": [2],
                        "modality": "MR" if case == "c" else "CT", "spacing": [2.0, 2.0, 2.0], "method": method,
                        "psnr": 30.0 + k - 40 * noise + 0.1 * ord(case), "ssim": 0.9 + 0.01 * k, "body_bias": -0.1 * k,
                        "edge_width_mm": 3.0 - 0.3 * k, "residual": 1.0, "seconds": 0.5,
                        "frc": {"frequency": frequency, "correlation": [1.0, 0.9, 0.6, 0.3, 0.1 * k]},
                        "picture": f"{method}.npz", "truth_picture": "truth.npz", "acquired_picture": "acquired.npz",
                        "warnings": [], **more,
                    }
                )  # fmt: skip
    return rows


SYSTEMS = [
    SystemFacts("cubic", "cubic", "interpolation"),
    SystemFacts("ibp1", "back-projection", "train-free", "Irani & Peleg 1991"),
    SystemFacts(
        "ours", "our network", "learned", parameters=1_234_567, steps=1000, train_seconds=5400.0,
        discriminator={"accuracy": 0.75, "precision": 0.7, "recall": 0.8, "f1": 0.747, "threshold": "0.5"},
    ),
    SystemFacts("absent", "outside tool", "outside"),
]  # fmt: skip
CURVE = [
    {
        "step": 50.0 * k,
        "epoch": float(k // 2),
        "generator": 1.0 / k,
        "discriminator": 0.7,
        "l1": 0.1,
        "odd": float("nan"),
    }
    for k in range(1, 9)
]


def write(folder: Path, rows, pictures: Path, **more) -> Path:
    values = {
        "title": "test",
        "systems": SYSTEMS,
        "pictures": pictures,
        "facts": {"data range": "2000 HU", "command": "monai-sr compare"},
        "curves": {"ours": CURVE},
    } | more
    return write_comparison_report(folder / "report.html", rows=rows, **values)


def test_the_page_is_whole_and_shows_everything(pictures, tmp_path):
    failed = {"case": "a", "task": "through-plane x3, clean", "method": "absent", "error": "the tool is not installed"}
    path = write(tmp_path, [*make_rows(), failed], pictures)
    page = check(path)
    for words in (
        "through-plane x3, clean", "our network", "the tool is not installed", "2000 HU", "monai-sr compare",
        "0.747", "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567", "Worst cases",
        "noise, % of the intensity range",
        "MR only", "generator and discriminator", "not run on this task",
    ):  # fmt: skip
        assert words in page.text, words
    assert path.read_text().count('class="slider"') == 4
    assert path.stat().st_size < 3_000_000


def test_gains_are_paired_and_have_their_interval(pictures, tmp_path):
    page = check(write(tmp_path, make_rows(), pictures))
    assert "+2.00" in page.text  # ours over cubic: 2 dB on every volume
    assert "+2.00 to +2.00" in page.text
    assert "+1.00 to +1.00" in page.text  # over back-projection


def test_a_report_that_is_there_is_replaced(pictures, tmp_path):
    (tmp_path / "report.html").write_text("old")
    check(write(tmp_path, make_rows(), pictures))


@pytest.mark.parametrize(
    "missing",
    ["psnr", "ssim", "frc", "picture", "truth_picture", "acquired_picture", "axes", "modality", "noise", "kind"],
)
def test_a_measure_may_be_missing(missing, pictures, tmp_path):
    rows = [{key: value for key, value in row.items() if key != missing} for row in make_rows()]
    check(write(tmp_path, rows, pictures))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_measure_may_be_no_number(value, pictures, tmp_path):
    rows = make_rows()
    for row in rows[::2]:
        row.update(psnr=value, ssim=value, edge_width_mm=value, frc={"frequency": [], "correlation": []})
    page = check(write(tmp_path, rows, pictures))
    assert "nan" not in page.text.lower()


def test_nothing_at_all_and_nothing_but_failures(tmp_path):
    check(write(tmp_path, [], tmp_path, systems=[], curves={}, facts={}))
    refused = [{"case": "a", "task": "all", "method": "cubic", "error": "no such file"}]
    page = check(write(tmp_path, refused, tmp_path, systems=[], curves={}))
    assert page.text.count("no such file") == 2  # in the table of the task, and in the list


def test_hostile_names_are_words(pictures, tmp_path):
    rows = make_rows(case=HOSTILE, task=HOSTILE, kind=HOSTILE, modality=HOSTILE)
    for row in rows:
        row["method"] = {"ours": HOSTILE}.get(str(row["method"]), row["method"])
    rows.append({"case": HOSTILE, "task": HOSTILE, "method": "absent", "error": HOSTILE})
    systems = [SystemFacts(HOSTILE, HOSTILE, "learned", HOSTILE, budget=HOSTILE, discriminator={HOSTILE: HOSTILE})]
    path = write(
        tmp_path, rows, pictures, title=HOSTILE, systems=systems, facts={HOSTILE: HOSTILE}, curves={HOSTILE: CURVE}
    )
    check(path)
    assert "<img src=x" not in path.read_text()
    assert "</script><" not in re.sub(r"</script>\s", "", path.read_text())


def test_a_picture_outside_its_folder_or_broken_is_left_out(pictures, tmp_path):
    secret = tmp_path / "secret.npz"
    secret.write_bytes(b"no picture")
    path = write(tmp_path, make_rows(truth_picture="../secret.npz", picture="missing.npz"), pictures)
    assert "data:image" not in path.read_text()


def test_the_size_is_bounded(tmp_path):
    """Many volumes with large pictures of noise, the worst that can come: still a file that can be sent."""
    rng = np.random.default_rng(0)
    volume = phantom.ellipsoids((200, 200, 200), (1.0, 1.0, 1.0))
    noisy = volume.with_values(volume.array + rng.normal(0, 100, volume.array.shape).astype(np.float32))
    place, region = picture_place(volume)
    save_picture(tmp_path / "noisy.npz", noisy, place=place, region=region, count=9)
    rows = make_rows(picture="noisy.npz", truth_picture="noisy.npz", acquired_picture="noisy.npz")
    more = [{**row, "method": f"m{k}"} for k in range(6) for row in rows if row["method"] == "ours"]
    path = write(tmp_path, [*rows, *more], tmp_path)
    assert path.stat().st_size < 15_000_000
