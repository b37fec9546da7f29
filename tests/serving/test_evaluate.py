import dataclasses
import gzip
import subprocess
import sys

import pytest
import sacrebleu

from pipeline.errors import UserError
from serving.endpoint import open_model
from serving.evaluate import SENTENCES_AT_ONCE, Evaluation, evaluate, score


@pytest.fixture
def write(tmp_path):
    def write(name, lines):
        path = tmp_path / name
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        return str(path)

    return write


def test_scores_worked_out_by_hand():
    found = score(["a b c d e"], ["a b c d f"], 1.5, {"beam_size": 2})
    # 4 of 5 words, 3 of 4 pairs, 2 of 3 triples and 1 of 2 quadruples are right: the fourth root of 1/5.
    assert found.bleu == pytest.approx(100 * 0.2**0.25)
    # The same of characters, and none of the one run of five; precision equals recall, so that beta has no part.
    assert found.chrf == pytest.approx(100 * (4 / 5 + 3 / 4 + 2 / 3 + 1 / 2 + 0) / 5)
    assert (found.sentences, found.seconds, found.decoding) == (1, 1.5, {"beam_size": 2})


def test_bleu_is_of_the_corpus_cased_and_detokenized():
    # Of two lines together: 7 of 8 words, 5 of 6 pairs, 3 of 4 triples, 1 of 2 quadruples; "Two" is not "two", and the
    # full stop is a word of its own.
    found = score(["one two three.", "Two red blue."], ["one two three.", "two red blue."], 0, {})
    assert found.bleu == pytest.approx(100 * (7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25)
    # The second line is too short by half: e ** (1 - 8 / 6) for six words where eight are wanted.
    found = score(["a b c d", "a b"], ["a b c d", "a b c d"], 0, {})
    assert found.bleu == pytest.approx(100 * 2.718281828 ** (1 - 8 / 6))


def test_scores_are_those_of_the_sacrebleu_command(write):
    hypotheses = ["The cat sat on the mat.", "It is raining, isn't it?", "", "grüne Äpfel und 3,5 Birnen kosten viel"]
    references = [
        "The cat is on the mat.",
        "It's raining, isn't it?",
        "Nothing",
        "grüne Äpfel und 3,5 Birnen kosten 2 €",
    ]
    found = score(hypotheses, references, 0, {})
    files = write("hypotheses", hypotheses), write("references", references)
    argv = [sys.executable, "-m", "sacrebleu", files[1], "-i", files[0], "-b", "-w", "6", "-m"]
    for metric, value in (("bleu", found.bleu), ("chrf", found.chrf)):
        done = subprocess.run([*argv, metric], capture_output=True, text=True, check=True)
        assert float(done.stdout) == pytest.approx(value, abs=1e-5)
    assert found.bleu_signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert found.chrf_signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{sacrebleu.__version__}"


def test_a_model_is_evaluated(run, write, sentences):
    sources = [*sentences[:20], "one\u2028two", ""]
    expected = open_model(str(run))(sources)
    # Every other reference is what the model says, so that neither all nor nothing is right.
    references = [line if i % 2 else "eins und zwei" for i, line in enumerate(expected)]
    found = evaluate(str(run), write("source", sources), write("target", references))
    assert found.bleu == pytest.approx(sacrebleu.corpus_bleu(expected, [references]).score)
    assert found.chrf == pytest.approx(sacrebleu.corpus_chrf(expected, [references]).score)
    assert 1 < found.bleu < 99
    assert found.sentences == 22 and found.seconds > 0
    assert found.decoding == open_model(str(run)).decoding
    assert [field.name for field in dataclasses.fields(Evaluation)] == [
        "bleu", "bleu_signature", "chrf", "chrf_signature", "sentences", "seconds", "decoding"
    ]  # fmt: skip


def test_many_sentences_of_a_server_in_order(url, sentences, tmp_path):
    sources = (sentences * 3)[: SENTENCES_AT_ONCE + 1]
    for name, lines in (("source.gz", sources), ("target.gz", open_model(url)(sources))):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.writelines(f"{line}\r\n" for line in lines)
    found = evaluate(url, str(tmp_path / "source.gz"), str(tmp_path / "target.gz"))
    assert (found.bleu, found.chrf) == (pytest.approx(100), pytest.approx(100))
    assert found.sentences == 513 and found.decoding == {"url": url}


def test_another_beam_size(run, write):
    source, target = write("source", ["one two", "red"]), write("target", ["eins zwei", "rot"])
    assert evaluate(str(run), source, target, beam_size=1).decoding["beam_size"] == 1


def test_files_that_do_not_belong_together(write):
    source, target = write("source", ["one", "two", "three"]), write("target", ["eins", "zwei"])
    with pytest.raises(UserError, match=rf"^--source, --target: .* received '{source}' with 3 and '{target}' with 2;"):
        evaluate("no-model", source, target)


def test_files_that_cannot_be_read(write, tmp_path):
    good, missing = write("good", ["one"]), str(tmp_path / "missing")
    with pytest.raises(UserError, match=rf"^--source: expected a readable .*received '{missing}'"):
        evaluate("no-model", missing, good)
    with pytest.raises(UserError, match=rf"^--target: expected a readable .*received '{tmp_path}'"):
        evaluate("no-model", good, str(tmp_path))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"one two three\n" * 100)[:-9])
    with pytest.raises(UserError, match=rf"^--target: expected a readable .*received '{cut}'"):
        evaluate("no-model", good, str(cut))


def test_nothing_to_evaluate(write):
    with pytest.raises(UserError, match=r"^--source: expected at least one sentence, received .* which is empty"):
        evaluate("no-model", write("source", []), write("target", []))


def test_no_model(write, tmp_path):
    good = write("good", ["one"])
    with pytest.raises(UserError, match=rf"received '{tmp_path}/none'"):
        evaluate(f"{tmp_path}/none", good, good)
