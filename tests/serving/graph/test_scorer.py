import json

import numpy as np
import pytest
import tensorflow as tf

from models.decoding.ensemble import load_ensemble
from models.decoding.scoring import decoder_inputs, token_log_probabilities
from models.run import load_model
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS
from serving.embedded.status import Code, StatusError
from serving.graph.translator import Translator

# The last target holds what JSON has to escape.
PAIRS = [
    ("one red cats", "eins rot Katzen"),
    ("one red cats", "sechs"),
    ("two", ""),
    ("", "eins"),
    ("three blue birds here", "drei blau Vögel hier"),
    ("four", 'vier "\\\n\t\u0001\u2028 \U0001f600'),
]
# 39 pieces and END, the most that is taken; 70 pieces of the target are, as 40 * 1.5 + 10 are.
LONGEST_TEXT, LONGEST_TARGET = " ".join(["one"] * 39), " ".join(["eins"] * 69)


def columns(pairs):
    return [tf.constant(column, tf.string) for column in zip(*pairs, strict=True)]


def by_hand(model, translator, text, target):
    """The pieces of the target and the logarithm of each's softmax, in double precision."""
    source_ids, target_ids = (
        tokenizer.tokenize([string]).to_tensor().numpy()
        for tokenizer, string in ((translator.source, text), (translator.target, target))
    )
    inputs = {SOURCE_IDS: source_ids, DECODER_INPUT_IDS: decoder_inputs(target_ids)}
    logits = np.asarray(model.logits(model(inputs))[0], "float64")
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    ids = target_ids[0]
    return translator.target.spell(ids), np.log(shares[np.arange(len(ids)), ids])


def check(found, model, translator, pairs):
    assert {name: value.shape for name, value in found.items()} == dict.fromkeys(
        ("log_probability", "pieces", "piece_log_probabilities"), (len(pairs),)
    )
    hand = {pair: by_hand(model, translator, *pair) for pair in set(pairs)}
    for n, pair in enumerate(pairs):
        pieces, expected = hand[pair]
        told = json.loads(found["piece_log_probabilities"][n])
        assert [piece for piece, _ in told] == pieces
        assert pieces[-1] == "</s>"
        np.testing.assert_allclose([each for _, each in told], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["log_probability"][n], expected.sum(), rtol=1e-4, atol=1e-5)
        assert found["pieces"][n] == len(pieces) - 1


@pytest.fixture(scope="module")
def model(run):
    return load_model(run)


@pytest.mark.parametrize("count", [1, 6, 65])
def test_a_score_is_the_softmax_of_teacher_forcing(model, translator, count):
    pairs = (PAIRS * 11)[:count]
    found = {name: value.numpy() for name, value in translator.score(*columns(pairs)).items()}
    check(found, model, translator, pairs)


def test_the_longest_pair(model, translator):
    assert translator.decoding.max_source_length == 40
    pairs = [(LONGEST_TEXT, LONGEST_TARGET), ("one", "eins")]
    found = {name: value.numpy() for name, value in translator.score(*columns(pairs)).items()}
    check(found, model, translator, pairs)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((f"{LONGEST_TEXT} one", "eins"), "text: expected at most 40 pieces to score, received more; shorten it"),
        (("one", f"{LONGEST_TARGET} eins"), "target: expected at most 70 pieces to score, received more; shorten it"),
    ],
)
def test_what_is_too_long_is_refused(translator, pair, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        translator.score(*columns([PAIRS[0], pair]))


@pytest.mark.slow
def test_an_ensemble(run, other_run):
    translator, members = Translator.from_run(run, [other_run]), load_ensemble([run, other_run]).members
    texts, targets = columns(PAIRS)
    ids = translator.source.tokenize(texts).to_tensor(), translator.target.tokenize(targets).to_tensor()
    expected = np.sum(token_log_probabilities(members, *ids), axis=1)
    np.testing.assert_allclose(translator.score(texts, targets)["log_probability"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_saved_graph(servable, model, translator):
    for count in (0, 1, 65):
        pairs = (PAIRS * 11)[:count]
        inputs = {
            name: np.array([pair[side].encode() for pair in pairs], object)
            for side, name in enumerate(("text", "target"))
        }
        check(servable.run("score", inputs), model, translator, pairs)
    for targets, message in (
        ([LONGEST_TARGET, f"{LONGEST_TARGET} eins"], "target: expected at most 70 pieces"),
        (["eins"], "text, target: expected as many of either"),
    ):
        inputs = {"text": np.array([b"one"] * 2, object), "target": np.array([t.encode() for t in targets], object)}
        with pytest.raises(StatusError, match=message) as caught:
            servable.run("score", inputs)
        assert caught.value.code == Code.INVALID_ARGUMENT
