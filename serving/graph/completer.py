"""Translations that go on where somebody has begun them, in graph operations, from strings."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.beam_search import Hypotheses
from models.decoding.forced_prefix import Beginning, Spelling
from models.decoding.search import Begun, Searchable, length_limit, search
from pipeline.protected import is_placeholder
from pipeline.schema import END_ID, PAD_ID
from pipeline.tokenizer import Tokenizer
from serving.graph.chunks import in_chunks
from serving.graph.placeholders import Spans, mask_alike, unmask
from serving.graph.prefixes import resume, under_way
from serving.graph.segments import Parts, join
from serving.graph.sentences import Sentences, surround

# Of what was typed last, so many bytes are spelt anew, at most, unless a single piece has more.
_REACH = 32


class Typed(NamedTuple):
    """What was typed, as it is to be said again: whole pieces, then bytes.

    Attributes:
        pieces: `(texts, None)` int32.
        bytes: Each and 1, `(texts, None)` int32.
    """

    pieces: tf.RaggedTensor
    bytes: tf.RaggedTensor


class Completer:
    """Completes translations.

    Args:
        model: The model, or several that search as one.
        target: Its target subwords.
        decoding: How to search.
        protected: The pattern of text that placeholders stand for; empty for none.
        repaired: From sources `(batch, src_len)` and hypotheses to such with the placeholders of the sources.
    """

    def __init__(
        self,
        model: Searchable,
        target: Tokenizer,
        decoding: DecodingConfig,
        protected: str,
        repaired: Callable[[tf.Tensor, Hypotheses], Hypotheses],
    ):
        self._model, self._target, self._decoding = model, target, decoding
        self._protected, self._repaired = protected, repaired
        spelt = [
            b"" if n <= END_ID else _bytes_of(piece) for n, piece in enumerate(target.spell(range(target.vocab_size)))
        ]
        self._spelling = Spelling.of(spelt)
        self._bytes = np.zeros((len(spelt), max(map(len, spelt))), "int32")
        for row, piece in zip(self._bytes, spelt, strict=True):
            row[: len(piece)] = np.frombuffer(piece, "uint8").astype("int32") + 1
        self._starts_word = target.word_starts().numpy()

    def __call__(
        self,
        prefixes: tf.Tensor,
        sentences: Sentences,
        parts: Parts,
        texts: tf.Tensor,
        translate: Callable[[tf.RaggedTensor], tf.Tensor],
    ) -> tf.Tensor:
        """Translates texts from where somebody has got; see `Translator.prefix`.

        Args:
            prefixes: The beginnings of the translations, `(texts,)` string.
            sentences: Those of the texts.
            parts: Those of the sentences.
            texts: How many texts there are.
            translate: From the ids of parts that nobody has begun, `(parts, None)`, to translations `(parts,)`.

        Returns:
            `(texts,)` string.
        """
        prefixes = tf.ensure_shape(prefixes, [None])
        message = "text, prefix: expected as many of either, received other counts; give one prefix a text"
        with tf.control_dependencies([tf.debugging.Assert(tf.equal(tf.size(prefixes), texts), [message])]):
            prefixes = tf.identity(prefixes)
        found = under_way(prefixes, sentences, self._decoding.split_sentences, self._protected)
        rest = tf.where(found.is_current, tf.gather(found.rest, sentences.texts), "")
        is_begun, count = tf.gather(rest != "", parts.texts), tf.size(sentences.texts)
        counts = tf.math.unsorted_segment_sum(tf.cast(is_begun, tf.int32), parts.texts, count)
        message = "prefix: expected an end in a sentence that is translated in one part, received another; shorten it"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(counts <= 1), [message])]):
            is_free = ~(is_begun | tf.gather(found.is_done, parts.texts))
        of_begun = tf.boolean_mask(parts.texts, is_begun)
        typed, spans = tf.gather(rest, of_begun), None
        if self._protected and parts.spans is not None:
            spans = Spans(*(tf.ragged.boolean_mask(column, is_begun) for column in parts.spans))
            typed = mask_alike(typed, spans.texts, self._protected)
        begun = self._complete(tf.ragged.boolean_mask(parts.ids, is_begun), typed)
        found_texts = tf.fill(tf.shape(parts.texts), "")
        for some, strings in ((is_begun, begun), (is_free, translate(tf.ragged.boolean_mask(parts.ids, is_free)))):
            found_texts = tf.tensor_scatter_nd_update(found_texts, tf.where(some), strings)
        translations = surround(join(unmask(found_texts[:, None], parts.spans), parts, count), sentences)[:, 0]
        again = unmask(self._target.detokenize(self._target.tokenize(typed))[:, None], spans)[:, 0]
        said = tf.tensor_scatter_nd_add(
            tf.strings.length(sentences.before), of_begun[:, None], tf.strings.length(again)
        )
        return resume(prefixes, translations, said, found, sentences.texts)

    def _complete(self, source_ids: tf.RaggedTensor, prefixes: tf.Tensor) -> tf.Tensor:
        """Completes `prefixes (parts,)`, none of them empty, to translations of `source_ids (parts, None)`."""
        ids = self._target.tokenize(prefixes)[:, :-1]
        limit = length_limit(self._decoding.max_source_length, self._decoding) - 1
        message = f"prefix: expected at most {limit} pieces in a sentence, received more; shorten it"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(ids.row_lengths() <= limit), [message])]):
            typed = self._divide(ids)
        (found,) = in_chunks(self._complete_chunk, [source_ids, *typed], [tf.TensorSpec([], tf.string)])
        return found

    def _complete_chunk(self, source_ids: tf.Tensor, pieces: tf.Tensor, spelt: tf.Tensor) -> tuple[tf.Tensor]:
        begun = Begun(Beginning(pieces, spelt), self._spelling)
        found = self._repaired(source_ids, search(self._model, source_ids, self._decoding, begun=begun))
        return (self._target.detokenize(tf.RaggedTensor.from_tensor(found.ids[:, 0])),)

    def _divide(self, ids: tf.RaggedTensor) -> Typed:
        """Takes the pieces of the last word, or the last few of a long one, for bytes."""
        rows, count = tf.cast(ids.value_rowids(), tf.int32), tf.cast(ids.nrows(), tf.int32)
        sizes = tf.gather(self._spelling.sizes, ids.values)
        ends = tf.cumsum(sizes)
        # Bytes from the beginning of each piece to the end of its row.
        left = tf.gather(tf.math.unsorted_segment_max(ends, rows, count), rows) - ends + sizes
        places = tf.range(tf.size(rows))
        last = tf.math.unsorted_segment_max(places, rows, count)
        word = tf.math.unsorted_segment_max(tf.where(tf.gather(self._starts_word, ids.values), places, 0), rows, count)
        near = tf.math.unsorted_segment_min(tf.where(left <= _REACH, places, tf.size(places)), rows, count)
        cut = tf.minimum(tf.maximum(word, near), last)
        if self._protected:
            # A placeholder is said as what it is.
            after = tf.where(is_placeholder(ids.values), places + 1, 0)
            cut = tf.maximum(cut, tf.math.unsorted_segment_max(after, rows, count))
        is_spelt = places >= tf.gather(cut, rows)
        spelt = tf.ragged.boolean_mask(ids, ids.with_values(is_spelt))
        spelt_bytes = tf.gather(self._bytes, spelt.values)
        lengths = tf.math.unsorted_segment_sum(tf.where(is_spelt, sizes, 0), rows, count)
        flat = tf.boolean_mask(spelt_bytes, spelt_bytes > PAD_ID)
        kept = tf.ragged.boolean_mask(ids, ids.with_values(~is_spelt))
        return Typed(kept, tf.RaggedTensor.from_row_lengths(flat, tf.cast(lengths, tf.int64)))


def _bytes_of(piece: str) -> bytes:
    is_byte = len(piece) == 6 and piece.startswith("<0x")
    return bytes([int(piece[3:5], 16)]) if is_byte else piece.replace("\u2581", " ").encode()
