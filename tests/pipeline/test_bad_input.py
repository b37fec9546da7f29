"""Bad input and bad luck: each is told in one line, and leaves nothing that could be taken for a data set.

Processes that are killed are the matter of `test_dead_processes.py`.
"""

import ctypes
import gzip
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import nmt
import pipeline
from pipeline.errors import UserError
from pipeline.schema import MANIFEST_FILE, Manifest

PROJECT = Path(pipeline.__file__).parents[1]
# Distinct pairs, enough for a vocabulary of 300 pieces.
PAIRS = [(f"the cat number {n} sat on the mat", f"die Katze Nummer {n} sass auf der Matte") for n in range(300)]
COMMON = ("--vocab-size", "300", "--valid-share", "0.1")
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


class Job:
    """A folder with two good files, and `nmt preprocess` in it."""

    def __init__(self, folder: Path):
        self.folder, self.output = folder, folder / "data"
        for side, name in enumerate(("en", "de")):
            self.write(name, [pair[side].encode() for pair in PAIRS])

    def write(self, name: str, lines: Sequence[bytes]) -> str:
        """Writes a file of lines and gives its path."""
        path = self.folder / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return str(path)

    def words(self, **files: str) -> list[str]:
        """The command line; `files` are the values of options, those of the good files by default."""
        files = files or {"source": str(self.folder / "en"), "target": str(self.folder / "de")}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in files.items()]
        return ["preprocess", *options, *COMMON, "--output", str(self.output)]

    def run(self, **files: str) -> Manifest:
        """Makes a data set."""
        nmt.run(self.words(**files))
        return Manifest.read_from(self.output)

    def refused(self, **files: str) -> str:
        """What a job says that is refused, having left nothing behind."""
        before = listing(self.folder)
        with pytest.raises(UserError) as refusal:
            nmt.run(self.words(**files))
        assert listing(self.folder) == before
        message = str(refusal.value)
        assert "\n" not in message
        return message

    def start(self, *options: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Runs the command as a process of its own; `settings` are those of `subprocess.run`."""
        command = [sys.executable, "-P", "-m", "nmt", *self.words(), *options]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **settings,  # type: ignore[call-overload]
        )

    def rejects(self) -> list[dict]:
        """The rejected pairs, as the data set tells them."""
        return [
            json.loads(line)
            for path in sorted(self.output.glob("rejected-*.jsonl.gz"))
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]


def listing(folder: Path) -> set[str]:
    """The files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_a_folder_in_place_of_a_file(job: Job) -> None:
    (job.folder / "folder").mkdir()
    message = job.refused(source=str(job.folder / "folder"), target=str(job.folder / "de"))
    assert message.startswith("--source") and f"'{job.folder}/folder'" in message


def test_a_missing_file(job: Job) -> None:
    message = job.refused(source=str(job.folder / "en"), target=str(job.folder / "gone"))
    assert "--target" in message and f"'{job.folder}/gone'" in message


def test_empty_files(job: Job) -> None:
    empty = job.write("empty", [])
    message = job.refused(source=empty, target=empty)
    assert "--source" in message and "received none" in message


def test_an_empty_file_beside_a_full_one(job: Job) -> None:
    message = job.refused(source=str(job.folder / "en"), target=job.write("empty", []))
    assert "300" in message and " 0" in message and f"'{job.folder}/empty'" in message


def test_unequal_counts(job: Job) -> None:
    longer = job.write("longer", [target.encode() for _, target in [*PAIRS, *PAIRS[:2]]])
    message = job.refused(source=str(job.folder / "en"), target=longer)
    assert "300" in message and "302" in message and f"'{longer}'" in message


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_gzip_file(job: Job, kept: float) -> None:
    whole = gzip.compress((job.folder / "de").read_bytes())
    path = job.folder / "de.gz"
    path.write_bytes(whole[: int(kept * len(whole))])
    message = job.refused(source=str(job.folder / "en"), target=str(path))
    assert "--target" in message and f"'{path}'" in message


@pytest.fixture(scope="module")
def two_bad_lines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, list[dict]]:
    """A data set of files of which line 4 is of 50 megabytes and line 8 no UTF-8, and its rejected pairs."""
    job = Job(tmp_path_factory.mktemp("bad_lines"))
    sources, targets = ([pair[side].encode() for pair in PAIRS] for side in (0, 1))
    sources[3], targets[7] = b"word " * 10_000_000, b"die Katze \xff\xfe"
    manifest = job.run(source=job.write("long", sources), target=job.write("bad", targets))
    # Of a rejected line its beginning is told.
    assert sum(path.stat().st_size for path in job.output.iterdir()) < 2e6
    return manifest, job.rejects()


