r"""A file translated line by line, so that a job that is killed goes on where it was."""

import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.lines import read_lines, readable
from serving.endpoint import Endpoint

# Lines that are translated together, and then written.
AT_ONCE = 1024


@dataclasses.dataclass(frozen=True)
class Job:
    """What decides the lines of an output; a job goes on only with the same.

    Attributes:
        input: SHA-256 of the input file.
        lines: Its count of lines.
        model: The model's fingerprint.
        settings: Its settings of search.
    """

    input: str
    lines: int
    model: str
    settings: dict[str, Any]


def translate_file(model: Endpoint, source: str, output: str, overwrite: bool = False) -> None:
    """Translates the lines of a file to as many lines of another, which is there once it is whole.

    Until then the lines lie in `OUTPUT.partial`, and what they are of in `OUTPUT.partial.json`. If both are there, the
    job goes on after the last whole line.

    Args:
        model: Translates.
        source: File of texts, one a line, plain or gzip.
        output: File to be made, plain.
        overwrite: Begin anew, in place of the output or of the part of it that there is.

    Raises:
        UserError: The input cannot be read, the output exists, another process writes it, or what there is of it was
            made from another input, by another model or with other settings.
    """
    with readable("--input", source):
        job = Job(*_fingerprint_and_count(source), model.fingerprint(), model.decoding)
    partial, state = Path(f"{output}.partial"), Path(f"{output}.partial.json")
    _require_free(Path(output), source, overwrite)
    with _opened(partial) as file:
        if overwrite:
            # Away at once, so that a job that is killed goes on without the option.
            Path(output).unlink(missing_ok=True)
            file.truncate(0)
        if done := _whole_lines(file):
            _require_same(job, state)
        else:
            with write_beside(state) as path:
                path.write_text(json.dumps(dataclasses.asdict(job), indent=2) + "\n")
        _translate_rest(model, source, file, done, job.lines)
        os.fsync(file.fileno())
        partial.replace(output)
        state.unlink()


def _translate_rest(model: Endpoint, source: str, file: BinaryIO, done: int, total: int) -> None:
    lines = (line.decode(errors="replace") for line in itertools.islice(read_lines(source), done, None))
    with tqdm(total=total, initial=done, unit=" lines", disable=None) as progress:
        # The first time only to where a batch would have ended: the same texts translate together as without a break.
        while batch := list(itertools.islice(lines, AT_ONCE - done % AT_ONCE)):
            file.write(b"".join(to_line(translation) for translation in model(batch)))
            file.flush()
            done += len(batch)
            progress.update(len(batch))


def to_line(translation: str) -> bytes:
    r"""A translation as one line, `\n` included."""
    return translation.replace("\n", " ").encode() + b"\n"


def _fingerprint_and_count(source: str) -> tuple[str, int]:
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, sum(1 for _ in read_lines(source))


@contextlib.contextmanager
def _opened(partial: Path) -> Iterator[BinaryIO]:
    """Opens the file of a job to read it and to add to it, for this process alone.

    Raises:
        UserError: Another process is at it.
    """
    with partial.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--output: expected a file that nobody is writing, received {str(partial)!r}, which another process"
                " holds; wait for it, or choose another"
            ) from None
        yield file


def _whole_lines(file: BinaryIO) -> int:
    """Counts the whole lines of a file, and takes off what follows the last of them."""
    file.seek(0)
    lines = end = 0
    for line in file:
        if line.endswith(b"\n"):
            lines, end = lines + 1, end + len(line)
    file.truncate(end)
    return lines


def _require_free(output: Path, source: str, overwrite: bool) -> None:
    if output.exists() and not (overwrite and output.is_file() and not output.samefile(source)):
        remedy = "choose another" if overwrite else "choose another, or --overwrite to begin anew in its place"
        raise UserError(f"--output: expected a path where no file is, received {str(output)!r}; {remedy}")


def _require_same(job: Job, state: Path) -> None:
    """Refuses to go on with lines that were made from something else."""
    try:
        before = json.loads(state.read_text())
    except (OSError, ValueError):
        before = {}
    now = dataclasses.asdict(job)
    changed = [name for name, value in now.items() if before.get(name) != value]
    if changed:
        told = "; ".join(f"{name}: {before.get(name, 'unknown')} there, {now[name]} here" for name in changed)
        raise UserError(
            f"--output: expected the {' and '.join(changed)} of the job that {state} tells of, received another"
            f" ({told}); give the same, or --overwrite to begin anew"
        )
