import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from models.recurrent.loops import linear, linear_gradient, scan, stack, take, take_each, while_any, with_gradient


def running(carry, xs):
    """Carries a sum and a count; the outputs tell the order in which steps were run."""
    total, count = carry
    x, factor = xs
    total = total + x * factor
    return (total, count + 1), {"total": total, "count": count, "nothing": ()}


def arrays(steps):
    draw = np.random.default_rng(1)
    return draw.normal(size=(steps, 2, 3)).astype("float32"), draw.normal(size=(steps, 1)).astype("float32")


def first_carry():
    return tf.ones((2, 3)), tf.constant(0)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_scan(steps):
    x, factor = arrays(steps)
    (total, count), outputs = scan(running, first_carry(), (tf.constant(x), tf.constant(factor)))
    outputs = stack(outputs)
    expected = 1 + np.cumsum(x * factor[..., None], axis=0)
    np.testing.assert_allclose(outputs["total"], expected, rtol=1e-5)
    np.testing.assert_allclose(total, expected[-1], rtol=1e-5)
    assert outputs["count"].numpy().tolist() == list(range(steps)) and int(count) == steps
    assert outputs["nothing"] == ()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_scan_in_reverse_keeps_the_order_of_its_outputs(steps):
    x, factor = arrays(steps)
    (total, _), outputs = scan(running, first_carry(), (tf.constant(x), tf.constant(factor)), reverse=True)
    outputs = stack(outputs)
    expected = 1 + np.cumsum((x * factor[..., None])[::-1], axis=0)[::-1]
    np.testing.assert_allclose(outputs["total"], expected, rtol=1e-5)
    np.testing.assert_allclose(total, expected[0], rtol=1e-5)
    assert outputs["count"].numpy().tolist() == list(range(steps))[::-1]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_over_a_length_that_the_graph_does_not_know(reverse):
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 1])])
    def run(x, factor):
        carry, outputs = scan(running, (tf.ones_like(x[0]), tf.constant(0)), (x, factor), reverse)
        return carry, stack(outputs)

    for steps in (1, 4, 3):
        x, factor = map(tf.constant, arrays(steps))
        expected_carry, expected = scan(running, first_carry(), (x, factor), reverse)
        expected = stack(expected)
        carry, outputs = run(x, factor)
        np.testing.assert_allclose(outputs["total"], expected["total"], rtol=1e-6)
        np.testing.assert_array_equal(outputs["count"], expected["count"])
        np.testing.assert_allclose(carry[0], expected_carry[0], rtol=1e-6)


def test_scan_is_differentiated_automatically():
    x = tf.Variable([[1.0], [2.0], [3.0]])
    with tf.GradientTape() as tape:
        # The products 1, 2, 6, so that the sum's gradient at each factor is what stands beside it.
        _, outputs = scan(lambda carry, x: (carry * x, carry * x), tf.constant([1.0]), tf.convert_to_tensor(x))
        loss = tf.reduce_sum(stack(outputs))
    np.testing.assert_allclose(tape.gradient(loss, x), [[1 + 2 + 6], [1 + 3], [2]], rtol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_reads_the_outputs_of_another_scan_step_by_step(reverse):
    x, factor = arrays(4)
    _, written = scan(running, first_carry(), (tf.constant(x), tf.constant(factor)))
    _, read = scan(lambda carry, row: (carry, row["total"] * 2), tf.constant(0), written, reverse)
    np.testing.assert_array_equal(stack(read), 2 * stack(written)["total"])


def count_down(left, least=1, sizes=None):
    """Adds t to each row's sum as long as the row is unfinished."""

    def body(t, rows):
        if sizes is not None:
            sizes.append(len(rows["left"]))
        at_work = rows["left"] > 0
        total = rows["total"] + tf.where(at_work, t, 0)[:, None]
        return {"left": rows["left"] - tf.cast(at_work, tf.int32), "total": total}

    def take(rows, indices):
        return {name: tf.gather(part, indices) for name, part in rows.items()}

    rows = {"left": left, "total": tf.zeros((tf.size(left), 1), tf.int32)}
    return while_any(lambda rows: rows["left"] > 0, body, 3, rows, take, lambda rows: rows["total"], least)


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("left", [[], [0], [0, 0, 0], [2], [3, 0, 1, 4, 4, 2, 3, 1]])
@pytest.mark.parametrize(
    "wrap", [lambda function: function, tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])]
)
def test_while_any_runs_each_row_until_it_is_finished(left, least, wrap):
    totals = wrap(lambda left: count_down(left, least))(tf.constant(left, tf.int32))
    assert totals.numpy().tolist() == [[sum(range(3, 3 + count))] for count in left]


