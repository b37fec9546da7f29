"""The whole way in little, by the command alone: text files to a data set, a run, an export, and a server."""

import dataclasses
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nmt
from demo.corpus import draw_pairs
from pipeline.schema import Manifest
from serving.evaluate import score

COMMAND = Path(sys.executable).with_name("nmt")
LINES = [
    b"The cook sees the dog.",
    b"",
    b"a\r",
    "one\u2028two\u0085three \U0001f600".encode(),
    b"lone\rreturn",
    b"nul\0byte",
    b"bad\xff\xfe\xc3bytes",
    b"The dog sleeps. " * 200,
    b"   ",
    b"the same",
    b"the same",
] * 7

pytestmark = pytest.mark.slow


@dataclasses.dataclass(frozen=True)
class Whole:
    """What the verbs have left, and said."""

    folder: Path
    test_source: Path
    test_target: Path
    report: str
    run: str
    other: str
    export: str
    version: str


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Preprocesses, trains and exports, each by a process of the command; another run is trained in this one."""
    folder = tmp_path_factory.mktemp("whole")
    for name, pairs in zip(("train", "valid", "test"), draw_pairs(1, 300, 20, 20), strict=True):
        (folder / f"{name}.en").write_text("".join(f"{pair.english}\n" for pair in pairs))
        (folder / f"{name}.de").write_text("".join(f"{pair.german}\n" for pair in pairs))

    def command(argv: str) -> str:
        done = subprocess.run([COMMAND, *argv.split()], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    report = command(
        "preprocess --source train.en --target train.de --valid-source valid.en --valid-target valid.de --output data"
        " --vocab-size 600 --exclude test.en test.de"
    )
    sizes = (
        "--model.encoder_units 16 --model.decoder_units 16 --model.embedding_size 12 --model.readout_units 12"
        " --batching.size 32"
    )
    command(
        f"train attention --data data --output run --training.epochs 3 --training.keep 2 {sizes}"
        " --model.attention_units 8 --decoding.beam_size 2 --training.learning_rate 0.02"
        " --decoding.max_length_factor 1"
    )
    version = command("export run --output export --signatures serving_default decode").strip()
    folders = f"{folder}/run", f"{folder}/other", f"{folder}/export"
    options = f"--data {folder}/data --output {folder}/other --training.epochs 1 --training.learning_rate 0.02 {sizes}"
    assert nmt.main(["train", "plain", *options.split()]) == 0
    return Whole(folder, folder / "test.en", folder / "test.de", report, *folders, version)


Translate = Callable[..., list[bytes]]


@pytest.fixture
def translate(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Translate:
    """`nmt translate` on lines, in this process."""

    def translate(*argv: str, lines: list[bytes]) -> list[bytes]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"".join(line + b"\n" for line in lines))))
        capfdbinary.readouterr()
        assert nmt.main(["translate", *argv]) == 0
        printed = capfdbinary.readouterr().out
        assert printed.endswith(b"\n")
        return printed.removesuffix(b"\n").split(b"\n")

    return translate


@pytest.fixture(scope="module")
def url(whole: Whole) -> Iterator[str]:
    """The URL that `nmt serve` prints."""
    argv = [COMMAND, "serve", whole.export, "--port", "0", "--model-name", "little"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            line = server.stdout.readline()
            assert line.startswith("Serving http://127.0.0.1:") and line.endswith("/v1/models/little\n")
            yield line.split()[1]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0


def test_each_stage_leaves_what_the_next_one_reads(whole: Whole) -> None:
    manifest = Manifest.read_from(whole.folder / "data")
    assert manifest.splits["train"].records + sum(manifest.rejected.values()) == 300
    assert manifest.splits["valid"].records == 20
    assert whole.report.splitlines()[1].split()[:2] == ["read", "320"]
    rows = [json.loads(line) for line in (Path(whole.run) / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] < 7
    config = json.loads((Path(whole.run) / "config.json").read_text())["recipe"]
    assert (config["model"]["encoder_units"], config["model"]["attention"]) == (16, "additive")
    assert Path(whole.folder, whole.version) == Path(whole.export, "1")
    assert (Path(whole.export) / "1" / "saved_model.pb").exists()


def test_run_export_and_server_translate_hostile_lines_alike(whole: Whole, url: str, translate: Translate) -> None:
    expected = translate(whole.run, lines=LINES)
    assert len(expected) == len(LINES) == 77
    assert expected[:11] * 7 == expected
    assert expected[1] == expected[8] == b"" and expected[9] == expected[10]
    assert expected[0] and expected[7].count(b" ") > expected[0].count(b" ")
    assert b"".join(expected).decode()
    assert translate(whole.export, lines=LINES) == expected
    assert translate(url, lines=LINES) == expected
    assert translate(whole.run, lines=LINES[:1]) == expected[:1]


def test_translate_as_a_process(whole: Whole, url: str, translate: Translate) -> None:
    done = subprocess.run([COMMAND, "translate", whole.export], input=b"one two", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == translate(url, lines=[b"one two"])[0] + b"\n"
    assert b"Traceback" not in done.stderr


def test_evaluate(whole: Whole, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--source", str(whole.test_source), "--target", str(whole.test_target), "--json"]
    told = {}
    for model in (whole.run, whole.export, url):
        assert nmt.main(["evaluate", model, *files]) == 0
        told[model] = json.loads(capsys.readouterr().out)
    found = told[whole.run]
    assert found.keys() == {"bleu", "bleu_signature", "chrf", "chrf_signature", "sentences", "seconds", "decoding"}
    assert found["sentences"] == 20 and 0 < found["chrf"] < 100
    assert found["decoding"]["beam_size"] == 2
    for other in told.values():
        assert [other[name] for name in ("bleu", "chrf", "sentences")] == [
            found[name] for name in ("bleu", "chrf", "sentences")
        ]
    assert nmt.main(["evaluate", whole.run, *files, "--beam-size", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["decoding"]["beam_size"] == 1


def test_an_ensemble_as_runs_and_as_one_export(
    whole: Whole, url: str, translate: Translate, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    together, export = ["--ensemble", whole.other, whole.run], str(tmp_path / "export")
    assert nmt.main(["export", whole.run, "--output", export, "--signatures", "nbest", *together]) == 0
    card = json.loads((tmp_path / "export" / "1" / "export.json").read_text())
    assert [card["run"], *(member["run"] for member in card["ensemble"])] == [whole.run, whole.other, whole.run]
    sources, references = (path.read_bytes().splitlines() for path in (whole.test_source, whole.test_target))
    found = translate(export, lines=[*LINES[:11], *sources])
    assert found[:11] == translate(whole.run, *together, lines=LINES[:11])
    assert found[11:] != translate(url, lines=sources), "the others had no say"
    files = ["--source", str(whole.test_source), "--target", str(whole.test_target), "--json"]
    assert nmt.main(["evaluate", whole.run, *together, *files]) == 0
    chrf = score([line.decode() for line in found[11:]], [line.decode() for line in references], 0, {}).chrf
    assert json.loads(capfdbinary.readouterr().out)["chrf"] == chrf
    assert nmt.main(["translate", export, *together]) == 2
    assert b"--ensemble: expected none, as MODEL is an export, received" in capfdbinary.readouterr().err


def test_the_mean_of_epochs_is_a_run(
    whole: Whole, url: str, translate: Translate, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    best, last = str(tmp_path / "best"), str(tmp_path / "last")
    assert nmt.main(["average", whole.run, "--output", best, "--by", "best", "--count", "1"]) == 0
    assert translate(best, lines=LINES[:11]) == translate(url, lines=LINES[:11])
    assert nmt.main(["average", whole.run, "--output", last]) == 0
    assert capfdbinary.readouterr().out == f"{last}: mean of epochs 2, 3\n".encode()
    assert nmt.main(["inspect", last, "--text", "The cook sees the dog.", "--output", str(tmp_path / "page.html")]) == 0
    assert nmt.main(["export", last, "--output", str(tmp_path / "export"), "--signatures", "serving_default"]) == 0
    capfdbinary.readouterr()
    assert translate(str(tmp_path / "export"), lines=LINES[:11]) == translate(last, lines=LINES[:11])
    assert nmt.main(["average", whole.run, "--output", last]) == 2
    assert b"--output: expected a new folder" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("model", "argv", "text", "message"),
    [
        (
            "export",
            ["--beam-size", "11"],
            b"one\n",
            "--beam-size: expected at most 10, as MODEL is an export made for that, received 11",
        ),
        ("run", [], b"a " * 100_001, "text: expected at most 100000 pieces, received more; divide the text"),
        ("export", [], b"a " * 100_001, "text: expected at most 100000 pieces, received more; divide the text"),
    ],
    ids=["a wide beam", "a run and a long text", "an export and a long text"],
)
def test_a_mistake_is_one_line(
    whole: Whole,
    model: str,
    argv: list[str],
    text: bytes,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert nmt.main(["translate", getattr(whole, model), *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = [line for line in printed.err.splitlines() if line.startswith("nmt: error: ")]
    assert message in line and printed.err.endswith(f"{line}\n")
