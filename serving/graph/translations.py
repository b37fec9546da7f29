"""The translations of parts, and those of whole texts, in graph operations."""

from typing import NamedTuple

import tensorflow as tf

from models.decoding.beam_search import Hypotheses
from pipeline.schema import END_ID, PAD_ID
from pipeline.tokenizer import Tokenizer
from serving.graph.placeholders import unmask
from serving.graph.segments import Parts, join
from serving.graph.sentences import Sentences, join_sentences


class Translations(NamedTuple):
    """The best translations of texts, or of parts, best first.

    Attributes:
        texts: `(batch, n)` string.
        scores: Log-probabilities over their length penalties, `(batch, n)` float32.
        lengths: Their pieces, END not counted, `(batch, n)` int32.
    """

    texts: tf.Tensor
    scores: tf.Tensor
    lengths: tf.Tensor

    @staticmethod
    def specs(n: int) -> list[tf.TensorSpec]:
        """What there is of one text."""
        return [tf.TensorSpec([n], dtype) for dtype in (tf.string, tf.float32, tf.int32)]

    @classmethod
    def of(cls, found: Hypotheses, n: int, target: Tokenizer) -> "Translations":
        """Those that a search has found, n of each part, in the target's subwords."""
        ids, scores = found
        flat = tf.RaggedTensor.from_tensor(tf.reshape(ids, [-1, tf.shape(ids)[2]]))
        texts = tf.reshape(target.detokenize(flat), [-1, n])
        lengths = tf.math.count_nonzero((ids != PAD_ID) & (ids != END_ID), axis=2, dtype=tf.int32)
        return cls(texts, scores, lengths)

    def joined(self, sentences: Sentences, parts: Parts, count: tf.Tensor) -> "Translations":
        """Those of texts, of those of their parts; scores and lengths are the parts' sums.

        Args:
            sentences: Those of the texts.
            parts: Those of the sentences.
            count: How many texts there are.
        """
        rows = tf.gather(sentences.texts, parts.texts)
        return Translations(
            join_sentences(join(unmask(self.texts, parts.spans), parts, tf.size(sentences.texts)), sentences, count),
            tf.math.unsorted_segment_sum(self.scores, rows, count),
            tf.math.unsorted_segment_sum(self.lengths, rows, count),
        )
