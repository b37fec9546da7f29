"""Which source pieces each target piece was translated from, in graph operations."""

import json
from typing import NamedTuple

import tensorflow as tf

from models.attention.alignment import attention_weights
from models.seq2seq import Seq2Seq
from pipeline.protected import is_placeholder
from pipeline.schema import END_ID, PAD_ID
from pipeline.tokenizer import Tokenizer, normalize
from serving.graph.placeholders import Spans, in_json, unmask
from serving.graph.segments import Parts, join
from serving.graph.sentences import Sentences, surround

_DIGITS = 4


class Alignments(NamedTuple):
    """Translations of parts, and what they attend to.

    Attributes:
        texts: `(parts,)` string.
        ids: `(parts, longest)` int32, PAD after END.
        matrices: The attention of each, `(parts,)` string, a JSON list of a list for each target piece.
    """

    texts: tf.Tensor
    ids: tf.Tensor
    matrices: tf.Tensor


class PieceTable:
    """How each piece is told: its spelling in JSON, and how many characters it brings.

    A character that is spelt in bytes comes with the first of them.

    Args:
        tokenizer: The subwords.
    """

    def __init__(self, tokenizer: Tokenizer):
        spelt = tokenizer.spell(range(tokenizer.vocab_size))
        self._starts_word = tokenizer.word_starts().numpy().astype("int32")
        self._spelt = [json.dumps(piece, ensure_ascii=False) for piece in spelt]
        self._characters = [_characters(n, piece) for n, piece in enumerate(spelt)]

    def characters(self, ids: tf.Tensor, spans: Spans | None) -> tf.Tensor:
        """How many characters each of `ids (rows, n)` brings, the space before a word included."""
        characters = tf.gather(tf.constant(self._characters), ids)
        return characters if spans is None else tf.where(is_placeholder(ids), spans.characters(ids), characters)

    def leading_spaces(self, ids: tf.Tensor) -> tf.Tensor:
        """How many spaces, one or none, stand before the first word of each row of `ids (rows, longest)`, `(rows,)`."""
        # No text at all has no first column.
        return tf.reduce_sum(tf.gather(tf.constant(self._starts_word), ids[:, :1]), axis=1)

    def told(self, ids: tf.Tensor, spans: Spans | None, begin: tf.Tensor, unspoken: tf.Tensor) -> tf.Tensor:
        """Tells of pieces and where they stand.

        Args:
            ids: `(rows, longest)`, PAD after END.
            spans: What their placeholders stand for; None where there are none.
            begin: Where each row's first character stands, `(rows,)`.
            unspoken: How many characters of each row's first piece do not stand in the text, `(rows,)`.

        Returns:
            `(rows,)` string: of each a JSON list of lists `[piece, begin, end]`.
        """
        ends = tf.cumsum(self.characters(ids, spans), axis=1) - unspoken[:, None]
        begins = tf.concat([tf.zeros_like(ends[:, :1]), ends[:, :-1]], axis=1)
        begins, ends = (tf.strings.as_string(place + begin[:, None]) for place in (begins, ends))
        told = tf.strings.join([", [", tf.gather(tf.constant(self._spelt), ids), ", ", begins, ", ", ends, "]"])
        told = json_list(told, ids != PAD_ID)
        return told if spans is None else unmask(told[:, None], in_json(spans))[:, 0]


def _characters(number: int, piece: str) -> int:
    if number <= END_ID:
        return 0
    is_byte = len(piece) == 6 and piece.startswith("<0x")
    return int(int(piece[3:5], 16) & 0xC0 != 0x80) if is_byte else len(piece)


def json_list(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Joins JSON values `(..., n)`, each after a comma and a space, to lists `(...)` of those where `mask` is True."""
    joined = tf.strings.reduce_join(tf.where(mask, values, ""), axis=-1)
    return tf.strings.join(["[", tf.strings.regex_replace(joined, r"\A, ", "", replace_global=False), "]"])


class Aligner:
    """Tells which source pieces each piece of a translation was made from.

    Args:
        model: A model with attention.
        source: Its source subwords.
        target: Its target subwords.
    """

    def __init__(self, model: Seq2Seq, source: Tokenizer, target: Tokenizer):
        self._model, self._source, self._target = model, PieceTable(source), PieceTable(target)

    def matrices(self, source_ids: tf.Tensor, target_ids: tf.Tensor) -> tf.Tensor:
        """The attention of translations `(rows, tgt_len)` to sources `(rows, src_len)`: JSON matrices `(rows,)`."""
        weights = attention_weights(self._model, source_ids, target_ids)
        numbers = tf.strings.join([", ", tf.strings.as_string(weights, precision=_DIGITS)])
        steps = json_list(numbers, (source_ids != PAD_ID)[:, None])
        return json_list(tf.strings.join([", ", steps]), target_ids != PAD_ID)

    def tell(self, sentences: Sentences, parts: Parts, found: Alignments, count: tf.Tensor) -> tf.Tensor:
        """Tells of whole texts.

        Args:
            sentences: The sentences of the texts.
            parts: Their parts.
            found: The parts' translations.
            count: How many texts there are.

        Returns:
            `(count,)` string: a JSON list of objects, one a part; see `Translator.align`.
        """
        told = tf.strings.join(
            [
                '{"source": ',
                self._source_pieces(sentences, parts),
                ', "target": ',
                self._target_pieces(sentences, parts, found),
                ', "attention": ',
                found.matrices,
                "}",
            ]
        )
        rows = tf.gather(sentences.texts, parts.texts)
        return tf.strings.join(["[", tf.strings.unsorted_segment_join(told, rows, count, separator=", "), "]"])

    def _source_pieces(self, sentences: Sentences, parts: Parts) -> tf.Tensor:
        ids = parts.ids.to_tensor(PAD_ID)
        # SentencePiece sets a space before a sentence, and before a further part stands one of the text's.
        is_further = tf.cast(parts.texts == tf.concat([[-1], parts.texts[:-1]], axis=0), tf.int32)
        lengths = tf.reduce_sum(self._source.characters(ids, parts.spans), axis=1) - 1 + is_further
        around = tf.strings.join([sentences.before, normalize(sentences.sentences), sentences.after])
        begins = _running(_characters_of(around), sentences.texts) + _characters_of(sentences.before)
        begins = _running(lengths, parts.texts) + tf.gather(begins, parts.texts)
        unspoken = self._source.leading_spaces(ids)
        return self._source.told(ids, parts.spans, begins + is_further * unspoken, unspoken)

    def _target_pieces(self, sentences: Sentences, parts: Parts, found: Alignments) -> tf.Tensor:
        joined = join(found.texts[:, None], parts, tf.size(sentences.texts))
        around = surround(joined, sentences)[:, 0]
        begins = _running(_characters_of(around), sentences.texts) + _characters_of(sentences.before)
        lengths = _characters_of(parts.separators + found.texts)
        begins = _running(lengths, parts.texts) + _characters_of(parts.separators) + tf.gather(begins, parts.texts)
        return self._target.told(found.ids, parts.spans, begins, self._target.leading_spaces(found.ids))


def _characters_of(strings: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(strings, unit="UTF8_CHAR")


def _running(lengths: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
    """The sum of the lengths `(n,)` before each within its group; `groups (n,)` rise."""
    before = tf.cumsum(lengths, exclusive=True)
    return before - tf.gather(tf.math.segment_min(before, groups), groups)
