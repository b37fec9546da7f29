import json

import numpy as np
import pytest
import tensorflow as tf

from serving.client import Client, TranslationError
from serving.embedded.status import Code, StatusError
from serving.graph.decode_options import OPTIONS
from serving.graph.translator import Translator

# Some that are searched, and some that are drawn.
ROWS = [
    {},
    {"beam_size": 1},
    {"beam_size": 10, "length_penalty": 0.5},
    {"coverage_penalty": 0.5},
    {"min_length": 12, "no_repeat_ngram": 2},
    {"max_length": 2},
    {"temperature": 3.0, "seed": 4},
    {"temperature": 3.0, "seed": 5, "top_k": 3},
    {"temperature": 2.0, "top_p": 0.9, "no_repeat_ngram": 1},
    {"length_penalty": 2.0, "beam_size": 4},
]
TEXT = "three blue birds and five today"


def columns(rows):
    return {
        name: np.array([row.get(name, -1) for row in rows], "int32" if kind is int else "float32")
        for name, kind in OPTIONS.items()
    }


def decode(servable, texts, rows):
    given = {"text": np.array([text.encode() for text in texts], object)} | columns(rows)
    return servable.run("decode", given)


def test_what_is_not_given_is_as_exported(servable, sentences, hostile):
    texts = [*sentences[:70], *(line.decode(errors="replace") for line in hostile if len(line) < 1000)]
    rows = np.array([text.encode() for text in texts], object)
    best = servable.run("serving_default", {"text": rows})["translation"].tolist()
    n_best = servable.run("nbest", {"text": rows})
    for default in ({}, {name: np.nan for name, kind in OPTIONS.items() if kind is float}):
        found = decode(servable, texts, [default] * len(texts))
        assert found["translation"].tolist() == best
        np.testing.assert_allclose(found["score"], n_best["scores"][:, 0], rtol=1e-4, atol=1e-4)
        assert found["length"].tolist() == n_best["lengths"][:, 0].tolist()


@pytest.fixture(scope="module")
def together(servable):
    found = decode(servable, [TEXT] * len(ROWS), ROWS)
    return {name: value.tolist() for name, value in found.items()}


def test_each_row_is_that_row_alone(servable, together):
    for number, row in enumerate(ROWS):
        alone = decode(servable, [TEXT], [row])
        assert alone["translation"].tolist() == together["translation"][number : number + 1]
        np.testing.assert_allclose(alone["score"], together["score"][number], rtol=1e-4, atol=1e-4)
    order = np.random.default_rng(1).permutation(len(ROWS) * 8) % len(ROWS)
    mixed = decode(servable, [TEXT] * len(order), [ROWS[number] for number in order])
    assert mixed["translation"].tolist() == [together["translation"][number] for number in order]


def test_what_the_options_ask_for(together):
    lengths = together["length"]
    assert lengths[4] >= 12 and lengths[5] == 2
    drawn = together["translation"][6:9]
    assert len(set(drawn)) == 3
    assert np.isfinite(together["score"]).all()


@pytest.mark.slow
def test_an_option_is_the_setting_of_the_same_name(run, together):
    """A translator made with the settings gives what the signature gives; `test_search.py` has the rest."""
    # A function of the graph does not keep its module alive.
    searching, drawing = Translator.from_run(run, **ROWS[4]), Translator.from_run(run, **ROWS[8])
    found = searching.nbest(tf.constant([TEXT]))
    assert found["translations"].numpy()[0, 0] == together["translation"][4]
    np.testing.assert_allclose(found["scores"][0, 0], together["score"][4], rtol=1e-4)
    found = drawing.translate(tf.constant([TEXT]))
    assert found["translation"].numpy()[0] == together["translation"][8]


def test_options_hold_for_each_sentence(servable):
    text = "one red cats.  two blue dogs!"
    parts = decode(servable, text.split("  "), [{"min_length": 9}] * 2)
    found = decode(servable, [text], [{"min_length": 9}])
    assert found["translation"].tolist() == [b"  ".join(parts["translation"].tolist())]
    assert found["length"][0] == parts["length"].sum() >= 18
    np.testing.assert_allclose(found["score"][0], parts["score"].sum(), rtol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 65])
def test_the_first_dimension_is_the_batch(servable, count):
    found = decode(servable, ["one"] * count, ([{"temperature": 1.0}, {}] * count)[:count])
    assert {value.shape for value in found.values()} == {(count,)}


def test_what_is_out_of_range(servable):
    message = "beam_size: expected 1 to 10, or -1 for the exported setting, received 11"
    with pytest.raises(StatusError, match=message) as caught:
        decode(servable, ["one"] * 2, [{}, {"beam_size": 11}])
    assert caught.value.code == Code.INVALID_ARGUMENT
    given = {"text": np.array([b"one"] * 2, object)} | columns([{}])
    with pytest.raises(StatusError, match="expected one for each text, received another count"):
        servable.run("decode", given)


def test_a_client_fills_in_what_is_not_given(url, together):
    with Client(url) as client:
        for number, row in enumerate(ROWS):
            assert client.decode([TEXT], **row) == [together["translation"][number].decode()]
        assert client.decode(["one", "two"]) == client.translate(["one", "two"])
        assert client.decode([]) == []
        with pytest.raises(
            TranslationError, match=r"400: .*top_p: expected above 0 and at most 1, or -1 .* received 2"
        ):
            client.decode(["one"], top_p=2.0)


@pytest.mark.slow
def test_a_model_without_attention(plain_run):
    translator = Translator.from_run(plain_run)
    texts = ["one red", "two"]
    given = [tf.constant(value) for value in columns([{"beam_size": 4}, {"temperature": 1.0}]).values()]
    assert translator.decode(tf.constant(texts), *given)["translation"].shape == (2,)
    wrong = [tf.constant(value) for value in columns([{"coverage_penalty": 0.5}] * 2).values()]
    with pytest.raises(tf.errors.InvalidArgumentError, match="coverage_penalty: expected 0 to 0, or -1"):
        translator.decode(tf.constant(texts), *wrong)


def test_the_card_tells_the_limits(export):
    card = json.loads((export / "1" / "export.json").read_text())
    assert card["limits"]["beam_size"] == 10
