"""Subwords outside a graph, by the package `sentencepiece`: learned from text, and text to ids."""

import functools
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sentencepiece
from google.protobuf import empty_pb2, unknown_fields

from pipeline import protected
from pipeline.errors import UserError
from pipeline.schema import END_ID, PAD_ID, START_ID, UNK_ID

# Spaces other than the plain one, for Python's expressions and RE2's.
SPACES = "[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
# Of sentencepiece_model.proto: ModelProto.trainer_spec, TrainerSpec.model_type and its value for BPE.
_TRAINER_SPEC, _MODEL_TYPE, _BPE = 2, 3, 2


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


class Pieces:
    """What the pieces of a SentencePiece model are, and which a text has; no TensorFlow, but for a unigram model's ids.

    Args:
        model: A SentencePiece model's bytes, as `train_subwords` makes them.

    Attributes:
        vocab_size: Count of its ids.
    """

    def __init__(self, model: bytes):
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.vocab_size: int = self._processor.vocab_size()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Turns texts into ids, each row ending with END: those that `Tokenizer.tokenize` gives.

        Those of BPE come from the package `sentencepiece`, so that what encodes them loads no TensorFlow. The unigram
        model's sums round differently in it, and where two divisions of a text are all but equally likely it would
        choose another one than an export does: tensorflow-text makes those.

        Args:
            texts: In NFC.
        """
        if not self._is_bpe:
            return self._in_graph(texts)
        plain = [text if text.isprintable() else re.sub(SPACES, " ", text) for text in texts]
        return self._processor.encode(plain, add_eos=True)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id, with U+2581 for a space."""
        return self._processor.id_to_piece(list(ids))

    @functools.cached_property
    def _is_bpe(self) -> bool:
        trainer = _last_field(self._model, _TRAINER_SPEC)
        return _last_field(trainer or b"", _MODEL_TYPE) == _BPE

    @functools.cached_property
    def _in_graph(self) -> Callable[[Sequence[str]], list[list[int]]]:
        import tensorflow as tf

        from pipeline.tokenizer import Tokenizer

        tokenizer = Tokenizer(self._model)
        return lambda texts: tokenizer.tokenize(tf.constant(texts, tf.string)).to_list()


def _last_field(message: bytes, number: int) -> Any:
    """The value of a field of a serialized protocol buffer; None if it is not set."""
    fields = unknown_fields.UnknownFieldSet(empty_pb2.Empty.FromString(message))
    return next((field.data for field in reversed([*fields]) if field.field_number == number), None)
