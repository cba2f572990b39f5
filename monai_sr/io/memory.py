"""Memory that this process can still get."""

from __future__ import annotations

from pathlib import Path

import psutil

__all__ = ["free_memory"]

# of a container (Docker, Kubernetes, SLURM): limit and use, cgroup versions 2 and 1
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


def free_memory() -> int:
    """Bytes that are free without swapping, on the machine and within the limit of a container."""
    free = int(psutil.virtual_memory().available)
    for limit, used, statistics, cache in _CGROUPS:
        try:
            allowed = Path(limit).read_text().strip()
            taken = int(Path(used).read_text())
            lines = Path(statistics).read_text().splitlines()
        except (OSError, ValueError):
            continue
        reclaimable = sum(int(line.split()[1]) for line in lines if line.split()[:1] == [cache])
        if allowed.isdigit():  # "max" is no limit
            free = min(free, int(allowed) - taken + reclaimable)
    return max(free, 0)
