"""Results for people: pictures, records and tables."""

from __future__ import annotations

from monai_sr.report.preview import RESEARCH_ONLY, display_window, write_preview
from monai_sr.report.results import derivation, in_words, output_format, write_results
from monai_sr.report.run_record import plain, write_run_record
from monai_sr.report.summary import text_table

__all__ = [
    "RESEARCH_ONLY",
    "derivation",
    "display_window",
    "in_words",
    "output_format",
    "plain",
    "text_table",
    "write_preview",
    "write_results",
    "write_run_record",
]