@pytest.mark.parametrize(
    ("least", "expected"), [(1, [8, 6, 4, 2, 1, 1]), (2, [8, 6, 4, 2, 2, 2]), (5, [8, 6, 6, 6, 6, 6])]
)
def test_while_any_sets_finished_rows_aside_a_quarter_at_a_time(least, expected):
    sizes = []
    count_down(tf.constant([1, 1, 2, 2, 3, 3, 4, 6]), least, sizes)
    assert sizes == expected


def marked(pair, weight, mask):
    """A function whose own backward pass is not its derivative, so that one sees which was used."""
    a, (b, nothing) = pair
    assert nothing == ()

    def backward(d_outputs):
        d_sum, (d_kept,) = d_outputs
        return (10 * d_sum, (20 * d_sum + d_kept, ())), 30 * ops.sum(d_sum), None

    return (ops.where(mask, a + b, 0.0) * weight, (b,)), backward


@pytest.mark.parametrize("wrap", [lambda function: function, tf.function])
def test_with_gradient_uses_the_backward_pass_given(wrap):
    a, b, weight = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0]), tf.Variable(2.0)
    mask = tf.constant([True, False])

    @wrap
    def run():
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            total, (kept,) = with_gradient(marked)((a, (b, ())), weight, mask)
            loss = tf.reduce_sum(total * [1.0, 4.0]) + tf.reduce_sum(kept * [7.0, 9.0])
        return total, kept, tape.gradient(loss, [a, b, weight])

    total, kept, (d_a, d_b, d_weight) = run()
    assert total.numpy().tolist() == [8, 0] and kept.numpy().tolist() == [3, 5]
    assert d_a.numpy().tolist() == [10, 40]
    assert d_b.numpy().tolist() == [20 + 7, 80 + 9]
    assert float(d_weight) == 150


@pytest.mark.parametrize("leading", [(4,), (2, 4), (3, 2, 4)])
def test_linear_and_its_gradient(leading):
    draw = np.random.default_rng(2)
    x, kernel, d_outputs = (draw.normal(size=shape) for shape in ((*leading, 5), (5, 3), (*leading, 3)))
    np.testing.assert_allclose(linear(tf.constant(x), tf.constant(kernel)), x @ kernel, rtol=1e-12)
    expected = sum(np.outer(x[at], d_outputs[at]) for at in np.ndindex(leading))
    np.testing.assert_allclose(linear_gradient(tf.constant(x), tf.constant(d_outputs)), expected, rtol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_take(shape):
    x, rows = np.arange(12).reshape(4, 3), np.resize([2, 0, 2, 3], shape)
    np.testing.assert_array_equal(take(tf.constant(x), tf.constant(rows)), x[rows])


@pytest.mark.parametrize("rest", [(), (2,), (2, 2)])
def test_take_each(rest):
    x, places = np.random.default_rng(1).normal(size=(2, 3, *rest)), np.array([[2, 0, 2, 1], [1, 1, 0, 0]])
    expected = [[x[b, place] for place in places[b]] for b in range(2)]
    np.testing.assert_array_equal(take_each(tf.constant(x), tf.constant(places)), expected)


@pytest.mark.parametrize("shape", [(2, 4), (3, 2, 4), (5, 3, 2, 4)])
def test_linear_with_a_bias_in_a_graph_that_does_not_know_the_sizes(shape):
    draw = np.random.default_rng(1)
    x, kernel, bias = draw.normal(size=shape), draw.normal(size=(4, 6)), draw.normal(size=6)
    for known in range(len(shape)):
        sizes = [size if at >= known else None for at, size in enumerate(shape[:-1])]
        run = tf.function(lambda x: linear(x, kernel, bias), input_signature=[tf.TensorSpec([*sizes, 4], tf.float64)])
        np.testing.assert_allclose(run(tf.constant(x)), x @ kernel + bias, rtol=1e-12)
