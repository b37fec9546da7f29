"""Rows of ids through a model, a few at a time."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from pipeline.schema import END_ID, PAD_ID

# The steps of one search are too small to keep two cores busy.
ROWS_AT_ONCE, CHUNKS_AT_ONCE = 64, 2


def in_chunks(
    function: Callable[..., Sequence[tf.Tensor]],
    columns: Sequence[tf.RaggedTensor],
    outputs: Sequence[tf.TensorSpec],
    places: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """Runs a function over rows of ids, the longest first.

    Rows run in chunks of like length, a few at a time, so that memory has a bound, and never alone, because a product
    of a single row rounds differently.

    Args:
        function: From the ids of each column, `(chunk, longest)` with PAD after END, and `places (chunk,)` if there are
            any, to tensors `(chunk, ...)`.
        columns: Ids, each `(rows, None)` int32, END included.
        outputs: What the function returns of one row.
        places: Where the function finds what else belongs to a row, `(rows + 1,)` int32; the last is the company's.

    Returns:
        What it returns of all rows, each `(rows, ...)`, in their order.
    """
    count = tf.cast(columns[0].nrows(), tf.int32)
    lengths = tf.add_n([column.row_lengths() for column in columns])
    order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    # A row in company of nobody, and nothing at all, get an empty sentence for company.
    lonely = tf.cast((count == 0) | (count % ROWS_AT_ONCE == 1), tf.int32)
    company = tf.RaggedTensor.from_row_lengths(tf.fill([lonely], END_ID), tf.fill([lonely], tf.constant(1, tf.int64)))
    columns = [tf.concat([tf.gather(column, order), company], axis=0) for column in columns]
    if places is not None:
        places = tf.concat([tf.gather(places, order), places[count : count + lonely]], axis=0)
    total = count + lonely
    chunks = -(-total // ROWS_AT_ONCE)

    def run(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple:
        rows = slice(i * ROWS_AT_ONCE, tf.minimum((i + 1) * ROWS_AT_ONCE, total))
        given = [column[rows].to_tensor(PAD_ID) for column in columns]
        values = function(*given) if places is None else function(*given, places[rows])
        return i + 1, *(array.write(i, value) for array, value in zip(arrays, values, strict=True))

    arrays = [
        tf.TensorArray(spec.dtype, chunks, element_shape=[None, *spec.shape], infer_shape=False) for spec in outputs
    ]
    _, *arrays = tf.while_loop(
        lambda i, *_: i < chunks, run, (tf.constant(0), *arrays), parallel_iterations=CHUNKS_AT_ONCE
    )
    back = tf.math.invert_permutation(order)
    return [tf.gather(array.concat(), back) for array in arrays]
