import itertools

import numpy as np
import pytest
from keras import ops

from models.attention.alignment import attention_weights
from models.config import DecodingConfig
from models.decoding.beam_search import length_penalty
from models.decoding.coverage_penalty import coverage_penalty, covering
from models.decoding.ensemble import Ensemble
from models.decoding.search import search
from pipeline.schema import DECODER_INPUT_IDS, PAD_ID, SOURCE_IDS, START_ID


def test_by_hand():
    sums = np.array([[[0.5, 2.0, 0.25], [1.0, 1.5, 0.1]], [[0.5, 0.5, 9.0], [0.0, 1.0, 1.0]]], "float32")
    mask = np.array([[True, True, True], [True, True, False]])
    found = np.asarray(coverage_penalty(sums, mask))
    np.testing.assert_allclose(found[0], [np.log(0.125), np.log(0.1)], rtol=1e-5)
    assert found[1, 0] == pytest.approx(np.log(0.25), rel=1e-5)
    # What was not looked at at all costs much, and not infinitely much.
    assert -100 < found[1, 1] < -80


def test_attention_is_summed_over_the_steps_and_the_penalties_meant_over_the_attentions():
    weights = iter([([0.5, 0.5], [1.0, 0.0]), ([0.25, 0.75], [0.5, 0.5])])

    def watch(last, source, state):
        return "logits", state + 1, tuple(np.array([[row]], "float32") for row in next(weights))

    class Nothing:
        pass

    step = covering(watch, Nothing(), np.zeros((1, 1)), np.array([[True, True]]), np.array([2.0], "float32"))
    state = step.state
    for count in (1, 2):
        logits, state = step.step_fn(None, step.source, state)
        assert logits == "logits" and state.state == count
    # Of the sums 0.75 and 1.25, and 1.5 and 0.5.
    expected = 2.0 * (np.log(0.75) + np.log(0.5)) / 2
    np.testing.assert_allclose(step.ending(step.source, state), [[expected]], rtol=1e-6)


MODELS = {
    "inside": {},
    "several heads": {"attention": "multi-head", "attention_heads": 2, "attention_units": 4},
    "above, from behind": {"attention_place": "above", "attention_query": "state", "source_order": "backwards"},
}


@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_a_score_is_that_of_teacher_forcing_and_its_attention(make_model, make_batch, settings):
    model, beta, alpha = make_model(**settings), 0.6, 0.8
    source = make_batch([5, 3], [1, 1])[0][SOURCE_IDS]
    decoding = DecodingConfig(beam_size=3, length_penalty=alpha, coverage_penalty=beta, max_length_offset=2)
    found = search(model, source, decoding, n_best=3)
    plain = search(model, source, DecodingConfig(beam_size=3, length_penalty=alpha, max_length_offset=2), n_best=3)
    assert (np.asarray(found.scores)[:, 0] < np.asarray(plain.scores)[:, 0] - 0.1).all()
    for row, rank in itertools.product(range(2), range(3)):
        ids = np.asarray(found.ids)[row : row + 1, rank]
        ids = ids[:, : np.count_nonzero(ids)]
        own = source[row : row + 1, : np.count_nonzero(source[row])]
        inputs = {SOURCE_IDS: own, DECODER_INPUT_IDS: np.concatenate([[[START_ID]], ids[:, :-1]], axis=1)}
        logits = np.array(model.logits(model(inputs))[0])
        logits[:, [PAD_ID, START_ID]] = -np.inf
        total = np.take_along_axis(np.asarray(ops.log_softmax(logits)), ids[0][:, None], axis=1).sum()
        read = np.asarray(attention_weights(model, own, ids))[0].sum(axis=0)
        expected = total / float(length_penalty(ids.shape[1], alpha)) + beta * np.log(np.minimum(read, 1)).sum()
        assert float(found.scores[row, rank]) == pytest.approx(expected, rel=1e-4)


def test_an_ensemble_has_the_penalty_of_its_members_with_attention(make_model, make_batch):
    attends, plain = make_model(), make_model(attention="none", summary_at_every_step=True)
    source = make_batch([5, 3], [1, 1])[0][SOURCE_IDS]
    decoding = DecodingConfig(beam_size=3, coverage_penalty=0.6, max_length_offset=2)
    expected = search(attends, source, decoding)
    for members in ([attends, attends], [attends, attends, attends]):
        np.testing.assert_allclose(search(Ensemble(members), source, decoding).scores, expected.scores, rtol=1e-5)
    watched = Ensemble([attends, plain]).watcher()
    ensemble = Ensemble([attends, plain])
    _, _, weights = watched(np.full((2, 1), START_ID), *ensemble.start(source))
    assert [np.asarray(each).shape for each in weights] == [(2, 1, 5)]
