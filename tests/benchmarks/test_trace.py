from pathlib import Path

import pytest

from benchmarks.trace import read_waits
from pipeline.errors import UserError

MILLISECOND = 10**9


def write_trace(folder: Path, events: list[tuple[str, int, int]]) -> None:
    """A trace of one thread: the name of each event, its begin and its duration, in milliseconds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    plane = space.planes.add(name="/host:CPU")
    line = plane.lines.add(timestamp_ns=10**15)
    for number, (name, begin, duration) in enumerate(events):
        plane.event_metadata[number].name = name
        line.events.add(metadata_id=number, offset_ps=begin * MILLISECOND, duration_ps=duration * MILLISECOND)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "host.xplane.pb").write_bytes(space.SerializeToString())


def test_waits_and_steps(tmp_path: Path) -> None:
    wait, step = "IteratorGetNextOp::DoCompute", "train_step"
    write_trace(
        tmp_path, [(wait, 0, 2), (step, 2, 90), (wait, 100, 4), (step, 104, 90), (wait, 220, 1), ("end", 900, 9)]
    )
    waits, seconds = read_waits(tmp_path)
    assert waits == pytest.approx([0.002, 0.004, 0.001])
    assert seconds == pytest.approx(0.110, rel=1e-4)


def test_no_trace(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--work: expected a trace of two batches or more in .*, received 0"):
        read_waits(tmp_path)
