"""Texts to parts that a model can take, and their translations back to one text, in graph operations."""

from typing import NamedTuple

import tensorflow as tf

from pipeline.protected import COUNT, is_placeholder
from pipeline.schema import END_ID
from serving.graph.placeholders import Spans


class Parts(NamedTuple):
    """Texts divided into parts.

    Attributes:
        ids: `(parts, None)` int32, END included; the parts of all texts, in order.
        texts: Which text each part belongs to, `(parts,)` int32.
        separators: What stands before each part's translation, `(parts,)` string: a space where a later part of its
            text begins with a word, else nothing.
        spans: What the placeholders of each part stand for; None where there are none.
    """

    ids: tf.RaggedTensor
    texts: tf.Tensor
    separators: tf.Tensor
    spans: Spans | None = None


def divide(ids: tf.RaggedTensor, word_starts: tf.Tensor, max_length: int, placeholders: bool = False) -> Parts:
    """Divides texts that are too long between words, or within a word that is longer than a quarter of a part.

    Args:
        ids: `(texts, None)` int32, each row ending with END.
        word_starts: Which ids begin a word, `(vocab,)` bool.
        max_length: Longest part in pieces, END included, at least 2.
        placeholders: Whether texts are divided after each `COUNT` placeholders, too, where others follow.

    Returns:
        The parts; none for a text without pieces.
    """
    room = max_length - 1
    longest_unit = max(room // 4, 1)
    body = ids[:, :-1]
    pieces, texts = body.values, tf.cast(body.value_rowids(), tf.int32)
    position = tf.range(tf.size(pieces))
    row_start = tf.gather(tf.cast(body.row_starts(), tf.int32), texts)

    begins_word = tf.gather(word_starts, pieces) | (position == row_start)
    word = tf.cumsum(tf.cast(begins_word, tf.int32)) - 1
    in_word = position - tf.gather(tf.math.segment_min(position, word), word)
    unit_start = position - in_word % longest_unit - row_start
    fits = tf.gather(tf.cast(body.row_lengths(), tf.int32), texts) <= room
    # Units that start within one stretch of this width end within `room`, as none is longer than `longest_unit`.
    stretch = tf.where(fits, 0, unit_start // max(room - longest_unit, 1))

    begins_part = _changes(stretch) | (position == row_start)
    if placeholders:
        begins_part |= _changes(_group(pieces, texts, row_start))
    first = tf.cast(tf.where(begins_part)[:, 0], tf.int32)
    parts = tf.RaggedTensor.from_row_starts(pieces, tf.cast(first, tf.int64))
    ends = tf.fill([parts.nrows(), 1], END_ID)
    spaced = tf.gather(begins_word, first) & (first != tf.gather(row_start, first))
    return Parts(tf.concat([parts, ends], axis=1), tf.gather(texts, first), tf.where(spaced, " ", ""))


def _changes(values: tf.Tensor) -> tf.Tensor:
    """Which of `values (n,)`, none of them below 0, differ from the one before."""
    return values != tf.concat([[-1], values[:-1]], axis=0)


def _group(pieces: tf.Tensor, texts: tf.Tensor, row_start: tf.Tensor) -> tf.Tensor:
    """Which of its text's groups of `COUNT` placeholders each piece stands in, or after, `(pieces,)`."""
    found = tf.cast(is_placeholder(pieces), tf.int32)
    before = tf.cumsum(found, exclusive=True)
    before -= tf.gather(before, row_start)
    last = tf.gather(tf.math.segment_sum(found, texts), texts) - 1
    return tf.minimum(before, tf.maximum(last, 0)) // COUNT


def join(translations: tf.Tensor, parts: Parts, count: tf.Tensor) -> tf.Tensor:
    """Joins the parts' translations.

    Args:
        translations: `(parts, n)` string.
        parts: What was translated.
        count: How many texts there are.

    Returns:
        `(count, n)` string; empty for a text without parts.
    """
    return join_rows(parts.separators[:, None] + translations, parts.texts, count)


def join_rows(strings: tf.Tensor, rows: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Joins strings in order.

    Args:
        strings: `(strings, n)` string.
        rows: Which row of the result each is a part of, `(strings,)` int32.
        count: How many rows there are.

    Returns:
        `(count, n)` string.
    """
    n = strings.shape[1]
    places = rows[:, None] * n + tf.range(n)
    return tf.reshape(tf.strings.unsorted_segment_join(strings, places, count * n), [-1, n])
