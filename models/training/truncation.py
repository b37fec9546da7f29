"""Backpropagation through time that is truncated: a long target in pieces, so that memory does not grow with it."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops, tree

from models.decoder_state import DecoderState, Source, Steps
from models.recurrent.loops import rematerialized, scan, take


@keras.saving.register_keras_serializable(package="keras_nmt")
class Truncation(keras.layers.Layer):
    """The loss of a target of any length, of a gradient that reaches a bounded number of steps back.

    Args:
        every: See `truncated_sum`.
        reach: See `truncated_sum`.
    """

    def __init__(self, every: int, reach: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.every, self.reach = every, reach
        self.built = True

    def call(
        self,
        source: Source,
        state: DecoderState,
        steps: Steps,
        target_ids: Any,
        decoder: Any,
        losses_of: Callable[[Any, Any], Any],
    ) -> Any:
        """The sum of the losses.

        Args:
            source: From the decoder's `start`.
            state: From the decoder's `start`.
            steps: From the decoder's `steps`, `(tgt_len, batch, 1)`.
            target_ids: `(tgt_len, batch, 1)`.
            decoder: The `Decoder`.
            losses_of: What the output layer reads, and the target ids, to the loss of each, 0 for padding.
        """

        def run(source: Source, carry: Any, rows: Any) -> tuple[Any, Any]:
            steps, target_ids = rows
            carry, hidden = decoder.run_together(source, carry, steps, training=True)
            return carry, losses_of(hidden, target_ids)

        weights, carry = decoder.trainable_variables, decoder.first_carry(state, steps)
        return truncated_sum(run, weights, source, carry, (steps, target_ids), self.every, self.reach)


def truncated_sum(
    run: Callable[[Any, Any, Any], tuple[Any, Any]],
    weights: Sequence[Any],
    held: Any,
    carry: Any,
    rows: Any,
    every: int,
    reach: int,
) -> Any:
    """Sums what a loop over time gives, each with a gradient that reaches a bounded number of steps back.

    Windows of `reach` steps begin `every` steps apart; what a window computes is forgotten, and computed again for its
    gradient. The first counts as a whole, each later one with its last `every` steps, so that a step's gradient reaches
    `reach - every` to `reach` steps back (Williams and Peng 1990, BPTT(h; h'); Sutskever 2013, section 2.8.6).

    Args:
        run: `run(held, carry, rows) -> (carry, values)`, values `(steps, ...)`; all that it uses and that has a
            gradient is an argument or a weight.
        weights: The variables that it reads.
        held: What all steps use; its gradient is that of all windows together.
        carry: What goes from step to step, before the first.
        rows: What the steps read, a structure of tensors `(steps, ...)` without a gradient; zeros are added to it.
        every: Steps between the beginnings of two windows, k1.
        reach: Steps of a window, k2, at least `every`.

    Returns:
        The sum of all values.
    """
    steps = ops.shape(tree.flatten(rows)[0])[0]
    # The larger of this and 0, of a number as of a tensor.
    beyond = (steps - reach + abs(steps - reach)) // 2
    later = -(-beyond // every)
    rows = tree.map_structure(lambda x: _lengthened(x, reach + later * every - steps), rows)
    of_last = ops.arange(reach) >= reach - every

    def window(held: Any, carry: Any, rows: Any, is_first: Any) -> tuple[Any, Any]:
        def part(begin: int, end: int) -> Any:
            return tree.map_structure(lambda x: x[begin:end], rows)

        carry, values = run(held, carry, part(0, every))
        if reach > every:
            _, more = run(held, carry, part(every, reach))
            values = ops.concatenate([values, more])
        counted = ops.cast(ops.logical_or(is_first, of_last), values.dtype)
        return carry, ops.sum(ops.sum(ops.reshape(values, (reach, -1)), axis=1) * counted)

    def step(before: Any, number: Any) -> tuple[Any, Any]:
        carry, total = before
        piece = tree.map_structure(lambda x: ops.stop_gradient(take(x, number * every + ops.arange(reach))), rows)
        carry, value = rematerialized(window, weights)(held, carry, piece, number == 0)
        return (tree.map_structure(ops.stop_gradient, carry), total + value), ()

    (_, total), _ = scan(step, (carry, ops.zeros(())), ops.arange(later + 1))
    return total


def _lengthened(x: Any, steps: Any) -> Any:
    """`x (steps, ...)` with so many zeros after it."""
    return ops.concatenate([x, ops.zeros((steps, *ops.shape(x)[1:]), x.dtype)])
