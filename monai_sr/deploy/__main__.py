"""``python -m monai_sr.deploy -i STUDY -o OUT [-m MODEL]``. Research only, not for diagnosis."""

from __future__ import annotations

import sys

from monai_sr.catalogue import ModelError
from monai_sr.deploy.app import SuperResolutionApp
from monai_sr.inference import DeviceError
from monai_sr.io import InputError

__all__ = ["main"]


def main() -> int:
    """Run the application.

    Returns:
        0 if a series or file was written, whatever was refused beside it, since a study holds localizers and more; 3 if
        none was; 4 if the model or the device is at fault.
    """
    app = SuperResolutionApp()
    try:
        app.run()
    except InputError as error:
        for sentence in dict.fromkeys([*app.refused, str(error)]):
            print(f"refused: {sentence}", file=sys.stderr)
        return 3
    except (ModelError, DeviceError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 4
    for folder in app.written:
        print(f"wrote {folder}")
    for sentence in app.refused:
        print(f"refused: {sentence}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
