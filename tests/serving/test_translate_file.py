import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from serving.embedded.server import running
from serving.endpoint import Endpoint, open_model
from serving.translate_file import AT_ONCE, translate_file


class Broken(Exception):
    """The end of a job that a test wants."""


def upper(texts):
    return [text.upper() for text in texts]


def endpoint(translate=upper, name="model", **settings) -> Endpoint:
    return Endpoint(translate, settings, lambda: name)


def breaking_after(batches, seen=None):
    """An endpoint that breaks down after so many batches."""
    seen = [] if seen is None else seen

    def translate(texts):
        if len(seen) == batches:
            raise Broken
        seen.append(texts)
        return upper(texts)

    return endpoint(translate)


@pytest.fixture
def source(tmp_path):
    """A file of three batches and a bit."""
    path = tmp_path / "source"
    path.write_text("".join(f"line {i}\n" for i in range(3 * AT_ONCE + 5)))
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


@pytest.fixture
def broken(source, output):
    """What a job leaves that broke down after two batches."""
    with pytest.raises(Broken):
        translate_file(breaking_after(2), str(source), str(output))
    return output.with_name("output.partial")


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_as_many_lines_as_there_are(tmp_path, output, zipped, end):
    lines = [b"one", b"", b"dos\r", "a\u2028b\u0085c".encode(), b"bad\xff", b"break", b"lone\rreturn", b"last"]
    text = b"\n".join(lines) + end
    (tmp_path / "source").write_bytes(gzip.compress(text) if zipped else text)
    model = endpoint(lambda texts: [text.upper().replace("BREAK", "BR\nEAK") for text in texts])
    translate_file(model, str(tmp_path / "source"), str(output))
    expected = [
        b"ONE",
        b"",
        b"DOS",
        "A\u2028B\u0085C".encode(),
        "BAD\ufffd".encode(),
        b"BR EAK",
        b"LONE\rRETURN",
        b"LAST",
    ]
    assert output.read_bytes() == b"".join(line + b"\n" for line in expected)
    assert names(tmp_path) == {"source", "output"}


def test_an_empty_file(tmp_path, output):
    (tmp_path / "source").write_bytes(b"")
    translate_file(endpoint(), str(tmp_path / "source"), str(output))
    assert output.read_bytes() == b""


def test_what_is_there_until_the_end(broken, source, output, tmp_path):
    assert names(tmp_path) == {"source", "output.partial", "output.partial.json"}
    assert broken.read_text().splitlines() == [f"LINE {i}" for i in range(2 * AT_ONCE)]
    told = json.loads(output.with_name("output.partial.json").read_text())
    assert (told["lines"], told["model"], told["settings"]) == (3 * AT_ONCE + 5, "model", {})


@pytest.mark.parametrize("cut", [0, 1, 3, 15_000])
def test_it_goes_on_after_the_last_whole_line(broken, source, output, tmp_path, cut):
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) - cut])
    left = whole[: len(whole) - cut].count(b"\n")
    seen = []
    translate_file(breaking_after(9, seen), str(source), str(output))
    assert output.read_text() == source.read_text().upper()
    assert sum(map(len, seen)) == 3 * AT_ONCE + 5 - left
    # Batches end where they would have without a break.
    assert [len(batch) for batch in seen[-2:]] == [AT_ONCE, 5]
    assert names(tmp_path) == {"source", "output"}


def test_all_lines_were_there(broken, source, output):
    broken.write_text(source.read_text().upper())
    translate_file(breaking_after(0), str(source), str(output))
    assert output.read_text() == source.read_text().upper()


