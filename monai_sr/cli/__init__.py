"""The command line: parse, call, print. Nothing here knows how a volume is upscaled."""

from __future__ import annotations

from monai_sr.cli.app import app, main

__all__ = ["app", "main"]
