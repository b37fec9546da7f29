import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from models.config import DecodingConfig
from models.decoding.beam_search import length_penalty
from models.decoding.options import Options
from models.decoding.search import draw_each, search, search_each
from models.decoding.shortlist import Shortlist
from pipeline.schema import DECODER_INPUT_IDS, END_ID, PAD_ID, SOURCE_IDS, START_ID

# Parts that note something from step to step, or whose shapes a graph must find out.
RARER = {
    "coverage": {"attention": "coverage", "cell": "scrn"},
    "coverage above": {"attention": "coverage", "attention_place": "above", "attention_query": "state"},
    "multi-head": {"attention": "multi-head", "attention_heads": 2, "attention_units": 4, "cell": "layer-norm-gru"},
    "local": {
        "attention": "local",
        "attention_place": "above",
        "attention_query": "state",
        "attention_window": 2,
        "input_feeding": True,
        "cell": "unitary",
        "encoder_units": 8,
        "decoder_units": 4,
    },
}

DECODING = {"max_length_factor": 1.5, "max_length_offset": 2}


def unpadded(ids):
    """A translation without what follows its END."""
    ids = list(ids)
    return ids[: ids.index(END_ID) + 1]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize(
    "settings",
    [{}, {"cell": "gru", "attention": "none", "summary_at_every_step": True}, {"attention": "dot", "decoder_units": 6}],
    ids=["lstm", "gru", "dot"],
)
def test_a_translation_does_not_depend_on_padding_and_company(make_model, make_batch, beam_size, settings):
    model = make_model(**settings)
    lengths = [4, 2, 3]
    source = make_batch(lengths, lengths)[0][SOURCE_IDS]
    decoding = DecodingConfig(beam_size=beam_size, **DECODING)
    together = search(model, source, decoding, n_best=beam_size)
    assert together.ids.shape == (3, beam_size, 8) and together.scores.shape == (3, beam_size)
    for row, length in enumerate(lengths):
        limit = int(1.5 * length) + 2
        assert not together.ids.numpy()[row, :, limit:].any()
        for padding in (0, 2):
            # Two rows, as the products of one row alone are rounded differently.
            ids = np.pad(source[[row, row], :length], ((0, 0), (0, padding)))
            alone = search(model, ids, decoding, n_best=beam_size)
            np.testing.assert_array_equal(alone.ids[0, :, :limit], together.ids[row, :, :limit])
            np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_nothing_is_the_translation_of_nothing(make_model, make_batch, beam_size):
    model, source = make_model(), make_batch([1, 5], [1, 1])[0][SOURCE_IDS]
    # END comes only where it has to.
    bias = model.decoder.output_bias
    bias.assign(bias - 30 * ops.one_hot(END_ID, bias.shape[0]))
    found = search(model, source, DecodingConfig(beam_size=beam_size, **DECODING))
    assert [len(unpadded(ids)) for ids in found.ids.numpy()[:, 0]] == [1, int(1.5 * 5) + 2]


@pytest.mark.parametrize(
    ("beam_size", "settings"), [(1, {}), (3, {}), *((3, settings) for settings in RARER.values())], ids=str
)
def test_search_in_a_graph_that_does_not_know_the_sizes(make_model, make_batch, beam_size, settings):
    model, decoding = make_model(**settings), DecodingConfig(beam_size=beam_size, **DECODING)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def run(source):
        return search(model, source, decoding, n_best=beam_size)

    for lengths in ([3, 2, 1], [2, 2]):
        source = make_batch(lengths, lengths)[0][SOURCE_IDS]
        found, expected = run(source), search(model, source, decoding, n_best=beam_size)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, *RARER.values()], ids=str)
def test_a_model_score_is_that_of_teacher_forcing_among_the_tokens_that_may_be_chosen(make_model, make_batch, settings):
    model = make_model(**settings)
    source = make_batch([5, 3], [1, 1])[0][SOURCE_IDS]
    found = search(model, source, DecodingConfig(beam_size=3, length_penalty=0.8, **DECODING), n_best=3)
    rows = found.ids.numpy().reshape(6, -1)
    inputs = {SOURCE_IDS: source.repeat(3, axis=0), DECODER_INPUT_IDS: np.insert(rows[:, :-1], 0, START_ID, axis=1)}
    logits = model.logits(model(inputs)).numpy()
    logits[..., [PAD_ID, START_ID]] = -np.inf
    log_probs = ops.log_softmax(logits).numpy().reshape(2, 3, *logits.shape[1:])
    for row, rank in itertools.product(range(2), range(3)):
        ids = unpadded(found.ids.numpy()[row, rank])
        total = sum(log_probs[row, rank, at, token] for at, token in enumerate(ids))
        assert float(found.scores[row, rank]) == pytest.approx(total / float(length_penalty(len(ids), 0.8)), rel=1e-4)