def test_bad_lines_alone_are_lost(two_bad_lines: tuple[Manifest, list[dict]]) -> None:
    manifest, rejects = two_bad_lines
    assert {rule: count for rule, count in manifest.rejected.items() if count} == {"characters": 1, "invalid_utf8": 1}
    assert sum(split.records for split in manifest.splits.values()) == 298
    assert len(rejects) == 2


def test_one_line_that_is_no_utf8(two_bad_lines: tuple[Manifest, list[dict]]) -> None:
    [rejected] = [each for each in two_bad_lines[1] if each["rule"] == "invalid_utf8"]
    assert (rejected["line"], rejected["value"], rejected["target"]) == (8, None, "die Katze \\xff\\xfe")
    source, target = rejected["file"].split("|")
    assert (Path(source).name, Path(target).name) == ("long", "bad")


def test_a_line_of_50_megabytes(two_bad_lines: tuple[Manifest, list[dict]]) -> None:
    [rejected] = [each for each in two_bad_lines[1] if each["rule"] == "characters"]
    assert (rejected["line"], rejected["value"], rejected["threshold"]) == (4, 49_999_999, 1024)
    assert rejected["source"].startswith("word word ") and len(rejected["source"]) < 20_000


TMX = """<?xml version="1.0" encoding="utf-8"?>
<tmx version="1.4"><header srclang="en"/><body>
{}
"""


def test_a_tmx_file_that_breaks_off(job: Job) -> None:
    unit = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg>{}</seg></tuv></tu>'
    path = job.folder / "memory.tmx"
    path.write_text(TMX.format("\n".join(unit.format(*pair) for pair in PAIRS)))
    message = job.refused(pairs=str(path), source_field="en", target_field="de")
    assert "--pairs" in message and f"'{path}'" in message


def test_a_jsonl_line_without_the_field(job: Job) -> None:
    lines = [json.dumps({"source": source, "target": target}).encode() for source, target in PAIRS]
    lines[41] = b'{"source": "without a target"}'
    message = job.refused(pairs=job.write("pairs.jsonl", lines))
    assert "--pairs" in message and "'target'" in message and "42" in message


@pytest.mark.parametrize("line", [b'{"source": "without a target"}', b'{"source": "of a number", "target": 5}'])
def test_a_late_jsonl_line_without_the_field(job: Job, line: bytes) -> None:
    """One is told before the job begins, one in its midst; in both cases nothing is left, and mended it goes."""
    lines = [
        json.dumps({"source": f"{source} {word}", "target": f"{target} {word}"}).encode()
        for word in "abcde"
        for source, target in PAIRS
    ]
    message = job.refused(pairs=job.write("pairs.jsonl", [*lines, line, *lines[:3]]))
    assert "--pairs" in message and "'target'" in message and "line 1501 of " in message and "mend the line" in message
    mended = b'{"source": "of a number", "target": "von einer Zahl"}'
    manifest = job.run(pairs=job.write("pairs.jsonl", [*lines, mended, *lines[:3]]))
    assert manifest.read == 1504


def test_parquet_without_the_column(job: Job) -> None:
    path = job.folder / "pairs.parquet"
    table = pyarrow.table({"source": [source for source, _ in PAIRS], "other": [target for _, target in PAIRS]})
    pyarrow.parquet.write_table(table, path)
    message = job.refused(pairs=str(path))
    assert "--pairs" in message and "'target'" in message and "other" in message


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a job that could not go on."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("nmt: error: ")
    return last


def no_data_set(folder: Path) -> bool:
    return not list(folder.rglob(MANIFEST_FILE))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_write_that_fails(job: Job, workers: str) -> None:
    def small_files() -> None:
        # Stands for the disk: no file may become longer, and Python raises OSError.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    assert "File too large" in told(job.start("--workers", workers, preexec_fn=small_files))
    assert no_data_set(job.folder)


@pytest.mark.slow
def test_a_full_disk(job: Job) -> None:
    disk = job.folder / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=64k tmpfs {disk}"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    job.output = disk / "data"
    words = [sys.executable, "-P", "-m", "nmt", *job.words()]
    script = f'{mount} && "$@"; status=$?; find {disk} -mindepth 1 >&2; exit $status'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *words],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "No space left on device" in done.stderr and done.returncode == 2, done.stderr
    assert MANIFEST_FILE not in done.stderr


@pytest.mark.slow
def test_no_right_to_write(job: Job) -> None:
    closed = job.folder / "closed"
    closed.mkdir(mode=0o555)
    job.output = closed / "data"

    def give_up_rights() -> None:
        # An administrator may write everywhere.
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)

    assert f"Permission denied: '{closed}" in told(job.start(preexec_fn=give_up_rights))
    assert listing(closed) == set()
