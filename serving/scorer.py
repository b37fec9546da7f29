"""How likely a model finds given translations, in graph operations, from strings."""

import json
from collections.abc import Sequence

import tensorflow as tf

from models.config import DecodingConfig
from models.scoring import token_log_probabilities
from models.search import length_limit
from models.seq2seq import Seq2Seq
from pipeline.schema import PAD_ID
from pipeline.tokenizer import Tokenizer
from serving.chunks import in_chunks

_DIGITS = 6


class Scorer:
    """Scores pairs of texts; each text as it stands, in one part.

    Args:
        members: One model, or an ensemble's.
        source: Their source subwords.
        target: Their target subwords.
        decoding: Tells the longest source, and with it the longest translation.
    """

    def __init__(self, members: Sequence[Seq2Seq], source: Tokenizer, target: Tokenizer, decoding: DecodingConfig):
        self._members, self._source, self._target = members, source, target
        self._limits = decoding.max_source_length, length_limit(decoding.max_source_length, decoding)
        self._spelt = [json.dumps(piece, ensure_ascii=False) for piece in target.spell(range(target.vocab_size))]

    def __call__(self, texts: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores `targets (batch,)` as translations of `texts (batch,)`; see `Translator.score`."""
        texts, targets = tf.ensure_shape(texts, [None]), tf.ensure_shape(targets, [None])
        ids = self._source.tokenize(texts), self._target.tokenize(targets)
        message = "text, target: expected as many of either, received other counts; give one target a text"
        checks = [tf.debugging.Assert(tf.equal(tf.size(texts), tf.size(targets)), [message])]
        for name, rows, limit in zip(("text", "target"), ids, self._limits, strict=True):
            message = f"{name}: expected at most {limit} pieces to score, received more; shorten it"
            checks.append(tf.debugging.Assert(tf.reduce_all(rows.row_lengths() <= limit), [message]))
        with tf.control_dependencies(checks):
            columns = [rows.with_values(tf.identity(rows.values)) for rows in ids]
        outputs = [tf.TensorSpec([], dtype) for dtype in (tf.float32, tf.int32, tf.string)]
        names = "log_probability", "pieces", "piece_log_probabilities"
        return dict(zip(names, in_chunks(self._score_chunk, columns, outputs), strict=True))

    def _score_chunk(self, source_ids: tf.Tensor, target_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        each = token_log_probabilities(self._members, source_ids, target_ids)
        is_real = target_ids != PAD_ID
        pieces = tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32) - 1
        numbers = tf.strings.as_string(each, precision=_DIGITS)
        told = tf.strings.join(["[", tf.gather(self._spelt, target_ids), ", ", numbers, "]"])
        rows = tf.strings.reduce_join(tf.ragged.boolean_mask(told, is_real), axis=1, separator=", ")
        return tf.reduce_sum(each, axis=1), pieces, tf.strings.join(["[", rows, "]"])
