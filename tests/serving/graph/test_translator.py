import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from models.decoding.ensemble import Ensemble
from models.decoding.search import search
from models.run import load_model, load_shortlist
from pipeline.errors import UserError
from pipeline.schema import END_ID
from serving.graph.chunks import ROWS_AT_ONCE
from serving.graph.translator import Translator


@pytest.fixture(scope="module")
def model(run):
    return load_model(run)


def translate(translator, texts):
    return [line.decode() for line in translator.translate(tf.constant(texts, tf.string))["translation"].numpy()]


@pytest.fixture(scope="module")
def alone(translator, sentences):
    """The translation of each sentence on its own."""
    return [translate(translator, [text])[0] for text in sentences[:129]]


def test_translations_differ_as_their_sources_do(alone, sentences):
    # Else the tests of order below would show nothing.
    assert len(set(alone)) > 90
    short = [(text, line) for text, line in zip(sentences, alone, strict=False) if len(text.split()) <= 6]
    equally_long = sum(len(text.split()) == len(line.split()) for text, line in short)
    assert equally_long > 0.8 * len(short)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 128, 129])
def test_the_batch_does_not_matter(translator, alone, sentences, count):
    assert ROWS_AT_ONCE == 64
    assert translate(translator, sentences[:count]) == alone[:count]


def test_the_order_does_not_matter(translator, alone, sentences):
    assert translate(translator, sentences[128::-1]) == alone[::-1]


def test_texts_without_words_are_empty(translator, alone, sentences):
    assert translate(translator, ["", " ", "\t\n\r  "]) == ["", "", ""]
    mixed = ["", sentences[0], " ", sentences[1], ""]
    assert translate(translator, mixed) == ["", alone[0], "", alone[1], ""]


def parts_of(translator, words):
    """Cuts a text of one-piece words as long parts are cut: three quarters of the room at a time."""
    assert translator.decoding.max_source_length == 40
    ids = translator.source.tokenize(tf.constant([" ".join(words)]))
    assert ids.row_lengths()[0] == len(words) + 1
    # 39 pieces beside END, of which a word may take 9, so that a part begins every 30 pieces.
    return [" ".join(words[i : i + 30]) for i in range(0, len(words), 30)]


def test_an_overlong_text_is_translated_in_parts(translator):
    words = ["one", "two", "three", "red", "and", "blue"] * 16 + ["not", "green"]
    parts = parts_of(translator, words)
    assert len(parts) == 4
    text = " ".join(words)
    assert translate(translator, ["one", text, "two"]) == [
        translate(translator, ["one"])[0],
        " ".join(translate(translator, parts)),
        translate(translator, ["two"])[0],
    ]


def test_the_longest_text_of_one_part(translator, model, run):
    """39 pieces and END are one part; one more word makes two, of 30 and 10."""
    words = (["red", "blue", "green"] * 14)[:39]
    parts_of(translator, words)
    ids = translator.source.tokenize(tf.constant([" ".join(words)] * 2)).to_tensor()
    shortlist = load_shortlist(run, translator.decoding)
    expected = search(model, ids, translator.decoding, shortlist=shortlist).ids[:, 0]
    whole = translator.target.detokenize(tf.RaggedTensor.from_tensor(expected)).numpy()[0].decode()
    assert translate(translator, [" ".join(words)]) == [whole]
    first, second = translate(translator, [" ".join(words[:30]), " ".join([*words[30:], "one"])])
    assert translate(translator, [" ".join([*words, "one"])]) == [f"{first} {second}"]


@pytest.fixture(scope="module")
def limited(run, model, translator):
    """Takes texts of at most 50 pieces."""
    decoding = dataclasses.replace(translator.decoding, max_text_pieces=50)
    return Translator(model, translator.source, translator.target, decoding, load_shortlist(run, decoding))


def test_a_text_above_the_limit_is_refused(translator, limited):
    longest = " ".join(["one"] * 49)
    assert translate(limited, [longest]) == translate(translator, [longest])
    with pytest.raises(tf.errors.InvalidArgumentError, match="text: expected at most 50 pieces, received more; divide"):
        translate(limited, ["two", f"{longest} one"])


@pytest.mark.slow
def test_hostile_lines_keep_order_and_number(translator, hostile, sentences):
    alone = [translate(translator, [line])[0] for line in hostile]
    assert translate(translator, hostile) == alone
    assert [line for line, text in zip(alone, hostile, strict=True) if not text.strip(b" \t\r")] == [""] * 4
    assert len(alone[3].split()) >= 10_000 // 39, "a part of the long line is missing"
    mixed = [line for pair in zip(hostile, sentences, strict=False) for line in pair]
    assert translate(translator, mixed)[::2] == alone