EACH = [
    {},
    {"beam_size": 1},
    {"beam_size": 4, "length_penalty": 0.0},
    {"coverage_penalty": 0.8},
    {"min_length": 7},
    {"no_repeat_ngram": 1},
    {"beam_size": 2, "no_repeat_ngram": 2, "min_length": 3, "length_penalty": 2.0, "coverage_penalty": 0.2},
]
DRAWN = [
    {"temperature": 0.5},
    {"temperature": 2.0, "seed": 5},
    {"temperature": 2.0, "top_k": 3},
    {"temperature": 1.5, "top_p": 0.6, "seed": 7},
    {"temperature": 1.0, "min_length": 8, "no_repeat_ngram": 2, "top_k": 4, "top_p": 0.9},
]


def options_of(rows):
    """Those of some decodings, and of the longest translations."""
    columns = {}
    for name in Options._fields:
        values = [getattr(row, name, -1) for row in rows]
        columns[name] = ops.convert_to_tensor(np.array(values, "float32" if isinstance(values[0], float) else "int32"))
    return Options(**columns)


def each_alone(rows, make_batch, model, lists, run):
    """What `run` gives of sentences with options of their own, beside what `search` gives of each with its settings."""
    decodings = [DecodingConfig(**{"beam_size": 3, "shortlist": 4, **DECODING, **row}) for row in rows]
    lengths = [6, 2, 4, 3, 5, 6, 2][: len(rows)]
    source = make_batch(lengths, lengths)[0][SOURCE_IDS]
    found = run(model, source, decodings[0], options_of(decodings))
    for row, decoding in enumerate(decodings):
        alone = search(model, source[[row, row]], decoding, shortlist=lists)
        assert unpadded(found.ids.numpy()[row, 0]) == unpadded(alone.ids.numpy()[0, 0])
        np.testing.assert_allclose(found.scores[row, 0], alone.scores[0, 0], rtol=1e-4)
    return [unpadded(ids) for ids in found.ids.numpy()[:, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("listed", [False, True])
def test_sentences_searched_with_options_of_their_own(make_model, make_batch, listed):
    model = make_model()
    lists = (
        Shortlist(np.arange(13, dtype="int32")[:, None] % 7 + 4, np.arange(3, 11, dtype="int32")) if listed else None
    )
    ids = each_alone(EACH, make_batch, model, lists, lambda *given: search_each(*given, 4, shortlist=lists))
    assert len(ids[4]) >= 8
    assert len(set(ids[5])) == len(ids[5])


@pytest.mark.slow
def test_sentences_drawn_with_options_of_their_own(make_model, make_batch):
    ids = each_alone(DRAWN, make_batch, make_model(), None, draw_each)
    assert len(ids[4]) >= 9


def test_a_longest_translation_of_each_sentence(make_model, make_batch):
    model, source = make_model(), make_batch([6, 6, 6, 1], [1] * 4)[0][SOURCE_IDS]
    bias = model.decoder.output_bias
    bias.assign(bias - 30 * ops.one_hot(END_ID, bias.shape[0]))
    decoding = DecodingConfig(beam_size=2, **DECODING)
    options = options_of([decoding] * 4)._replace(
        max_length=np.array([-1, 0, 4, 4], "int32"), min_length=np.array([20, 0, 0, 9], "int32")
    )
    for run in (lambda *given: search_each(*given, 2), draw_each):
        found = run(model, source, decoding, options._replace(temperature=np.ones(4, "float32")))
        # A least length goes beyond the source's, and nothing stays nothing.
        assert [len(unpadded(ids)) for ids in found.ids.numpy()[:, 0]] == [21, 1, 5, 1]


@pytest.mark.slow
def test_settings_of_all_in_a_graph_that_does_not_know_the_sizes(make_model, make_batch):
    settings = {"min_length": 12, "no_repeat_ngram": 2, "coverage_penalty": 0.3, "beam_size": 3}
    model, decoding = make_model(), DecodingConfig(**settings, **DECODING)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def run(source):
        return search(model, source, decoding)

    source = make_batch([5, 3], [1, 1])[0][SOURCE_IDS]
    found, expected = run(source), search(model, source, decoding)
    np.testing.assert_array_equal(found.ids, expected.ids)
    for ids in map(unpadded, found.ids.numpy()[:, 0]):
        pairs = list(itertools.pairwise(ids))
        assert len(ids) >= 13 and len(set(pairs)) == len(pairs)
