"""Subwords in a graph: SentencePiece, run by tensorflow-text."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.python.ops import sentencepiece_tokenizer

from pipeline.errors import UserError
from pipeline.pieces import SPACES
from pipeline.schema import END_ID

_GUARD, _SPACE = "<0x21>", "\u2581"


def normalize(texts: tf.Tensor) -> tf.Tensor:
    """Makes any bytes valid UTF-8 in Unicode's composed form.

    Args:
        texts: `(n,)` string. Each malformed byte sequence becomes U+FFFD.

    Returns:
        `(n,)` string, in NFC; nothing else is changed, white space and control characters included.
    """
    valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replacement_char=0xFFFD)
    return tf_text.normalize_utf8(valid, "NFC")


class _SharedModel(sentencepiece_tokenizer._SentencepieceModelResource):
    """A SentencePiece model that lives as long as the process, under a name that its bytes decide.

    tensorflow-text's own belongs to the operation that made it, and is gone as soon as `tf.random.set_seed` empties
    the cache of operations.
    """

    def _create_resource(self) -> tf.Tensor:
        name = f"sentencepiece_{hashlib.sha256(self._model).hexdigest()}"
        make = sentencepiece_tokenizer.gen_sentencepiece_tokenizer.sentencepiece_op
        return make(model=self._model, shared_name=name)


class Tokenizer(tf.Module):
    """Text to piece ids and back, in graph operations that TF Serving has.

    `detokenize(tokenize(texts))` equals `normalize(texts)`, except that every space comes back as a plain one, and so
    does U+2581, which stands for the space inside SentencePiece.

    Args:
        model: A SentencePiece model's bytes, as `train_subwords` makes them.

    Attributes:
        model: See above.
        fingerprint: SHA-256 of it, in hexadecimal.
        vocab_size: Count of its ids.
        space: The id of the space; UNK if it has none.
    """

    def __init__(self, model: bytes):
        super().__init__(name="tokenizer")
        self.model = model
        self.fingerprint = hashlib.sha256(model).hexdigest()
        self._pieces = tf_text.SentencepieceTokenizer(model, out_type=tf.int32, add_eos=True)
        self._pieces._model_resource = _SharedModel(model, None)
        self.vocab_size = int(self._pieces.vocab_size())
        self._guard = int(self._pieces.string_to_id(_GUARD))
        self.space = int(self._pieces.string_to_id(_SPACE))

    @classmethod
    def read(cls, path: str | Path, fingerprint: str | None = None) -> "Tokenizer":
        """Reads a model file.

        Args:
            path: The file.
            fingerprint: The SHA-256 that it must have.

        Raises:
            UserError: The file is missing, or is not the one that the fingerprint names.
        """
        try:
            model = Path(path).read_bytes()
        except FileNotFoundError:
            raise UserError(
                f"tokenizer: expected a SentencePiece model, received {str(path)!r}, which does not exist;"
                " put back the file that belongs to this data set or run"
            ) from None
        found = hashlib.sha256(model).hexdigest()
        if fingerprint is not None and found != fingerprint:
            raise UserError(
                f"tokenizer: expected the model with SHA-256 {fingerprint}, received {str(path)!r} with {found};"
                " put back the file that belongs to this data set or run"
            )
        return cls(model)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Turns texts into ids; no-break and other spaces of their own width (Unicode's Zs) are plain ones.

        Cleaned text has plain ones alone, so that a model knows no other.

        Args:
            texts: `(n,)` string, any bytes.

        Returns:
            `(n, None)` int32, each row ending with END.
        """
        return self._pieces.tokenize(tf.strings.regex_replace(normalize(texts), SPACES, " "))

    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Turns ids into texts.

        Args:
            ids: `(n, None)` int32; PAD, UNK, START and END vanish.

        Returns:
            `(n,)` string, valid UTF-8: byte pieces that spell no character become U+FFFD.
        """
        ids = tf.ragged.boolean_mask(ids, ids > END_ID)
        # SentencePiece drops every space at the beginning, not just the one that it added, unless a piece stands there.
        guard = tf.fill([ids.nrows(), 1], tf.constant(self._guard, ids.dtype))
        texts = self._pieces.detokenize(tf.concat([guard, ids], axis=1))
        return tf.strings.regex_replace(texts, r"\A! ?", "", replace_global=False)

    def text(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of one sentence's ids, outside a graph; see `detokenize`."""
        return self.detokenize(tf.RaggedTensor.from_tensor(tf.constant([ids], tf.int32))).numpy()[0].decode()

    def spell(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        """The piece of each id, with U+2581 for a space."""
        return [piece.decode() for piece in self._pieces.id_to_string(tf.constant(ids, tf.int32)).numpy()]

    def word_starts(self) -> tf.Tensor:
        """Which ids begin a word, `(vocab_size,)` bool: those whose piece begins with U+2581."""
        return tf.strings.regex_full_match(self._spelt(), "\u2581.*")

    def ids_in(self, other: "Tokenizer") -> tf.Tensor:
        """The id that another tokenizer has for each piece, UNK where it has none, `(vocab_size,)` int32."""
        return other._pieces.string_to_id(self._spelt())

    def _spelt(self) -> tf.Tensor:
        return self._pieces.id_to_string(tf.range(self.vocab_size))
