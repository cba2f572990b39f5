"""Libraries say nothing: what they say may hold patient data."""

from __future__ import annotations

import logging
import warnings

__all__ = ["silence_libraries"]


def silence_libraries() -> None:
    """Keep warnings and logs of libraries off the screen: they may quote header values, so possibly patient data.

    What the user must know comes as an event.
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
