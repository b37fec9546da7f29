"""Texts to sentences, and their translations back to one text, in graph operations."""

from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from serving.graph.segments import join_rows
from serving.graph.sentence_ends import DIVIDING, ENDING, NEEDS_SPACE, SPACE

# `regex_split` ends at a NUL: so each stands as a mark and a sign meanwhile, and a mark as itself and another sign.
_MARK, _MARK_SIGN, _NUL_SIGN = "\U0010fffe", "\U0010ffff", "\ufdd0"


class Sentences(NamedTuple):
    """Texts divided into sentences; `before`, `sentences` and `after`, joined in order, are the texts.

    Attributes:
        sentences: `(sentences,)` string, the sentences of all texts, in order, without white space around them; one may
            be empty, where a line is.
        texts: Which text each belongs to, `(sentences,)` int32.
        before: The white space before each, `(sentences,)` string: none but at a text's beginning.
        after: The white space after each, `(sentences,)` string.
        unspaced: Whether another sentence follows without any, `(sentences,)` bool.
    """

    sentences: tf.Tensor
    texts: tf.Tensor
    before: tf.Tensor
    after: tf.Tensor
    unspaced: tf.Tensor


def whole_texts(texts: tf.Tensor) -> Sentences:
    """Takes each of `texts (texts,)`, with its white space, for one sentence."""
    nothing = tf.fill(tf.shape(texts), "")
    return Sentences(texts, tf.range(tf.size(texts)), nothing, nothing, tf.fill(tf.shape(texts), False))


def split_sentences(texts: tf.Tensor, protected: str = "") -> Sentences:
    r"""Divides texts into sentences.

    A sentence ends at a line break, \n or \r\n, and with `.`, `!`, `?` or their like in other scripts, and the quotes
    and brackets that close with it, before white space; full-width ones need none. It does not end after an
    abbreviation, an initial, an ordinal of up to three digits, within a number, or with a quote or three dots that
    lower case follows.

    Args:
        texts: `(texts,)` string, any bytes.
        protected: A pattern of text within which none ends; empty for none.

    Returns:
        The sentences; none for an empty text.
    """
    texts = tf.strings.regex_replace(texts, _MARK, _MARK + _MARK_SIGN)
    texts = tf.strings.regex_replace(texts, r"\x{0}", _MARK + _NUL_SIGN)
    dividing = f"{protected}|{DIVIDING}" if protected else DIVIDING
    ragged = tf_text.regex_split(texts, dividing, dividing)
    pieces, rows = ragged.values, tf.cast(ragged.value_rowids(), tf.int32)
    ends = tf.strings.regex_full_match(pieces, ENDING)
    after_end = tf.concat([[True], ends[:-1]], axis=0)
    begins = (rows != tf.concat([[-1], rows[:-1]], axis=0)) | after_end
    places = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    texts_of = tf.boolean_mask(rows, begins)
    sentences = tf.strings.unsorted_segment_join(pieces, places, tf.size(texts_of))
    sentences = tf.strings.regex_replace(sentences, _MARK + _NUL_SIGN, "\0")
    return _stripped(tf.strings.regex_replace(sentences, _MARK + _MARK_SIGN, _MARK), texts_of)


def _stripped(sentences: tf.Tensor, texts: tf.Tensor) -> Sentences:
    """Takes the white space off the sentences `(sentences,)` of texts `(sentences,)`."""
    rest = tf.strings.regex_replace(sentences, rf"\A{SPACE}+", "", replace_global=False)
    begin = tf.strings.length(sentences) - tf.strings.length(rest)
    bare = tf.strings.regex_replace(rest, rf"{SPACE}+\z", "", replace_global=False)
    end = tf.strings.length(bare)
    before = tf.strings.substr(sentences, tf.zeros_like(begin), begin)
    after = tf.strings.substr(rest, end, tf.strings.length(rest) - end)
    goes_on = texts == tf.concat([texts[1:], [-1]], axis=0)
    return Sentences(bare, texts, before, after, (after == "") & goes_on)


def join_sentences(translations: tf.Tensor, sentences: Sentences, count: tf.Tensor) -> tf.Tensor:
    """Joins the sentences' translations, with the white space of their texts.

    Args:
        translations: `(sentences, n)` string.
        sentences: What was translated.
        count: How many texts there are.

    Returns:
        `(count, n)` string.
    """
    return join_rows(surround(translations, sentences), sentences.texts, count)


def surround(translations: tf.Tensor, sentences: Sentences) -> tf.Tensor:
    """The translations with the white space around their sentences, `(sentences, n)` both.

    Where a text has no white space between two sentences, as in Chinese, and the translation ends as in scripts that
    have it, a space stands between them.
    """
    spaced = tf.strings.regex_replace(translations, NEEDS_SPACE, r"\1 ", replace_global=False)
    translations = tf.where(sentences.unspaced[:, None], spaced, translations)
    return sentences.before[:, None] + translations + sentences.after[:, None]
