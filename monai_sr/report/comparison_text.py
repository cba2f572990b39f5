"""The tables of a comparison as Markdown, for a document or a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_sr.report.comparison import Comparison
from monai_sr.report.comparison_tables import Table, discriminator_table, overview, system_table, task_table
from monai_sr.report.system_facts import SystemFacts

__all__ = ["comparison_tables_text"]


def comparison_tables_text(
    rows: Sequence[Mapping[str, Any]], systems: Sequence[SystemFacts], facts: Mapping[str, str]
) -> str:
    """Facts, the gain over cubic of every method and task, the systems, one table per task, the discriminators.

    Args:
        rows: of the evaluation.
        systems: in the order in which they appear.
        facts: name and value of what holds for all rows.
    """
    comparison = Comparison(rows, systems)
    parts = ["\n".join(f"- **{name}**: {value}" for name, value in facts.items())]
    tables = [overview(comparison), system_table(systems), *(task_table(comparison, t) for t in comparison.tasks)]
    if any(system.discriminator for system in systems):
        tables.append(discriminator_table(systems))
    return "\n\n".join([*parts, *(_markdown(table) for table in tables)])


def _markdown(table: Table) -> str:
    heads = ["method", *(title for title, _ in table.heads)]
    lines = [f"**{table.caption}**", "", _line(heads), "|" + "---|" * len(heads)]
    for line in table.lines:
        cells = [f"{cell.text} {cell.small}".strip() for cell in line.cells]
        if line.reason:
            note = f"{line.label} ({line.reason})" if cells else line.label
            cells = cells or [line.reason]
            lines.append(_line([note, *cells, *[""] * (len(table.heads) - len(cells))]))
        else:
            lines.append(_line([line.label, *cells, *[""] * (len(table.heads) - len(cells))]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
