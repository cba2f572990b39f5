"""Results for people: pictures, records and tables."""

from __future__ import annotations

from monai_sr.report.comparison_report import write_comparison_report
from monai_sr.report.comparison_text import comparison_tables_text
from monai_sr.report.pictures import picture_place, save_picture
from monai_sr.report.png import RESEARCH_ONLY
from monai_sr.report.preview import display_window, write_preview
from monai_sr.report.results import derivation, in_words, output_format, write_results
from monai_sr.report.run_record import plain, write_run_record
from monai_sr.report.summary import text_table
from monai_sr.report.system_facts import SystemFacts, SystemKind

__all__ = [
    "RESEARCH_ONLY",
    "SystemFacts",
    "SystemKind",
    "comparison_tables_text",
    "derivation",
    "display_window",
    "in_words",
    "output_format",
    "picture_place",
    "plain",
    "save_picture",
    "text_table",
    "write_comparison_report",
    "write_preview",
    "write_results",
    "write_run_record",
]