def test_invalid_utf8_is_read_as_the_replacement_character(translator):
    lines = [b"one \xff two", "one \ufffd two".encode(), b"one \xc3\x28"]
    first, second, _ = translate(translator, lines)
    assert first == second


def test_n_best(translator, sentences, alone):
    found = translator.nbest(tf.constant(sentences[:70]))
    assert found["translations"].shape == found["scores"].shape == found["lengths"].shape == (70, 3)
    assert [line.decode() for line in found["translations"][:, 0].numpy()] == alone[:70]
    scores = found["scores"].numpy()
    assert (np.diff(scores, axis=1) <= 0).all() and (scores <= 0).all()
    assert np.mean([len(set(row)) for row in found["translations"].numpy().tolist()]) > 2.5


def test_a_score_is_that_of_the_search(translator, model, run, sentences):
    short = min(sentences, key=len)
    ids = translator.source.tokenize(tf.constant([short] * 2)).to_tensor()
    expected = search(model, ids, translator.decoding, 3, load_shortlist(run, translator.decoding))
    found = translator.nbest(tf.constant([short]))
    np.testing.assert_allclose(found["scores"], expected.scores[:1], rtol=1e-4, atol=1e-5)
    # Each row ends with END, and PAD fills it up.
    ends = [row.tolist().index(END_ID) for row in expected.ids[0].numpy()]
    assert found["lengths"].numpy().tolist() == [ends]
    texts = translator.target.detokenize(tf.RaggedTensor.from_tensor(expected.ids[0]))
    assert found["translations"].numpy()[0].tolist() == texts.numpy().tolist()


def test_scores_and_lengths_of_parts_are_summed(translator):
    words = ["one", "two", "three", "red", "and", "blue"] * 10
    parts = parts_of(translator, words)
    assert len(parts) == 2
    whole, single = translator.nbest(tf.constant([" ".join(words)])), translator.nbest(tf.constant(parts))
    np.testing.assert_allclose(whole["scores"], [np.sum(single["scores"], axis=0)], rtol=1e-4, atol=1e-5)
    assert whole["lengths"].numpy().tolist() == [np.sum(single["lengths"], axis=0).tolist()]
    joined = [b" ".join(translations) for translations in single["translations"].numpy().T.tolist()]
    assert whole["translations"].numpy()[0].tolist() == joined


PARAGRAPHS = [
    " one red cats.  two blue dogs! Three birds?\r\n\r\n\tfour here \n",
    "one",
    "\n",
    "two. " * 70,
    "six.\none\r\nMr. five. seven",
]


def test_a_text_of_several_sentences_is_translated_sentence_by_sentence(translator):
    assert translator.decoding.split_sentences
    long = " ".join(["one", "two", "three", "red", "and", "blue"] * 16)
    sentences = ["one red cats.", "two blue dogs!", "Three birds?", "four here", "two.", "six.", "one", "Mr. five."]
    alone = dict(zip(sentences, translate(translator, sentences), strict=True))
    one, two, three, four, twice, six, first, fifth = alone.values()
    last, whole = translate(translator, ["seven", f"{long}."])
    assert translate(translator, [*PARAGRAPHS, f"two. {long}.\tone"]) == [
        f" {one}  {two} {three}\r\n\r\n\t{four} \n",
        first,
        "",
        f"{twice} " * 70,
        f"{six}\n{first}\r\n{fifth} {last}",
        f"{twice} {whole}\t{first}",
    ]


def test_scores_and_lengths_of_sentences_are_summed(translator):
    sentences = ["one red cats.", "two blue dogs!", "four here"]
    whole, single = translator.nbest(tf.constant([" \n ".join(sentences)])), translator.nbest(tf.constant(sentences))
    np.testing.assert_allclose(whole["scores"], [np.sum(single["scores"], axis=0)], rtol=1e-4, atol=1e-5)
    assert whole["lengths"].numpy().tolist() == [np.sum(single["lengths"], axis=0).tolist()]
    joined = [b" \n ".join(translations) for translations in single["translations"].numpy().T.tolist()]
    assert whole["translations"].numpy()[0].tolist() == joined


