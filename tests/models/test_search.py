import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from models.beam_search import length_penalty
from models.config import DecodingConfig
from models.search import search
from pipeline.schema import END_ID, PAD_ID, SOURCE_IDS, START_ID

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
    lengths = [6, 2, 4, 3]
    source = make_batch(lengths, lengths)[0][SOURCE_IDS]
    decoding = DecodingConfig(beam_size=beam_size, **DECODING)
    together = search(model, source, decoding, n_best=beam_size)
    assert together.ids.shape == (4, beam_size, 11) and together.scores.shape == (4, beam_size)
    for row, length in enumerate(lengths):
        limit = int(1.5 * length) + 2
        assert not together.ids.numpy()[row, :, limit:].any()
        for padding in (0, 5):
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

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def run(source):
        return search(model, source, decoding, n_best=beam_size)

    for lengths in ([5, 3, 1], [2, 2]):
        source = make_batch(lengths, lengths)[0][SOURCE_IDS]
        found, expected = run(source), search(model, source, decoding, n_best=beam_size)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, *RARER.values()], ids=str)
def test_a_model_score_is_that_of_teacher_forcing_among_the_tokens_that_may_be_chosen(make_model, make_batch, settings):
    model = make_model(**settings)
    source = make_batch([5, 3], [1, 1])[0][SOURCE_IDS]
    found = search(model, source, DecodingConfig(beam_size=3, length_penalty=0.8, **DECODING), n_best=3)
    for row, rank in itertools.product(range(2), range(3)):
        ids = unpadded(found.ids.numpy()[row, rank])
        inputs = {SOURCE_IDS: source[row : row + 1], "decoder_input_ids": np.array([[START_ID, *ids[:-1]]])}
        logits = model.logits(model(inputs))[0].numpy()
        logits[:, [PAD_ID, START_ID]] = -np.inf
        log_probs = ops.log_softmax(logits).numpy()
        total = sum(log_probs[at, token] for at, token in enumerate(ids))
        assert float(found.scores[row, rank]) == pytest.approx(total / float(length_penalty(len(ids), 0.8)), rel=1e-4)
