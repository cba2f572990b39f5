"""What went wrong with a case, in one sentence, and whether the next case would fare better."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

__all__ = ["EnvironmentProblemError", "failure_in_words", "is_environment_problem"]


class EnvironmentProblemError(RuntimeError):
    """The machine, not the input, is at fault; no other case would fare better."""


_ENVIRONMENT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


def is_environment_problem(error: BaseException) -> bool:
    """Whether the next case would meet the same error: disk full or read-only, no file handles left."""
    return isinstance(error, EnvironmentProblemError) or (
        isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRORS
    )


def failure_in_words(error: Exception) -> str:
    """One sentence. What a library says may quote a header, so only its kind and place are shown."""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        return "not enough memory; close other programs, give a smaller --tile, or use --device cpu"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}; nothing was written for this case"
    if is_environment_problem(error):
        return str(error)
    own = [f for f in traceback.extract_tb(error.__traceback__) if "monai_sr" in f.filename]
    place = f" in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    return f"internal error ({kind}{place}); please report it, --debug shows more"
