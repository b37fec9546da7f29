"""Where in a text somebody has got who has begun to translate it, in graph operations."""

from typing import NamedTuple

import tensorflow as tf

from pipeline.tokenizer import normalize
from serving.graph.segments import join_rows
from serving.graph.sentences import Sentences, split_sentences, whole_texts

# What a translation may go on with, so that what stands before it is divided as it will be then. It ends no sentence,
# and no white space.
_NEXT = "x"


class UnderWay(NamedTuple):
    """What somebody has translated of texts.

    Attributes:
        rest: What there is of the translation of the sentence under way, `(texts,)` string, in NFC; often nothing.
        is_done: Which sentences of the texts are translated, `(sentences,)` bool.
        is_current: Which are under way, `(sentences,)` bool.
    """

    rest: tf.Tensor
    is_done: tf.Tensor
    is_current: tf.Tensor


def under_way(prefixes: tf.Tensor, sentences: Sentences, split: bool, protected: str = "") -> UnderWay:
    """Finds the sentences under way.

    The sentences of a prefix are the translations of as many sentences of its text, in order, and what follows them is
    that of the next one; of the last, if there are not so many. Where nothing is typed, nothing is done.

    Args:
        prefixes: The beginnings of the texts' translations, `(texts,)` string.
        sentences: Those of the texts.
        split: Whether texts are split into sentences.
        protected: The pattern of text that placeholders stand for; empty for none.
    """
    marked, count = normalize(prefixes) + _NEXT, tf.size(prefixes)
    typed = split_sentences(marked, protected) if split else whole_texts(marked)
    current = tf.minimum(_count(typed, count), _count(sentences, count)) - 1
    is_done, is_current = _against(current, typed, count)
    # The white space before a sentence is not its own.
    strings = tf.where(is_current, "", typed.before) + typed.sentences + typed.after
    rest = join_rows(tf.where(is_done, "", strings)[:, None], typed.texts, count)[:, 0]
    rest = tf.strings.regex_replace(rest, rf"{_NEXT}\z", "", replace_global=False)
    is_done, is_current = _against(current, sentences, count)
    return UnderWay(rest, is_done & tf.gather(prefixes != "", sentences.texts), is_current)


def _against(current: tf.Tensor, sentences: Sentences, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which sentences stand before that with a number within its text, `current (texts,)`, and which are that."""
    is_real = sentences.sentences != ""
    before = tf.cumsum(tf.cast(is_real, tf.int32), exclusive=True)
    numbers = before - tf.gather(tf.math.unsorted_segment_min(before, sentences.texts, count), sentences.texts)
    wanted = tf.gather(current, sentences.texts)
    return (numbers < wanted) | (~is_real & (numbers == wanted)), is_real & (numbers == wanted)


def _count(sentences: Sentences, count: tf.Tensor) -> tf.Tensor:
    return tf.math.unsorted_segment_sum(tf.cast(sentences.sentences != "", tf.int32), sentences.texts, count)


def resume(
    prefixes: tf.Tensor, translations: tf.Tensor, said: tf.Tensor, found: UnderWay, texts: tf.Tensor
) -> tf.Tensor:
    """Joins what was typed, as it was typed, and what follows it.

    Args:
        prefixes: What was typed, `(texts,)` string; what is no UTF-8 in it becomes U+FFFD.
        translations: Those of the sentences, with the white space around them, `(sentences,)` string.
        said: How many bytes of those under way were typed, white space before them included, `(sentences,)` int32.
        found: The sentences under way.
        texts: Which text each sentence belongs to, `(sentences,)` int32.

    Returns:
        `(texts,)` string.
    """
    cut = tf.where(found.is_current & tf.gather(prefixes != "", texts), said, 0)
    rest = tf.where(found.is_done, "", tf.strings.substr(translations, cut, tf.strings.length(translations) - cut))
    typed = tf.strings.unicode_transcode(prefixes, "UTF-8", "UTF-8", errors="replace", replacement_char=0xFFFD)
    return typed + join_rows(rest[:, None], texts, tf.size(prefixes))[:, 0]
