"""Results for people: pictures, records and tables."""

from __future__ import annotations

from monai_sr.report.preview import RESEARCH_ONLY, display_window, write_preview
from monai_sr.report.run_record import plain, write_run_record
from monai_sr.report.summary import text_table

__all__ = ["RESEARCH_ONLY", "display_window", "plain", "text_table", "write_preview", "write_run_record"]
