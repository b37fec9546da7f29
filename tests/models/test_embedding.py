import keras
import numpy as np
import pytest
import tensorflow as tf

from models.embedding import Embedding

# Two wide.
SCALE = 2**0.5


@pytest.fixture
def embedding():
    embedding = Embedding(5, 2)
    embedding.build()
    embedding.table.assign(np.arange(10).reshape(5, 2))
    return embedding


@pytest.mark.parametrize("shape", [(4,), (2, 2), (4, 1, 1)])
def test_an_id_gives_its_row(embedding, shape):
    rows = SCALE * np.reshape([[2, 3], [8, 9], [8, 9], [0, 1]], (*shape, 2))
    np.testing.assert_allclose(embedding(np.reshape([1, 4, 4, 0], shape)), rows, rtol=1e-6)


@pytest.mark.parametrize("wrap", [lambda function: function, tf.function])
def test_the_gradient_is_dense_and_adds_up_repeated_ids(embedding, wrap):
    @wrap
    def gradient(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(embedding(ids))
        return tape.gradient(loss, embedding.table.value)

    found = gradient(tf.constant([[1, 3], [1, 1]]))
    assert isinstance(found, tf.Tensor)
    np.testing.assert_allclose(found, SCALE * np.array([[0, 0], [3, 3], [0, 0], [1, 1], [0, 0]]), rtol=1e-6)
    # Counted apart, the rows would have the norm sqrt(8) = 2.83.
    assert float(tf.linalg.global_norm([found])) == pytest.approx(SCALE * 20**0.5)


def test_embeddings_start_with_variance_1_and_their_table_with_that_of_an_output_layer():
    keras.utils.set_random_seed(1)
    embedding = Embedding(500, 100)
    embedding.build()
    assert np.var(embedding(np.arange(500))) == pytest.approx(1, rel=0.03)
    assert np.var(embedding.table) == pytest.approx(1 / 100, rel=0.03)
