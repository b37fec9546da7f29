from pathlib import Path

import pytest

from benchmarks.served import served
from pipeline.errors import UserError


@pytest.mark.slow
def test_a_server_that_does_not_begin(tmp_path: Path) -> None:
    log, told = (
        tmp_path / "logs" / "serve.log",
        r"--export: expected what `nmt serve` takes, received .*; read .*serve\.log",
    )
    with pytest.raises(UserError, match=told), served(tmp_path, log):
        pass
    assert "holds no <version>/saved_model.pb" in log.read_text()
