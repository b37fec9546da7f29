"""Subword regularization: a sentence is divided into other pieces each time that it is read."""

import threading
from typing import Literal

import numpy as np
import sentencepiece
import tensorflow as tf

from pipeline.schema import END_ID
from pipeline.tokenizer import Tokenizer

Sides = Literal["both", "source", "target"]

# The recommended strengths lengthen a sentence by a third, and one of a hundred sentences to more than twice as much.
GROWTH = 2
_SEED = threading.Lock()
# With this one, SentencePiece takes a seed from the machine.
_NO_SEED = 2**32 - 1


class Regularizer:
    """Draws the pieces of sentences anew: BPE-dropout, or a segmentation by its probability in a unigram model.

    BPE drops each merge with a probability p each time that it could be made (Provilkov 2020, section 3: 0.1). Of a
    unigram model, all segmentations are drawn from, in proportion to the power alpha of their probability (Kudo 2018,
    section 3.2: 0.2 to 0.5).

    What is drawn is a function of the key and the sentences alone: SentencePiece gives each of its threads a generator
    of its own when it draws first, which begins with the seed that then holds, and each list its own threads.

    Args:
        tokenizer: The subwords.
        strength: p, or alpha, above 0.
    """

    def __init__(self, tokenizer: Tokenizer, strength: float):
        self._tokenizer, self._strength = tokenizer, strength
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
        self._first_byte = self._pieces.piece_to_id("<0x00>")

    def __call__(self, ids: tf.RaggedTensor, key: tf.Tensor, longest: tf.Tensor) -> tf.RaggedTensor:
        """Draws, in a graph.

        Args:
            ids: `(n, None)` int32, each row ending with END.
            key: `(k,)` int64, at least 0. It decides the draw.
            longest: A sentence that would be longer, in pieces with END, keeps its pieces, scalar.

        Returns:
            Pieces of the same text, as `ids`. A sentence of which a symbol of the user's own or a placeholder would be
            divided keeps its pieces.
        """
        arguments = [self._tokenizer.detokenize(ids), ids.values, ids.row_splits, key, longest]
        values, splits = tf.numpy_function(self._draw, arguments, [tf.int32, tf.int64], stateful=False)
        values, splits = tf.ensure_shape(values, [None]), tf.ensure_shape(splits, [None])
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False)

    def _draw(
        self, texts: np.ndarray, values: np.ndarray, splits: np.ndarray, key: np.ndarray, longest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        own = np.split(values, splits[1:-1])
        drawn = self._sample(texts.tolist(), int(np.random.SeedSequence(key.tolist()).generate_state(1)[0]))
        rows = [new if self._fits(new, old, longest) else old for new, old in zip(drawn, own, strict=True)]
        return np.concatenate(rows), np.cumsum([0, *map(len, rows)])

    def _sample(self, texts: list[bytes], seed: int) -> list[np.ndarray]:
        with _SEED:
            sentencepiece.set_random_generator_seed(seed % _NO_SEED)
            rows = self._pieces.encode(
                texts,
                add_eos=True,
                enable_sampling=True,
                nbest_size=-1,
                alpha=self._strength,
                num_threads=1,
            )
        return [np.array(row, np.int32) for row in rows]

    def _fits(self, new: np.ndarray, old: np.ndarray, longest: np.ndarray) -> bool:
        return bool(len(new) <= longest) and np.array_equal(self._symbols(new), self._symbols(old))

    def _symbols(self, ids: np.ndarray) -> np.ndarray:
        """Those that are the user's own or stand for protected text: their ids come before those of bytes."""
        return ids[(ids > END_ID) & (ids < self._first_byte)]
