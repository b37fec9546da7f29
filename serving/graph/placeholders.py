"""Protected text to placeholders, and back to itself in translations, in graph operations.

Texts are marked with bytes that no text in UTF-8 holds.
"""

from typing import NamedTuple

import tensorflow as tf

from pipeline.protected import COUNT, FIRST_ID, STRANGE, SYMBOL, SYMBOLS, is_placeholder
from pipeline.schema import END_ID, PAD_ID
from pipeline.tokenizer import normalize

_MARK = b"\xff"
_DIGIT = len("⟦".encode())


class Spans(NamedTuple):
    """What the placeholders of rows stand for; each row has them in order, and none of them twice.

    Attributes:
        texts: The protected text, `(rows, None)` string.
        first: The number of a row's first placeholder, after which they are counted on, `(rows,)` int32.
    """

    texts: tf.RaggedTensor
    first: tf.Tensor

    @property
    def lengths(self) -> tf.Tensor:
        """How many placeholders each row has, `(rows,)` int32."""
        return tf.cast(self.texts.row_lengths(), tf.int32)

    def places(self, numbers: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Where in `texts.values` the texts of placeholders stand, by their numbers and rows; -1 for one of no text."""
        place = numbers - tf.gather(self.first, rows)
        is_known = (place >= 0) & (place < tf.gather(self.lengths, rows))
        return tf.where(is_known, place + tf.gather(tf.cast(self.texts.row_starts(), tf.int32), rows), -1)

    def characters(self, ids: tf.Tensor) -> tf.Tensor:
        """How many characters of text the placeholders among `ids (rows, n)` stand for, `(rows, n)`; 0 for others."""
        lengths = tf.strings.length(self.texts.values, unit="UTF8_CHAR")
        rows = tf.broadcast_to(tf.range(tf.shape(ids)[0])[:, None], tf.shape(ids))
        places = tf.where(is_placeholder(ids), self.places(ids - FIRST_ID, rows), -1)
        return tf.gather(tf.concat([lengths, [0]], axis=0), tf.where(places < 0, tf.size(lengths), places))


def mask(texts: tf.Tensor, pattern: str) -> tuple[tf.Tensor, tf.RaggedTensor]:
    """Puts symbols in the place of protected text.

    They are numbered from 0 on, and again after the last one.

    Args:
        texts: `(n,)` string, any bytes.
        pattern: What to protect.

    Returns:
        `(n,)` string, in NFC, and what was protected, `(n, None)` string.
    """
    pieces, is_span = _divide(normalize(texts), pattern)
    spans = tf.ragged.boolean_mask(pieces, pieces.with_values(is_span))
    symbols = tf.gather(SYMBOLS, _within_rows(pieces) // 2 % COUNT)
    return _join(pieces, tf.where(is_span, symbols, pieces.values)), spans


def mask_alike(texts: tf.Tensor, spans: tf.RaggedTensor, pattern: str) -> tf.Tensor:
    """Puts symbols in the place of what is protected in other texts; what else is protected stays text.

    Args:
        texts: `(n,)` string, any bytes.
        spans: What each other text protects, `(n, None)` string, at most `COUNT` a row. Of equal strings, the first
            here is the first there.
        pattern: What to protect.

    Returns:
        `(n,)` string, in NFC.
    """
    pieces, is_span = _divide(normalize(texts), pattern)
    own = tf.ragged.boolean_mask(pieces, pieces.with_values(is_span))
    # The names of the other text come first, so that each is known by its place.
    _, known = tf.unique(tf.concat([_names(spans), _names(own)], axis=0))
    count = tf.size(spans.values)
    places = known[count:]
    numbers = tf.gather(tf.concat([_within_rows(spans), [0]], axis=0), tf.minimum(places, count))
    as_text = tf.strings.regex_replace(own.values, SYMBOL, STRANGE)
    masked = tf.where(places < count, tf.gather(SYMBOLS, numbers % COUNT), as_text)
    return _join(pieces, tf.tensor_scatter_nd_update(pieces.values, tf.where(is_span), masked))


def of_parts(ids: tf.RaggedTensor, spans: tf.RaggedTensor) -> Spans:
    """Divides what texts protect among their parts.

    Args:
        ids: Of all parts, in order, `(parts, None)` int32.
        spans: Of all texts, in order, `(texts, None)` string.
    """
    found = is_placeholder(ids.values)
    counts = tf.math.unsorted_segment_sum(tf.cast(found, tf.int32), ids.value_rowids(), ids.nrows())
    numbers = tf.where(found, ids.values - FIRST_ID, COUNT)
    first = tf.math.unsorted_segment_min(numbers, ids.value_rowids(), ids.nrows())
    return Spans(tf.RaggedTensor.from_row_lengths(spans.values, counts), first)


def repair(source_ids: tf.Tensor, ids: tf.Tensor, space: int) -> tf.Tensor:
    """Makes each placeholder of a source stand once in a translation, and no other.

    What the source does not have, and what stands there a second time, goes; what is missing comes at the end, each
    after a space.

    Args:
        source_ids: `(batch, src_len)`, PAD after END.
        ids: Translations, `(batch, n, tgt_len)`, PAD after END.
        space: The id of the space.

    Returns:
        `(batch, n, longest)`.
    """
    placeholders = tf.range(FIRST_ID, FIRST_ID + COUNT)
    wanted = tf.reduce_any(source_ids[:, :, None] == placeholders, axis=1)[:, None]
    found = ids[..., None] == placeholders
    is_first = found & (tf.cumsum(tf.cast(found, tf.int32), axis=2) == 1) & wanted[:, :, None]
    has_to_go = is_placeholder(ids) & ~tf.reduce_any(is_first, axis=3)
    # A space of its own before it goes, too.
    has_to_go |= (ids == space) & tf.pad(has_to_go[..., 1:], [[0, 0], [0, 0], [0, 1]])
    # A row of padding alone is no translation.
    missing = wanted & ~tf.reduce_any(is_first, axis=2) & (ids[:, :, :1] != PAD_ID)

    n = ids.shape[1]
    kept = tf.ragged.boolean_mask(*(tf.reshape(x, [-1, tf.shape(ids)[2]]) for x in (ids, (ids > END_ID) & ~has_to_go)))
    spaced = tf.stack([tf.fill([COUNT], space), placeholders], axis=1)
    spaced = tf.broadcast_to(tf.reshape(spaced, [1, -1]), [kept.nrows(), 2 * COUNT])
    added = tf.ragged.boolean_mask(spaced, tf.repeat(tf.reshape(missing, [-1, COUNT]), 2, axis=1))
    repaired = tf.concat([kept, added, tf.fill([kept.nrows(), 1], END_ID)], axis=1).to_tensor()
    return tf.reshape(repaired, [-1, n, tf.shape(repaired)[1]])


def unmask(texts: tf.Tensor, spans: Spans | None) -> tf.Tensor:
    """Puts protected text back in the place of its symbols.

    Args:
        texts: `(rows, n)` string, with symbols. One that stands there a second time is text, as is one of no span: a
            model may spell it in bytes.
        spans: What they stand for; None for texts without any.

    Returns:
        `(rows, n)` string.
    """
    if spans is None:
        return texts
    n = texts.shape[1]
    pieces, is_symbol = _divide(tf.reshape(texts, [-1]), SYMBOL)
    where, column = tf.where(is_symbol), tf.cast(tf.boolean_mask(pieces.value_rowids(), is_symbol), tf.int32)
    symbols = tf.boolean_mask(pieces.values, is_symbol)
    numbers = tf.strings.to_number(tf.strings.substr(symbols, _DIGIT, 1), tf.int32)
    order, names = tf.range(tf.size(symbols)), column * COUNT + numbers
    is_first = order == tf.gather(tf.math.unsorted_segment_min(order, names, tf.size(texts) * COUNT), names)
    places = tf.where(is_first, spans.places(numbers, column // n), -1)
    known = tf.gather(tf.concat([spans.texts.values, [""]], axis=0), tf.maximum(places, 0))
    values = tf.tensor_scatter_nd_update(pieces.values, where, tf.where(places < 0, symbols, known))
    return tf.reshape(_join(pieces, values), [-1, n])


def in_json(spans: Spans) -> Spans:
    """The same with each text as it stands within a string in JSON; protected text has no control characters."""
    escaped = tf.strings.regex_replace(spans.texts.values, r'(["\\])', r"\\\1")
    return spans._replace(texts=spans.texts.with_values(escaped))


def _divide(texts: tf.Tensor, pattern: str) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Divides `texts (n,)` in UTF-8 at what matches: `(n, None)`, and which of its values match."""
    marked = tf.strings.regex_replace(texts, f"({pattern})", _MARK + rb"\1" + _MARK)
    pieces = tf.strings.split(marked, _MARK)
    return pieces, _within_rows(pieces) % 2 == 1


def _join(pieces: tf.RaggedTensor, values: tf.Tensor) -> tf.Tensor:
    """Joins other values of the same rows, `(n,)`."""
    rows, count = tf.cast(pieces.value_rowids(), tf.int32), tf.cast(pieces.nrows(), tf.int32)
    return tf.strings.unsorted_segment_join(values, rows, count)


def _within_rows(ragged: tf.RaggedTensor) -> tf.Tensor:
    """Where in its row each value stands, `(values,)` int32."""
    return tf.cast(tf.ragged.range(ragged.row_lengths()).values, tf.int32)


def _names(spans: tf.RaggedTensor) -> tf.Tensor:
    """Of each span a name that no other has, `(values,)`: its row, how many equal ones come before, and its text."""
    in_row = tf.strings.join([tf.strings.as_string(spans.value_rowids()), spans.values], " ")
    _, same = tf.unique(in_row)
    order = tf.argsort(same, stable=True)
    among = tf.gather(same, order)
    places = tf.range(tf.size(order))
    rank = tf.gather(places - tf.gather(tf.math.segment_min(places, among), among), tf.math.invert_permutation(order))
    return tf.strings.join([tf.strings.as_string(rank), in_row], " ")
