import keras
import numpy as np
import pytest

from models.config import ModelConfig
from models.embedding import Embedding
from models.encoder import Encoder, take_steps

IDS = np.array([[4, 5, 6, 7, 3], [8, 9, 3, 0, 0], [3, 0, 0, 0, 0]], "int32")
LENGTHS = [5, 3, 1]
KINDS = [
    ("simple", False, 1),
    ("lstm", False, 2),
    ("gru", False, 1),
    ("simple", True, 2),
    ("lstm", True, 1),
    ("gru", True, 1),
]


def make_encoder(cell="lstm", bidirectional=True, layers=1, dropout=0.0, **settings):
    keras.utils.set_random_seed(1)
    settings = {"encoder": "bidirectional" if bidirectional else "unidirectional"} | settings
    sizes = {"encoder_units": 6, "encoder_layers": layers, "embedding_size": 4}
    encoder = Encoder(Embedding(10, 4), ModelConfig(cell=cell, dropout=dropout, **sizes, **settings))
    encoder.build()
    return encoder


def test_take_steps():
    x = np.arange(12).reshape(3, 2, 2)
    taken = take_steps(x, np.array([[2, 0], [1, 1]], "int32"))
    assert taken.numpy().tolist() == [[[8, 9], [2, 3]], [[4, 5], [6, 7]]]


@pytest.mark.parametrize(("cell", "bidirectional", "layers"), KINDS)
def test_padding_and_company_change_nothing(cell, bidirectional, layers):
    encoder = make_encoder(cell, bidirectional, layers)
    encoded = encoder(IDS)
    assert encoded.values.shape == (3, 5, 6)
    assert encoded.mask.numpy().sum(axis=1).tolist() == LENGTHS
    wider = encoder(np.pad(IDS, ((0, 0), (0, 4))))
    np.testing.assert_array_equal(wider.mask, np.pad(encoded.mask, ((0, 0), (0, 4))))
    for row, length in enumerate(LENGTHS):
        alone = encoder(IDS[row : row + 1, :length])
        for other, at in ((wider, row), (alone, 0)):
            np.testing.assert_allclose(encoded.values[row, :length], other.values[at, :length], atol=1e-6)
            for part, other_part in zip(encoded.states[-1], other.states[-1], strict=True):
                np.testing.assert_allclose(part[row], other_part[at], atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional", "layers"), KINDS)
def test_state_is_the_one_after_the_last_real_token(cell, bidirectional, layers):
    encoder = make_encoder(cell, bidirectional, layers)
    encoded = encoder(IDS)
    half = 3 if bidirectional else 6
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(encoded.states[-1][0][row, :half], encoded.values[row, length - 1, :half])
        np.testing.assert_array_equal(encoded.states[-1][0][row, half:], encoded.values[row, 0, half:])
    assert len(encoded.states[-1]) == (2 if cell == "lstm" else 1)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_the_backward_direction_is_the_forward_one_on_reversed_ids(cell):
    encoder = make_encoder(cell)
    [[forward, backward]] = encoder.layers_by_depth
    backward.set_weights(forward.get_weights())
    encoded = encoder(IDS)
    for row, length in enumerate(LENGTHS):
        turned = encoder(IDS[row : row + 1, :length][:, ::-1])
        np.testing.assert_allclose(encoded.values[row, :length, 3:], turned.values[0, ::-1, :3], atol=1e-6)
        for part, turned_part in zip(encoded.states[-1], turned.states[-1], strict=True):
            np.testing.assert_allclose(part[row, 3:], turned_part[0, :3], atol=1e-6)


def test_a_second_layer_sees_both_directions_of_the_first():
    encoder = make_encoder(layers=2)
    before = encoder(IDS)
    for first in encoder.layers_by_depth[0]:
        weights = first.get_weights()
        first.set_weights([weight * 0.5 for weight in weights])
        after = encoder(IDS)
        assert (np.abs(after.values - before.values).max(axis=(0, 1)) > 1e-5).all()
        first.set_weights(weights)


def test_only_the_first_layer_reads_in_both_directions():
    encoder = make_encoder(layers=3, encoder="first-bidirectional")
    assert [[layer.units for layer in layers] for layers in encoder.layers_by_depth] == [[3, 3], [6], [6]]
    encoded = encoder(IDS)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(encoded.states[-1][0][row], encoded.values[row, length - 1])


def test_added_directions_have_the_whole_width_each():
    encoder, forward = make_encoder(encoder_merge="sum"), make_encoder(bidirectional=False)
    [[first, second]] = encoder.layers_by_depth
    assert first.units == second.units == 6
    # A direction whose weights are nothing adds nothing.
    first.set_weights(forward.layers_by_depth[0][0].get_weights())
    second.set_weights([0 * weight for weight in second.get_weights()])
    encoder.embedding.table.assign(forward.embedding.table)
    found, expected = encoder(IDS), forward(IDS)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.states[-1][0], expected.states[-1][0], atol=1e-6)


def test_a_source_read_backwards_is_one_turned_round():
    forwards = make_encoder(bidirectional=False)
    backwards = make_encoder(bidirectional=False, source_order="backwards")
    encoded = backwards(IDS)
    for row, length in enumerate(LENGTHS):
        turned = forwards(IDS[row : row + 1, :length][:, ::-1])
        np.testing.assert_allclose(encoded.values[row, :length], turned.values[0], atol=1e-6)
        np.testing.assert_allclose(encoded.states[-1][0][row], turned.states[-1][0][0], atol=1e-6)


def test_a_residual_layer_adds_what_it_reads():
    plain, residual = make_encoder(layers=2), make_encoder(layers=2, residual=True)
    lower = make_encoder(layers=1)
    np.testing.assert_allclose(residual(IDS).values, plain(IDS).values + lower(IDS).values, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_drops_before_every_layer_in_training_alone(layers, monkeypatch):
    encoder = make_encoder(layers=layers, dropout=0.5)
    np.testing.assert_array_equal(encoder(IDS).values, encoder(IDS).values)
    seen, run = [], encoder._run
    monkeypatch.setattr(encoder, "_run", lambda layer, inputs, *rest: seen.append(inputs) or run(layer, inputs, *rest))
    for training, share in ((True, 0.5), (False, 0)):
        seen.clear()
        values = encoder(np.full((40, 20), 4, "int32"), training=training).values
        assert [np.mean(inputs == 0) for inputs in seen] == pytest.approx([share] * 2 * layers, abs=0.1)
        # An output is nothing only where all that was ever read was dropped.
        assert np.mean(values == 0) < 0.05


def test_a_row_of_padding_alone_is_no_danger():
    encoded = make_encoder()(np.array([[4, 3], [0, 0]], "int32"))
    assert np.isfinite(encoded.values).all() and np.isfinite(encoded.states).all()
    assert not encoded.mask.numpy()[1].any()
