"""Examples in the docstrings of rooms that need an extra are collected only where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = {"monai_sr/archive": ("ray", "pyarrow"), "monai_sr/deploy": ("holoscan",)}
collect_ignore = [room for room, packages in NEEDED.items() if not all(map(find_spec, packages))]
