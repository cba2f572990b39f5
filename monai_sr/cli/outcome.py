"""How a command ends, as shells and schedulers see it."""

from __future__ import annotations

import errno
from enum import IntEnum

__all__ = ["EnvironmentProblemError", "ExitCode", "is_environment_problem"]


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    USAGE = 2  # wrong command line or no such path; typer's own code for it
    CASES = 3  # a case failed or was refused; the others are written
    ENVIRONMENT = 4  # disk full, device absent, weights missing
    INTERRUPTED = 130


class EnvironmentProblemError(RuntimeError):
    """The machine, not the input, is at fault; no other case would fare better."""


_ENVIRONMENT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


def is_environment_problem(error: BaseException) -> bool:
    """Whether the next case would meet the same error: disk full or read-only, no file handles left."""
    return isinstance(error, EnvironmentProblemError) or (
        isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRORS
    )