def test_another_input_model_or_settings_are_refused(broken, source, output):
    before = broken.read_bytes()
    text = source.read_text()
    told = r"the job that .*output\.partial\.json tells of, received another \("
    source.write_text(text.replace("line 7", "line 8", 1))
    with pytest.raises(
        UserError, match=rf"^--output: expected the input of {told}input: \w+ there, \w+ here\); .*--ov"
    ):
        translate_file(endpoint(), str(source), str(output))
    source.write_text(text + "more\n")
    with pytest.raises(UserError, match=rf"expected the input and lines of {told}.*lines: 3077 there, 3078 here"):
        translate_file(endpoint(), str(source), str(output))
    source.write_text(text)
    with pytest.raises(UserError, match=rf"the model of {told}model: model there, other here"):
        translate_file(endpoint(name="other"), str(source), str(output))
    with pytest.raises(UserError, match=rf"the settings of {told}settings: {{}} there, {{'beam_size': 2}} here"):
        translate_file(endpoint(beam_size=2), str(source), str(output))
    assert broken.read_bytes() == before
    output.with_name("output.partial.json").unlink()
    with pytest.raises(UserError, match=r"input: unknown there"):
        translate_file(endpoint(), str(source), str(output))


def test_overwrite_begins_anew_and_its_job_goes_on_without_it(broken, source, output, tmp_path):
    source.write_text("other\n" * (AT_ONCE + 1))
    output.write_text("old")
    with pytest.raises(Broken):
        translate_file(breaking_after(1), str(source), str(output), overwrite=True)
    seen = []
    translate_file(breaking_after(9, seen), str(source), str(output))
    assert output.read_text() == "OTHER\n" * (AT_ONCE + 1)
    assert seen == [["other"]]
    assert names(tmp_path) == {"source", "output"}


def test_what_is_there_is_not_overwritten_unasked(source, output, tmp_path):
    output.write_text("precious")
    with pytest.raises(UserError, match=r"^--output: expected a path where no file is, received .*--overwrite"):
        translate_file(endpoint(), str(source), str(output))
    for target in (source, tmp_path):
        with pytest.raises(UserError, match=rf"no file is, received '{target}'; choose another$"):
            translate_file(endpoint(), str(source), str(target), overwrite=True)
    assert output.read_text() == "precious" and source.read_text().startswith("line 0")


def test_two_jobs_at_one_output(source, output):
    def translate(texts):
        with pytest.raises(UserError, match=r"^--output: expected a file that nobody is writing, .*output\.partial'"):
            translate_file(endpoint(), str(source), str(output), overwrite=True)
        return upper(texts)

    translate_file(endpoint(translate), str(source), str(output))
    assert output.read_text() == source.read_text().upper()


def test_an_input_that_cannot_be_read(tmp_path, output):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"one two three\n" * 100)[:-9])
    for path in (cut, tmp_path / "missing"):
        with pytest.raises(UserError, match=rf"^--input: expected a readable .*received '{path}'"):
            translate_file(endpoint(), str(path), str(output))
    assert names(tmp_path) == {"cut.gz"}


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_bytes(small_export, source, tmp_path):
    """The command, killed within a job and started again, by a served model."""
    source.write_text("".join(f"line {i} {'x' * (i % 300)}\n" for i in range(30 * AT_ONCE)))
    output, partial = tmp_path / "output", tmp_path / "output.partial"
    with running(str(small_export)) as url:
        argv = [Path(sys.executable).with_name("nmt"), "translate", url, "--input", source, "--output", output]
        with subprocess.Popen(argv) as job:
            while not (partial.exists() and partial.stat().st_size):
                assert job.poll() is None
                time.sleep(0.005)
            job.send_signal(signal.SIGKILL)
        done = partial.read_bytes()
        assert not output.exists() and 0 < done.count(b"\n") < 30 * AT_ONCE
        translate_file(open_model(url), str(source), str(tmp_path / "whole"))
        subprocess.run(argv, check=True)
    assert output.read_bytes() == (tmp_path / "whole").read_bytes() == source.read_bytes().upper()
    assert output.read_bytes().startswith(done)


def test_a_run_is_known_by_its_weights(run, other_run, export):
    known = [open_model(str(model)).fingerprint() for model in (run, run, other_run, export)]
    together = open_model(str(run), ensemble=[str(other_run)]).fingerprint()
    assert known[0] == known[1]
    assert len({*known, together}) == 4
