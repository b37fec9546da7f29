"""Subwords: SentencePiece, trained by `sentencepiece`, run by tensorflow-text."""

import functools
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text
from google.protobuf import empty_pb2, unknown_fields
from tensorflow_text.python.ops import sentencepiece_tokenizer

from pipeline import protected
from pipeline.errors import UserError
from pipeline.schema import END_ID, PAD_ID, START_ID, UNK_ID

_GUARD, _SPACE = "<0x21>", "\u2581"
# Spaces other than the plain one, for Python's expressions and RE2's.
_SPACES = "[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
# Of sentencepiece_model.proto: ModelProto.trainer_spec, TrainerSpec.model_type and its value for BPE.
_TRAINER_SPEC, _MODEL_TYPE, _BPE = 2, 3, 2


def normalize(texts: tf.Tensor) -> tf.Tensor:
    """Makes any bytes valid UTF-8 in Unicode's composed form.

    Args:
        texts: `(n,)` string. Each malformed byte sequence becomes U+FFFD.

    Returns:
        `(n,)` string, in NFC; nothing else is changed, white space and control characters included.
    """
    valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replacement_char=0xFFFD)
    return tf_text.normalize_utf8(valid, "NFC")


def train_subwords(
    sentences: Iterable[str],
    *,
    vocab_size: int,
    model_type: str = "bpe",
    character_coverage: float = 0.9995,
    placeholders: bool = False,
    user_symbols: Sequence[str] = (),
    threads: int = 8,
) -> bytes:
    """Learns a SentencePiece model; the same sentences give the same bytes.

    Characters without a piece of their own are spelt in byte pieces, so no text holds an unknown word.

    Args:
        sentences: The text, in NFC.
        vocab_size: Pieces wanted; the model has fewer if the text holds no more.
        model_type: `bpe` or `unigram`.
        character_coverage: Share of the text's characters that get a piece of their own.
        placeholders: Whether the symbols that stand for protected text are pieces, which nothing else is a part of.
        user_symbols: Others of that kind, whose ids come next.
        threads: How many learn. Their count decides the order in which the unigram model's sums are made, and so its
            pieces, and stands in the model file: it is never the machine's.

    Returns:
        The model file's bytes.

    Raises:
        UserError: `vocab_size` is too small for the text's characters, or there is nothing to learn from.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=model_type,
            character_coverage=character_coverage,
            hard_vocab_limit=False,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            pad_id=PAD_ID,
            unk_id=UNK_ID,
            bos_id=START_ID,
            eos_id=END_ID,
            user_defined_symbols=[*(protected.SYMBOLS if placeholders else ()), *user_symbols],
            num_threads=threads,
            minloglevel=2,
        )
    except RuntimeError as error:
        needed = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if needed:
            raise UserError(
                f"--vocab-size: expected at least {needed[1]} for the characters of this text, received {vocab_size};"
                " raise it, or lower --character-coverage"
            ) from None
        raise UserError(
            f"--source, --target: expected text from which subwords can be learned, received text of which"
            f" SentencePiece says: {' '.join(str(error).split())}; give more or other text"
        ) from None
    return model.getvalue()


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
        return self._pieces.tokenize(tf.strings.regex_replace(normalize(texts), _SPACES, " "))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Turns many texts into ids outside a graph: those that `tokenize` gives.

        Those of BPE come from the package `sentencepiece`, which takes half of tensorflow-text's time for them. The
        unigram model's sums round differently in it, and where two divisions of a text are all but equally likely it
        would choose another one than an export does.

        Args:
            texts: In NFC.
        """
        if self._bpe is None:
            return self.tokenize(tf.constant(texts, tf.string)).to_list()
        plain = [text if text.isprintable() else re.sub(_SPACES, " ", text) for text in texts]
        return self._bpe.encode(plain, add_eos=True)

    @functools.cached_property
    def _bpe(self) -> sentencepiece.SentencePieceProcessor | None:
        trainer = _last_field(self.model, _TRAINER_SPEC)
        if _last_field(trainer or b"", _MODEL_TYPE) != _BPE:
            return None
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

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


def _last_field(message: bytes, number: int) -> Any:
    """The value of a field of a serialized protocol buffer; None if it is not set."""
    fields = unknown_fields.UnknownFieldSet(empty_pb2.Empty.FromString(message))
    return next((field.data for field in reversed([*fields]) if field.field_number == number), None)
