"""How a command ends, as shells and schedulers see it."""

from __future__ import annotations

from enum import IntEnum

from monai_sr.casework import EnvironmentProblemError, is_environment_problem

__all__ = ["EnvironmentProblemError", "ExitCode", "is_environment_problem"]


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    USAGE = 2  # wrong command line or no such path; typer's own code for it
    CASES = 3  # a case failed or was refused; the others are written
    ENVIRONMENT = 4  # disk full, device absent, weights missing
    INTERRUPTED = 130
