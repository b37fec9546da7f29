from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[[str, Sequence[str | bytes]], str]:
    def write(name: str, lines: Sequence[str | bytes]) -> str:
        path = tmp_path / name
        path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
        return str(path)

    return write
