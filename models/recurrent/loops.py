"""Loops over time and functions with a gradient of their own, alike on every backend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops, tree


def scan(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """Runs `step(carry, xs[t]) -> (carry, ys[t])` over the steps of every sequence of `xs`.

    `keras.ops.scan` on TensorFlow stacks every slot of the carry and takes no other outputs; a gradient needs sums that
    are carried and not stacked, and rows that are only read again one by one, so TensorFlow has a loop of its own here.

    Args:
        step: The body.
        carry: Its first carry, any structure of tensors.
        xs: A structure of tensors `(steps, ...)` and of another scan's outputs, at least one, steps at least 1.
        reverse: Whether to run from the last step to the first; the outputs keep the order of `xs`.

    Returns:
        The last carry, and the outputs: sequences for another scan, or for `stack`.
    """
    if keras.backend.backend() == "tensorflow":
        return _scan_tensorflow(step, carry, xs, reverse)
    return ops.scan(step, carry, xs, reverse=reverse)


def stack(sequences: Any) -> Any:
    """Makes tensors `(steps, ...)` of the outputs of `scan`."""
    return tree.map_structure(lambda rows: rows.stack() if _is_tensor_array(rows) else rows, sequences)


def _is_tensor_array(rows: Any) -> bool:
    # Of TensorFlow alone, which the other backends do not load.
    return hasattr(rows, "stack") and hasattr(rows, "read")


def _scan_tensorflow(
    step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, reverse: bool
) -> tuple[Any, Any]:
    import tensorflow as tf

    first_rows = tree.flatten(xs)[0]
    steps = first_rows.size() if _is_tensor_array(first_rows) else tf.shape(first_rows)[0]

    def array(y: Any) -> Any:
        return tf.TensorArray(y.dtype, steps, element_shape=y.shape, clear_after_read=False)

    def run(i: Any, carry: Any, outputs: Any) -> tuple[Any, Any, Any]:
        at = steps - 1 - i if reverse else i
        # A row of a tensor is a view of it, and one of an array is as it was written: neither is a copy.
        row = tree.map_structure(lambda rows: rows.read(at) if _is_tensor_array(rows) else rows[at], xs)
        carry, ys = step(carry, row)
        outputs = tree.map_structure(array, ys) if outputs is None else outputs
        return i + 1, carry, tree.map_structure(lambda output, y: output.write(at, y), outputs, ys)

    # The first step stands before the loop, so that the loop knows the outputs' shapes.
    first = run(tf.constant(0), carry, None)
    _, carry, outputs = tf.while_loop(lambda i, *_: i < steps, run, first, parallel_iterations=1)
    return carry, outputs


def while_any(
    unfinished: Callable[[Any], Any],
    body: Callable[[Any, Any], Any],
    first: int,
    rows: Any,
    take_rows: Callable[[Any, Any], Any],
    result: Callable[[Any], Any],
    least: int = 1,
) -> Any:
    """Runs `rows = body(t, rows)` for t = first, first + 1, ... while any row is unfinished.

    On TensorFlow, finished rows are set aside whenever they are a quarter of all, and cost nothing from then on. The
    other backends have no shapes that change.

    Args:
        unfinished: From rows to `(count,)` bool.
        body: Must leave the result of a finished row as it is.
        first: The first t.
        rows: Any structure of tensors.
        take_rows: `take_rows(rows, indices)` gives some of the rows.
        result: From rows to a structure of tensors `(count, ...)`, of one shape throughout.
        least: Rows that are kept in company, finished or not.

    Returns:
        The result of all rows.
    """
    if keras.backend.backend() == "tensorflow":
        return _while_any_tensorflow(unfinished, body, first, rows, take_rows, result, least)
    _, rows = ops.while_loop(
        lambda t, rows: ops.any(unfinished(rows)), lambda t, rows: (t + 1, body(t, rows)), (first, rows)
    )
    return result(rows)


def _while_any_tensorflow(
    unfinished: Callable, body: Callable, first: int, rows: Any, take_rows: Callable, result: Callable, least: int
) -> Any:
    import tensorflow as tf

    def count(going_on: Any) -> Any:
        return tf.math.count_nonzero(going_on, dtype=tf.int32)

    def without_finished(places: Any, rows: Any) -> tuple[Any, Any]:
        going_on = unfinished(rows)
        left = count(going_on)
        left = tf.where(left > 0, tf.maximum(left, tf.minimum(least, tf.size(places))), 0)
        kept = tf.argsort(tf.cast(~going_on, tf.int32), stable=True)[:left]
        return tf.gather(places, kept), take_rows(rows, kept)

    def run(t: Any, places: Any, rows: Any, results: Any) -> tuple[Any, ...]:
        few = tf.size(places) * 3 // 4
        few = tf.where(few < least, 0, few)
        t, rows = tf.while_loop(
            lambda t, rows: count(unfinished(rows)) > few, lambda t, rows: (t + 1, body(t, rows)), (t, rows)
        )
        results = tree.map_structure(
            lambda all, some: tf.tensor_scatter_nd_update(all, places[:, None], some), results, result(rows)
        )
        return (t, *without_finished(places, rows), results)

    results = result(rows)
    places = tf.range(tf.shape(tree.flatten(results)[0])[0])
    # Also makes the count of rows unknown, as it changes from turn to turn.
    places, rows = without_finished(places, rows)
    *_, results = tf.while_loop(
        lambda t, places, *_: tf.size(places) > 0, run, (tf.constant(first), places, rows, results)
    )
    return results


def with_gradient(function: Callable[..., tuple[Any, Callable[[Any], tuple[Any, ...]]]]) -> Callable[..., Any]:
    """Makes a differentiable function of one that returns its outputs and its own backward pass.

    Args:
        function: `function(*args) -> (outputs, backward)` with `backward(d_outputs) -> d_args`. Arguments, outputs and
            gradients are structures of tensors; a bool tensor's gradient is None. All that is differentiated must be
            an argument.

    Returns:
        `function(*args) -> outputs`.
    """

    def differentiable(*args: Any) -> Any:
        structure: list[Any] = []

        @ops.custom_gradient
        def flat_function(*flat_args: Any) -> Any:
            outputs, backward = function(*tree.pack_sequence_as(args, flat_args))
            structure.append(outputs)

            def gradient(*upstream: Any) -> tuple[Any, ...]:
                # JAX hands over one tuple, TensorFlow a tensor for each output.
                d_outputs = upstream[0] if isinstance(upstream[0], tuple | list) else upstream
                return tuple(tree.flatten(backward(tree.pack_sequence_as(outputs, list(d_outputs)))))

            return tuple(tree.flatten(outputs)), gradient

        # A copy, so that eager TensorFlow sees a tensor where the argument is a variable.
        flat = flat_function(*(ops.copy(arg) for arg in tree.flatten(args)))
        return tree.pack_sequence_as(structure[0], list(flat))

    return differentiable


def rematerialized(function: Callable[..., Any], weights: Sequence[Any]) -> Callable[..., Any]:
    """`function(*args)`, which keeps nothing for its gradient but its arguments, and runs again for it (Chen 2016).

    Args:
        function: Arguments and outputs are structures of tensors; all that has a gradient is an argument or a weight.
        weights: The variables that it reads: in a loop, TensorFlow differentiates arguments alone.
    """

    def is_float(x: Any) -> bool:
        return keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))

    def run(*args: Any) -> Any:
        # A copy, so that eager TensorFlow sees a tensor where a weight is a variable.
        given = tree.flatten((list(map(ops.copy, weights)), args))
        # TensorFlow would ask for the gradient of whatever is an argument.
        floats = [at for at, x in enumerate(given) if is_float(x)]
        structure = []

        def flat_function(*of_floats: Any) -> tuple[Any, ...]:
            flat = list(given)
            for at, x in zip(floats, of_floats, strict=True):
                flat[at] = x
            values, own_args = flat[: len(weights)], flat[len(weights) :]
            with keras.StatelessScope(state_mapping=zip(weights, values, strict=True)):
                outputs = function(*tree.pack_sequence_as(args, own_args))
            structure.append(outputs)
            # Of an output of integers, TensorFlow has no gradient to hand over: as a float it has one of zeros.
            return tuple(x if is_float(x) else ops.cast(x, "float32") for x in tree.flatten(outputs))

        outputs = keras.remat(flat_function)(*(given[at] for at in floats))
        return tree.map_structure(
            lambda x, like: ops.cast(x, like.dtype), tree.pack_sequence_as(structure[0], list(outputs)), structure[0]
        )

    return run


def take(x: Any, rows: Any, axis: int = 0) -> Any:
    """What stands at `rows (...)` of an axis of `x`, which gives way to those of `rows`."""
    if keras.backend.backend() != "tensorflow":
        return ops.take(x, rows, axis=axis)
    import tensorflow as tf

    # One operation; Keras looks for negative indices with six more, for which a step of search has no time.
    return tf.gather(x, rows, axis=axis)


def take_each(x: Any, places: Any) -> Any:
    """What stands at `places (batch, m)` of each sentence of `x (batch, n, ...)`: `(batch, m, ...)`."""
    if keras.backend.backend() != "tensorflow":
        index = ops.reshape(places, (*places.shape, *(1,) * (len(x.shape) - 2)))
        return ops.take_along_axis(x, index, axis=1)
    import tensorflow as tf

    return tf.gather(x, places, axis=1, batch_dims=1)


def linear(x: Any, kernel: Any, bias: Any = None) -> Any:
    """`x @ kernel + bias` as one matrix product, whatever the leading axes: `(..., inputs)` to `(..., outputs)`."""
    flat = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    # Right after the product, where TensorFlow makes one operation of both.
    flat = flat if bias is None else flat + bias
    if len(x.shape) == 2:
        return flat
    shape = (*x.shape[:-1], kernel.shape[-1])
    # A shape with one unknown size is a constant, and takes no operation to find out.
    if shape.count(None) > 1:
        shape = (*ops.shape(x)[:-1], ops.shape(kernel)[-1])
    return ops.reshape(flat, [-1 if size is None else size for size in shape])


def linear_gradient(x: Any, d_outputs: Any) -> Any:
    """Gradient of the kernel of `linear`: one product over all leading axes, `(inputs, outputs)`."""
    flat_x = ops.reshape(x, (-1, x.shape[-1]))
    return ops.matmul(ops.transpose(flat_x), ops.reshape(d_outputs, (-1, d_outputs.shape[-1])))
