import json

import pytest

from demo.analysis import by_length
from demo.corpus import write_corpus
from demo.job import run_demo
from nmt import main
from pipeline.errors import UserError
from pipeline.lines import read_lines
from serving.endpoint import open_model

SIZES = ("encoder_units", "decoder_units", "embedding_size", "attention_units", "readout_units")


@pytest.mark.slow
def test_the_demo_goes_the_whole_way(tmp_path, capfd):
    output = tmp_path / "demo"
    sizes = [f"--model.{name}=16" for name in SIZES]
    lengths = ["--decoding.max_length_factor=0.5", "--decoding.beam_size=2"]
    run_demo(str(output), pairs=800, overrides=["--training.epochs=1", "--batching.size=64", *sizes, *lengths])
    printed = capfd.readouterr().out
    assert "4 duplicate, 4 empty, 4 characters_ratio, 4 leaked" in printed
    manifest = json.loads((output / "data" / "manifest.json").read_text())
    assert manifest["splits"]["train"]["records"] == 800
    assert {reason: count for reason, count in manifest["rejected"].items() if count} == {
        "duplicate": 4,
        "empty": 4,
        "characters_ratio": 4,
        "leaked": 4,
    }
    assert (output / "export" / "1" / "saved_model.pb").exists()
    answer = next(line for line in printed.splitlines() if line.startswith('{"predictions"'))
    assert len(json.loads(answer)["predictions"]) == 3
    assert "word table" in printed and "25+" in printed and "synthetic" in printed


def test_the_demo_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="expected a new or empty folder"):
        run_demo(str(tmp_path))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_without_attention_long_sentences_are_at_least_20_bleu_worse(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", pairs=20_000).folder
    files = [f"--{option}={corpus / part}" for option, part in (("source", "train.en"), ("target", "train.de"))]
    files += [f"--valid-source={corpus / 'valid.en'}", f"--valid-target={corpus / 'valid.de'}"]
    files += ["--exclude", str(corpus / "test.en"), str(corpus / "test.de")]
    assert main(["preprocess", *files, "--vocab-size=2000", f"--output={tmp_path / 'data'}"]) == 0
    sources, references = (
        [line.decode() for line in read_lines(str(corpus / f"test.{side}"))] for side in ("en", "de")
    )
    bleu = {}
    for name, options in {
        "attention": [],
        "plain": ["--model.attention=none", "--model.encoder=unidirectional"],
    }.items():
        run = str(tmp_path / name)
        overrides = ["--training.epochs=2", "--decoding.beam_size=1", *options]
        assert main(["train", "demo", f"--data={tmp_path / 'data'}", f"--output={run}", *overrides]) == 0
        *_, longest = by_length(sources, references, open_model(run)(sources))
        assert longest.name == "25+"
        bleu[name] = longest.bleu
    assert bleu["plain"] + 20 <= bleu["attention"]
