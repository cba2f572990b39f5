"""The examples in the documents run as they stand, and their links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from monai_sr import read_volume, write_volume
from monai_sr.data import phantom

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if python_blocks(p)], ids=lambda p: p.relative_to(REPOSITORY).as_posix()
)
def test_the_python_examples_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_volume(phantom.ellipsoids((32, 32, 8), (1.0, 1.0, 3.0), modality="MR"), "scan.nii.gz")
    names: dict[str, object] = {}
    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), names)
    if page.name == "README.md":
        assert "(1.0, 1.0, 3.0) -> (1.0, 1.0, 1.0)" in capsys.readouterr().out
        assert read_volume("scan_fine.nii.gz").geometry.shape == (32, 32, 24)
    else:
        assert "already isotropic" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_links_between_documents_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert os.path.exists(page.parent / target), f"{page.name} points to {target}"


def test_no_document_names_an_option_that_does_not_exist():
    import typer

    from monai_sr.cli.app import app

    words = set()
    for command in typer.main.get_command(app).commands.values():
        words |= {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
    words |= {"--help", "--version"}
    other = {"--config_file", "--dataset_dir", "--output_dir", "--init_weights"}  # of monai.bundle
    for page in (REPOSITORY / "README.md", REPOSITORY / "docs" / "how-to" / "upscale.md"):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z_-]+", page.read_text(encoding="utf-8")):
            assert option in words | other, f"{page.name} names {option}"
