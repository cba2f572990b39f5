"""Examples in the docstrings of rooms that need an extra are collected only where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("ray") and find_spec("pyarrow") else ["monai_sr/archive"]
