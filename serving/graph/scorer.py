"""How likely a model finds given translations, in graph operations, from strings."""

import json
from collections.abc import Sequence

import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.scoring import token_log_probabilities
from models.decoding.search import length_limit
from models.seq2seq import Seq2Seq
from pipeline.protected import COUNT
from pipeline.schema import PAD_ID
from pipeline.tokenizer import Tokenizer
from serving.graph.chunks import in_chunks
from serving.graph.placeholders import in_json, mask, mask_alike, of_parts, unmask

_DIGITS = 6


class Scorer:
    """Scores pairs of texts; each text as it stands, in one part.

    Args:
        members: One model, or an ensemble's.
        source: Their source subwords.
        target: Their target subwords.
        decoding: Tells the longest source, and with it the longest translation.
        protected: The pattern of text that placeholders stand for; empty for none.
    """

    def __init__(
        self,
        members: Sequence[Seq2Seq],
        source: Tokenizer,
        target: Tokenizer,
        decoding: DecodingConfig,
        protected: str = "",
    ):
        self._members, self._source, self._target, self._protected = members, source, target, protected
        self._limits = decoding.max_source_length, length_limit(decoding.max_source_length, decoding)
        self._spelt = [json.dumps(piece, ensure_ascii=False) for piece in target.spell(range(target.vocab_size))]

    def __call__(self, texts: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores `targets (batch,)` as translations of `texts (batch,)`; see `Translator.score`."""
        texts, targets = tf.ensure_shape(texts, [None]), tf.ensure_shape(targets, [None])
        message = "text, target: expected as many of either, received other counts; give one target a text"
        checks = [tf.debugging.Assert(tf.equal(tf.size(texts), tf.size(targets)), [message])]
        if self._protected:
            texts, protected = mask(texts, self._protected)
            message = f"text: expected at most {COUNT} placeholders to score, received more; divide it"
            checks.append(tf.debugging.Assert(tf.reduce_all(protected.row_lengths() <= COUNT), [message]))
            targets = mask_alike(targets, protected, self._protected)
        ids = self._source.tokenize(texts), self._target.tokenize(targets)
        for name, rows, limit in zip(("text", "target"), ids, self._limits, strict=True):
            message = f"{name}: expected at most {limit} pieces to score, received more; shorten it"
            checks.append(tf.debugging.Assert(tf.reduce_all(rows.row_lengths() <= limit), [message]))
        with tf.control_dependencies(checks):
            columns = [rows.with_values(tf.identity(rows.values)) for rows in ids]
        outputs = [tf.TensorSpec([], dtype) for dtype in (tf.float32, tf.int32, tf.string)]
        total, pieces, told = in_chunks(self._score_chunk, columns, outputs)
        if self._protected:
            told = unmask(told[:, None], in_json(of_parts(columns[0], protected)))[:, 0]
        return {"log_probability": total, "pieces": pieces, "piece_log_probabilities": told}

    def _score_chunk(self, source_ids: tf.Tensor, target_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        each = token_log_probabilities(self._members, source_ids, target_ids)
        is_real = target_ids != PAD_ID
        pieces = tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32) - 1
        numbers = tf.strings.as_string(each, precision=_DIGITS)
        told = tf.strings.join(["[", tf.gather(self._spelt, target_ids), ", ", numbers, "]"])
        rows = tf.strings.reduce_join(tf.ragged.boolean_mask(told, is_real), axis=1, separator=", ")
        return tf.reduce_sum(each, axis=1), pieces, tf.strings.join(["[", rows, "]"])
