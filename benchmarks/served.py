"""`nmt serve` in a process of its own."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import ROOT, environment, module
from pipeline.errors import UserError


@contextlib.contextmanager
def served(export: str | Path, log: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serves an export while the block runs.

    Args:
        export: Its folder.
        log: File to which the server's stderr is added.
        options: More of the command's.

    Yields:
        The process, and the model's URL.

    Raises:
        UserError: It did not begin to serve.
    """
    command = module("nmt", "serve", Path(export).resolve(), "--port", 0, *options)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "a") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as server,
    ):
        try:
            assert server.stdout
            told = server.stdout.readline().split()
            if not told:
                server.wait()
                *_, last = ["nothing", *log.read_text().splitlines()]
                raise UserError(
                    f"--export: expected what `nmt serve` takes, received {str(export)!r} ({last}); read {log}"
                )
            yield server, told[1]
        finally:
            server.terminate()
