import keras
import numpy as np
import pytest

from models.dropout import Dropout


@pytest.mark.parametrize("shape", [None, (1, None, None), (None, None, 1)])
def test_dropout_is_that_of_keras_where_there_is_one_replica(shape):
    inputs = np.random.default_rng(1).normal(size=(5, 4, 6)).astype("float32")
    keras.utils.set_random_seed(7)
    ours = Dropout(0.4, shape)
    keras.utils.set_random_seed(7)
    theirs = keras.layers.Dropout(0.4, shape)
    for _ in range(2):
        np.testing.assert_array_equal(ours(inputs, training=True), theirs(inputs, training=True))
    np.testing.assert_array_equal(ours(inputs), inputs)
    np.testing.assert_array_equal(Dropout(0.0)(inputs, training=True), inputs)


def test_what_is_dropped_alike():
    kept = np.array(Dropout(0.5, (1, None, None))(np.ones((9, 8, 7), "float32"), training=True))
    assert set(kept.ravel().tolist()) == {0.0, 2.0}
    assert (kept == kept[:1]).all()
