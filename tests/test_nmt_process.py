"""The command as a process: exit status, and lines in, lines out."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nmt

COMMAND = Path(sys.executable).with_name("nmt")

pytestmark = pytest.mark.slow


def run(*argv: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([COMMAND, *argv], input=text, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("preprocess --source {0}/one --target {0}/two --output {0}/data", "2"),
        ("train plain --data {0}/none --output {0}/run", "manifest.json"),
        ("translate {0}/none", "none"),
        ("preprocess --source {0}/one --target {0}/one --output {0}/one/data", "Not a directory: '{0}/one/data.work'"),
    ],
)
def test_a_mistake_that_a_stage_finds_is_one_line(argv: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a\n")
    (tmp_path / "two").write_text("a\nb\n")
    done = run(*argv.format(tmp_path).split())
    assert done.returncode == 2
    assert done.stdout == b""
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("nmt: error: ") and message.format(tmp_path) in last
    assert b"Traceback" not in done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a served model that writes ASCII letters large, and `|` as a line break."""
    import tensorflow as tf

    class Upper(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"translation": tf.strings.regex_replace(tf.strings.upper(text), r"\|", "\n")}

    export = tmp_path_factory.mktemp("served")
    model = Upper()
    tf.saved_model.save(model, str(export / "1"), signatures={"serving_default": model.translate})
    argv = [COMMAND, "serve", export, "--port", "0", "--no-grpc", "--model-name", "upper"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            line = server.stdout.readline()
            assert line.startswith("Serving http://127.0.0.1:") and line.endswith("/v1/models/upper\n")
            yield line.split()[1]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
            assert server.stdout and server.stdout.read() == ""


HOSTILE = [
    (b"abc", b"ABC"),
    (b"", b""),
    (b"two  spaces ", b"TWO  SPACES "),
    ("a\u2028b\u0085c\x0bd".encode(), "A\u2028B\u0085C\x0bD".encode()),
    (b"lone\rreturn", b"LONE\rRETURN"),
    (b"dos\r", b"DOS"),
    (b"nul\0byte", b"NUL\0BYTE"),
    (b"bad\xff\xfebyte", "BAD\ufffd\ufffdBYTE".encode()),
    ("\U0001f600 e\u0301".encode(), "\U0001f600 E\u0301".encode()),
    (b"one|two", b"ONE TWO"),
    (b"word " * 10_000, b"WORD " * 10_000),
    (b"", b""),
]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_translate_keeps_hostile_lines_apart_and_in_order(served: str, end: bytes) -> None:
    numbered = [(b"%d %s" % (i, line), b"%d %s" % (i, large)) for i, (line, large) in enumerate(HOSTILE * 20)]
    pairs = HOSTILE + numbered + [(b"last", b"LAST")]
    done = run("translate", served, text=b"\n".join(line for line, _ in pairs) + end)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split(b"\n") == [large for _, large in pairs] + [b""]
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", b""), (b"\n", b"\n"), (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", b"A\n\xef\xbb\xbfB\n"), (b"\n\n", b"\n\n")],
)
def test_translate_gives_as_many_lines_as_it_gets(served: str, text: bytes, expected: bytes) -> None:
    assert run("translate", served, text=text).stdout == expected


@pytest.fixture
def translating(served: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `nmt translate` that has answered its first lines and waits for more."""
    lines = b"a\n" * nmt.LINES_AT_ONCE
    pipe = subprocess.PIPE

    def heed_interrupts() -> None:
        # A test run in a shell's background ignores them, and its children would, too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        [COMMAND, "translate", served], stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=heed_interrupts
    ) as process:
        try:
            assert process.stdin and process.stdout
            process.stdin.write(lines)
            process.stdin.flush()
            answer = b""
            while len(answer) < len(lines):
                assert select.select([process.stdout], [], [], 60)[0], "no answer before the end of the input"
                some = os.read(process.stdout.fileno(), len(lines))
                assert some, process.stderr and process.stderr.read().decode()
                answer += some
            assert answer == lines.upper()
            yield process
        finally:
            process.kill()


def test_translate_ends_quietly_on_an_interrupt(translating: subprocess.Popen[bytes]) -> None:
    translating.send_signal(signal.SIGINT)
    _, errors = translating.communicate(timeout=60)
    assert (translating.returncode, errors) == (130, b"")


def test_translate_ends_quietly_when_its_reader_is_gone(translating: subprocess.Popen[bytes]) -> None:
    assert translating.stdin and translating.stdout and translating.stderr
    translating.stdout.close()
    translating.stdin.write(b"b\n" * nmt.LINES_AT_ONCE)
    translating.stdin.close()
    assert translating.wait(60) == 141
    assert translating.stderr.read() == b""


def test_evaluate_prints_scores_for_people_and_for_programs(served: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("one two three four five\nsix seven eight nine ten\n")
    target.write_text("ONE TWO THREE FOUR FIVE\nSIX SEVEN EIGHT NINE TEN\n")
    argv = ["evaluate", served, "--source", str(source), "--target", str(target)]
    told = json.loads(run(*argv, "--json").stdout)
    assert (told["bleu"], told["chrf"], told["sentences"]) == (pytest.approx(100), pytest.approx(100), 2)
    printed = run(*argv).stdout.decode()
    assert f"BLEU 100.00  {told['bleu_signature']}\n" in printed
    assert f"chrF 100.00  {told['chrf_signature']}\n" in printed
    assert "2 sentences in " in printed
