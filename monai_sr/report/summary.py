"""Rows of numbers as a table that people read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["text_table"]


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns padded to their widest entry; words to the left, numbers (two decimals for floats) to the right.

    Example:
        >>> print(text_table(["case", "PSNR / dB"], [["cubic", 31.218], ["model", 33.0]]))
        case   PSNR / dB
        cubic      31.22
        model      33.00
    """
    cells = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[k], int | float) and not isinstance(row[k], bool) for row in rows)
        for k in range(len(header))
    ]
    widths = [max(len(line[k]) for line in [list(header), *cells]) for k in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, numeric, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), *(line(row) for row in cells)])
