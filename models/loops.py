"""Loops over time and functions with a gradient of their own, alike on every backend."""

from collections.abc import Callable
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


def linear(x: Any, kernel: Any) -> Any:
    """`x @ kernel` as one matrix product, whatever the leading axes: `(..., inputs)` to `(..., outputs)`."""
    if len(x.shape) == 2:
        return ops.matmul(x, kernel)
    flat = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    return ops.reshape(flat, (*ops.shape(x)[:-1], kernel.shape[-1]))


def linear_gradient(x: Any, d_outputs: Any) -> Any:
    """Gradient of the kernel of `linear`: one product over all leading axes, `(inputs, outputs)`."""
    flat_x = ops.reshape(x, (-1, x.shape[-1]))
    return ops.matmul(ops.transpose(flat_x), ops.reshape(d_outputs, (-1, d_outputs.shape[-1])))
