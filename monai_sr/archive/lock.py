"""Two runs of the same share must not work side by side: each would take the other's tries for those of a dead one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from monai_sr.archive.job import JobRefused, Shard

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["only_run"]


@contextmanager
def only_run(folder: Path, shard: Shard) -> Iterator[None]:
    """Hold the locks of a share: of all series, and of this share among its kind. A process that dies lets go of them.

    Where the file system knows no locks there are none.

    Args:
        folder: where the lock files lie.
        shard: the share.

    Raises:
        JobRefused: if another run holds the share, or a share of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        everything = held.enter_context((folder / "all").open("a"))
        _lock(everything, shared=shard.count > 1)
        if shard.count > 1:
            own = held.enter_context((folder / f"{shard.index + 1}-of-{shard.count}").open("a"))
            _lock(own, shared=False)
        yield


def _lock(file: IO[str], *, shared: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JobRefused(
            f"another run is at work in this output folder ({os.path.basename(file.name).replace('-of-', '/')}); wait "
            "for it or stop it, or share the work with --shard"
        ) from None
    except OSError:  # some network file systems; what two runs finish at once is then kept, see Worker
        return
