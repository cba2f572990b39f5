"""One HTML file that needs nothing else: templates of this room, filled and written whole or not at all."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import monai_sr
from monai_sr.io import atomic_path
from monai_sr.report.png import RESEARCH_ONLY
from monai_sr.report.web_images import DIFFERENCE_COLOURS

__all__ = ["write_page"]


@cache
def _environment() -> Environment:
    """Everything is escaped but what this package itself drew; a name that is missing is an error, not a gap."""
    return Environment(
        loader=PackageLoader("monai_sr.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(template: str, path: Path, *, overwrite: bool = False, **values: Any) -> Path:
    """Fill a template and write it.

    Args:
        template: file name below ``report/templates``.
        path: HTML file.
        overwrite: whether an existing file may be replaced.
        values: for the template.
    """
    text = (
        _environment()
        .get_template(template)
        .render(
            version=monai_sr.__version__, research_only=RESEARCH_ONLY, difference_colours=DIFFERENCE_COLOURS, **values
        )
    )
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
