"""Whether a job fits into the memory of this machine: an estimate before it starts."""

from pathlib import Path

import psutil

from pipeline.errors import UserError

GB = 10**9
# Where Linux tells the limit of a container and what is used of it: control groups of version 2 and of version 1.
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
# Above what `make bench-preprocess` measures: from 0.15 to 1.5 GB of text one process took 3.6 bytes for each further
# one, and two workers, to which the text goes from the process that shuffles it, 5.
_PER_BYTE, _PER_BYTE_OF_WORKERS = 5, 7
_PROCESS = GB // 2
# Of 1.2 million pairs of one word each, one process held 303 bytes for each that its shard had more (`--shards 1`, 8).
_ROW = 350
# Of each pair that is compared with others, for its bands and its sketch: of 100,000 and 200,000 pairs each took 742
# and 590 bytes in one process, 935 and 1,222 with two workers (`python -m benchmarks.preprocess_memory --pairs 100000
# --large 200000`). Few of these meet another one: where each had one that differs in a word of each side, it was 1,610
# and 3,265 bytes of 200,000 pairs.
_COMPARED_PAIR, _COMPARED_PAIR_OF_WORKERS = 800, 1500


def estimate(text_bytes: int, workers: int, compared: int = 0, rows: int = 0) -> int:
    """The most memory that a job on this machine takes, in bytes, as measured over corpora of several sizes.

    All pairs pass through the memory of one process, grouped by shard.

    Args:
        text_bytes: The corpus, both sides, as plain text, each copy counted.
        workers: Processes that share the work.
        compared: Pairs among which near duplicates are sought.
        rows: Pairs of a shard, which a process holds at once.
    """
    if workers == 1:
        return _PER_BYTE * text_bytes + _COMPARED_PAIR * compared + _ROW * rows + _PROCESS
    of_workers = _PROCESS * (workers + 1) + _ROW * rows * workers
    return _PER_BYTE_OF_WORKERS * text_bytes + _COMPARED_PAIR_OF_WORKERS * compared + of_workers


def free(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """The memory that this process may still take, in bytes: what the machine has, within its container's limit.

    Args:
        groups: Where the control groups are mounted.
    """
    return min([psutil.virtual_memory().available, *_left_in_groups(groups)])


def _left_in_groups(groups: Path) -> list[int]:
    left = []
    for limit, used, counts, reclaimable in _GROUPS:
        try:
            most = (groups / limit).read_text().strip()
            if most == "max":
                continue
            rows = dict(row.split() for row in (groups / counts).read_text().splitlines())
            # Cached files give way.
            left.append(int(most) - int((groups / used).read_text()) + int(rows.get(reclaimable, 0)))
        except (OSError, ValueError):
            continue
    return left


def require_memory(
    text_bytes: int, workers: int, allowed: float | None = None, compared: int = 0, rows: int = 0
) -> None:
    """Refuses a job on this machine that would run out of memory hours later.

    Args:
        text_bytes: The corpus, both sides, as plain text, each copy counted.
        workers: Processes that share the work.
        allowed: What it may take, in GB (10^9 bytes); what is free unless given.
        compared: Pairs among which near duplicates are sought.
        rows: Pairs of a shard, which a process holds at once.

    Raises:
        UserError: The estimate is above it.
    """
    needed = estimate(text_bytes, workers, compared, rows)
    most = free() if allowed is None else int(allowed * GB)
    if needed > most:
        raise UserError(
            f"--memory: expected {needed / GB:.1f} GB for {text_bytes / GB:.1f} GB of text and --workers {workers},"
            f" received {most / GB:.1f} GB; give fewer workers or less text, run on a cluster that shuffles on disk"
            " (-- --runner=FlinkRunner and others, see docs/clusters.md), or raise --memory if you know better"
        )