def test_a_text_that_is_not_split_is_one_sentence(run, model, translator):
    whole = Translator.from_run(run, split_sentences=False)
    texts = [text for text in PARAGRAPHS if len(text) < 100]
    ids = whole.source.tokenize(tf.constant(texts)).to_tensor()
    assert ids.shape[1] <= whole.decoding.max_source_length
    found = search(model, ids, whole.decoding, shortlist=load_shortlist(run, whole.decoding)).ids[:, 0]
    expected = whole.target.detokenize(tf.RaggedTensor.from_tensor(found)).numpy()
    assert translate(whole, texts) == [
        line.decode() if text.strip() else "" for text, line in zip(texts, expected, strict=True)
    ]
    assert translate(whole, texts) != translate(translator, texts)


def test_the_limit_is_of_all_sentences_of_a_text(translator, limited):
    each = len(translator.source.tokenize(["one.\n"]).to_list()[0]) - 2
    longest = "one.\n" * (49 // each)
    assert translate(limited, [longest, "two", longest])[0] == translate(translator, [longest])[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="text: expected at most 50 pieces, received more; divide"):
        translate(limited, ["two", longest + "one " * (50 - 49 // each * each)])


def test_another_beam_size(run, translator, model, sentences):
    greedy = Translator.from_run(run, beam_size=1)
    assert greedy.decoding == dataclasses.replace(translator.decoding, beam_size=1)
    short = [text for text in sentences if len(text.split()) <= 8][:70]
    source_ids, shortlist = greedy.source.tokenize(tf.constant(short)).to_tensor(), load_shortlist(run, greedy.decoding)
    ids = search(model, source_ids, greedy.decoding, shortlist=shortlist).ids[:, 0]
    expected = greedy.target.detokenize(tf.RaggedTensor.from_tensor(ids)).numpy()
    assert translate(greedy, short) == [line.decode() for line in expected]
    assert greedy.nbest(tf.constant(short[:2]))["scores"].shape == (2, 1)
    with pytest.raises(UserError, match=r"^decoding\.beam_size: expected at least 1, received 0"):
        Translator.from_run(run, beam_size=0)


def test_one_vocabulary_is_held_once(translator, model):
    assert translator.source is translator.target
    assert sorted(variable.shape.as_list() for variable in translator.variables) == sorted(
        variable.shape.as_list() for variable in model.trainable_variables
    )


def test_an_ensemble_translates_as_its_models_do_in_one_search(run, other_run, translator, model, sentences):
    ensemble = Translator.from_run(run, [other_run])
    assert ensemble.decoding == translator.decoding
    short = [text for text in sentences if len(text.split()) <= 8][:40]
    source_ids = ensemble.source.tokenize(tf.constant(short)).to_tensor()
    members, shortlist = Ensemble([model, load_model(other_run)]), load_shortlist(run, translator.decoding)
    expected = search(members, source_ids, translator.decoding, 3, shortlist)
    found = ensemble.nbest(tf.constant(short))
    np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-4, atol=1e-5)
    texts = [translator.target.detokenize(tf.RaggedTensor.from_tensor(ids)).numpy().tolist() for ids in expected.ids]
    assert found["translations"].numpy().tolist() == texts
    alone = translator.nbest(tf.constant(short))["scores"].numpy()
    assert np.abs(found["scores"].numpy() - alone).max() > 0.01, "the other model had no say"
    assert len(ensemble.variables) == len(members.weights) > len(model.weights)


def test_an_ensemble_of_other_subwords_is_refused(run, plain_run):
    with pytest.raises(
        UserError, match=rf"^--ensemble: expected runs with the source .* received '{plain_run}', which"
    ):
        Translator.from_run(run, [plain_run])


@pytest.mark.parametrize("name", ["source.spm", "target.spm"])
def test_other_subwords_are_refused(run, tmp_path, name):
    changed = tmp_path / "run"
    shutil.copytree(run, changed, ignore=shutil.ignore_patterns("tensorboard", "checkpoint.npz"))
    (changed / name).write_bytes((run / name).read_bytes() + b" ")
    with pytest.raises(UserError, match=rf"^tokenizer: expected the model with SHA-256 \w+, received .*{name}' with"):
        Translator.from_run(changed)


def test_a_run_that_is_not_whole(run, tmp_path):
    with pytest.raises(UserError, match=r"^RUN: expected the folder of a training, received .*config\.json"):
        Translator.from_run(tmp_path)
    for name in ("config.json", "source.spm", "target.spm"):
        shutil.copyfile(run / name, tmp_path / name)
    with pytest.raises(UserError, match=r"^RUN: expected a run with a finished epoch, received .*best\.keras"):
        Translator.from_run(tmp_path)
    (tmp_path / "source.spm").unlink()
    with pytest.raises(UserError, match=r"^tokenizer: expected a SentencePiece model, received .*source\.spm"):
        Translator.from_run(tmp_path)
