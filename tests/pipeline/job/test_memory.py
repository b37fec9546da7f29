import psutil
import pytest

from pipeline.errors import UserError
from pipeline.job.memory import GB, estimate, free, require_memory


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_more_text_and_more_workers_need_more():
    assert estimate(0, 1) == GB / 2
    assert estimate(GB, 1) == 5.5 * GB
    assert estimate(GB, 2) == 8.5 * GB
    assert estimate(GB, 4) == 9.5 * GB


def test_pairs_that_are_compared_need_more():
    # Thirteen bands of 8 bytes and a sketch of 60, several times.
    assert 164 < estimate(GB, 1, compared=1) - estimate(GB, 1) < 1000
    assert 2 * 164 < estimate(GB, 2, compared=1) - estimate(GB, 2) < 2000
    require_memory(GB, 1, allowed=10)
    with pytest.raises(UserError, match="--memory"):
        require_memory(GB, 1, allowed=10, compared=10**8)


def test_short_lines_in_few_shards_need_more():
    # As measured of 1.2 million pairs of 22.8 MB of text in one shard, and in eight.
    assert estimate(22_800_000, 1, rows=1_200_000) > 752_000_000
    assert estimate(22_800_000, 1, rows=150_000) > 434_000_000
    assert estimate(0, 3, rows=1000) - estimate(0, 3) == 3 * (estimate(0, 1, rows=1000) - estimate(0, 1))
    with pytest.raises(UserError, match="--memory"):
        require_memory(GB, 1, allowed=6, rows=10**7)


def test_free_is_what_the_machine_has(tmp_path):
    # Others take and give memory meanwhile.
    assert free(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.5)
    write(tmp_path, {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": "inactive_file 1\n"})
    assert free(tmp_path) > 1000


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 500\ninactive_file 200\n"}, 500),
        (
            {
                "memory/memory.limit_in_bytes": "1000\n",
                "memory/memory.usage_in_bytes": "300\n",
                "memory/memory.stat": "cache 7\ntotal_inactive_file 9\n",
            },
            709,
        ),
    ],
)
def test_a_container_has_its_own_limit_and_cached_files_give_way(tmp_path, files, left):
    write(tmp_path, files)
    assert free(tmp_path) == left


def test_a_job_that_does_not_fit_is_refused_with_its_figures():
    require_memory(GB, 2, allowed=estimate(GB, 2) / GB)
    with pytest.raises(UserError, match=r"--memory: expected \d+\.\d GB for 1.0 GB of text and --workers 2, received"):
        require_memory(GB, 2, allowed=(estimate(GB, 2) - GB / 10) / GB)
    with pytest.raises(UserError, match=r"received \d+\.\d GB; .*FlinkRunner"):
        require_memory(1000 * GB, 1)
