"""``python -m monai_sr.deploy -i STUDY -o OUT [-m MODEL]``. Research only, not for diagnosis."""

from __future__ import annotations

from monai_sr.cli.deploying import app

__all__ = ["main"]


def main() -> None:
    """Run the application on the words of the command line, and exit with its code."""
    app(prog_name="python -m monai_sr.deploy")


if __name__ == "__main__":
    main()
