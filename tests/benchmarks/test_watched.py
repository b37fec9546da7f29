import os
import sys
from pathlib import Path

import pytest

from benchmarks.watched import memory, watch
from pipeline.errors import UserError

HOLD = "held = bytearray(80_000_000); held[::4096] = b'x' * len(held[::4096]); import time; time.sleep(1)"


def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    alone = watch([sys.executable, "-c", HOLD], tmp_path / "log")
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}], check=True)"
    assert alone.seconds > 1 and 80 < alone.peak_megabytes < 120
    assert 80 < watch([sys.executable, "-c", child], tmp_path / "log").peak_megabytes < 140


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert memory(os.getpid()) > 1e6
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", ""])
    os.waitpid(process, 0)
    assert memory(process) == 0


def test_a_process_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"received 3; read .*log"):
        watch([sys.executable, "-c", "print('words'); raise SystemExit(3)"], tmp_path / "logs" / "log")
    assert (tmp_path / "logs" / "log").read_text() == "words\n"
