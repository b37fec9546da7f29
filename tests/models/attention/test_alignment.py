import numpy as np
import pytest

from models.attention.alignment import attention_weights
from pipeline.schema import SOURCE_IDS


def by_hand(model, inputs):
    """The weights of each reading, `(tgt_len, batch, heads, src_len)`."""
    attention = model.decoder.attention_above or model.decoder.recurrences[0].attention
    read, noted = attention.read, []
    attention.read = lambda *arguments: noted.append(read(*arguments)) or noted[-1]
    try:
        model(inputs)
    finally:
        del attention.read
    batch, length = inputs[SOURCE_IDS].shape
    return np.stack([np.asarray(each.weights).reshape(batch, -1, length) for each in noted])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cell": "gru", "attention": "dot", "encoder_units": 6, "decoder_units": 6, "decoder_layers": 2},
        {"attention": "coverage"},
        {"attention": "multi-head", "attention_heads": 2, "attention_units": 4},
        {"attention_place": "above", "attention_query": "state", "input_feeding": True},
    ],
    ids=str,
)
def test_they_are_those_of_the_pass_of_training(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, targets = make_batch([5, 2, 4], [1, 6, 3])
    found = np.asarray(attention_weights(model, inputs[SOURCE_IDS], targets))
    assert found.shape == (3, 6, 5)
    expected = by_hand(model, inputs).mean(axis=2)
    for row, (source, target) in enumerate(zip(inputs[SOURCE_IDS], targets, strict=True)):
        steps = np.count_nonzero(target)
        np.testing.assert_allclose(found[row, :steps], expected[:steps, row], atol=1e-6)
        np.testing.assert_allclose(found[row].sum(axis=1), 1, rtol=1e-5)
        assert (found[row][:, source == 0] == 0).all()
    assert found.std() > 0.01


def test_a_source_that_is_read_backwards_is_told_forwards(make_model, make_batch):
    model = make_model(source_order="backwards", encoder="unidirectional")
    inputs, targets = make_batch([5, 2], [3, 3])
    found = np.asarray(attention_weights(model, inputs[SOURCE_IDS], targets))
    expected = by_hand(model, inputs)[:, :, 0].transpose(1, 0, 2)
    np.testing.assert_allclose(found[0], expected[0][:, ::-1], atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1][:, [1, 0, 2, 3, 4]], atol=1e-6)


def test_without_attention_there_are_none(make_model, make_batch):
    inputs, targets = make_batch([5, 2], [3, 3])
    assert attention_weights(make_model(attention="none"), inputs[SOURCE_IDS], targets) == ()
