"""Two translators that only look up: what a model of the synthetic corpus has to leave behind."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

# A word with the marks inside it (1,250.5), or a mark at its end.
_TOKEN = re.compile(r"[,.?!](?=\s|$)|\S+?(?=[,.?!]?(?:\s|$))")
_ITERATIONS = 5


def tokens(text: str) -> list[str]:
    """Words and the marks that end them, in lower case at the sentence's start."""
    found = _TOKEN.findall(text)
    return [found[0].lower(), *found[1:]] if found else []


def _encode(texts: Sequence[str]) -> tuple[list[str], list[np.ndarray]]:
    ids: dict[str, int] = {}
    rows = [np.array([ids.setdefault(word, len(ids)) for word in tokens(text)], np.int64) for text in texts]
    return list(ids), rows


def learn_word_table(source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    """Learns one target word for each source word, by IBM model 1.

    Expectation maximization of t(f | e), Brown et al. 1993, "The Mathematics of Statistical Machine Translation",
    section 4.1, without the empty word.

    Args:
        source: Source sentences.
        target: Their translations.

    Returns:
        For each source word the target word that is most probably its translation.
    """
    source_words, source_rows = _encode(source)
    target_words, target_rows = _encode(target)
    lengths = [(len(left), len(right)) for left, right in zip(source_rows, target_rows, strict=True)]
    # One cell for each pair of words in a sentence pair: (cells,).
    left = np.concatenate([np.repeat(row, n) for row, (_, n) in zip(source_rows, lengths, strict=True)])
    right = np.concatenate([np.tile(row, m) for row, (m, _) in zip(target_rows, lengths, strict=True)])
    starts = np.cumsum([0, *(n for _, n in lengths)])
    slot = np.concatenate([np.tile(np.arange(s, s + n), m) for s, (m, n) in zip(starts, lengths, strict=False)])
    pairs, cell_pair = np.unique(left * len(target_words) + right, return_inverse=True)
    pair_left, pair_right = np.divmod(pairs, len(target_words))
    probability = np.ones(len(pairs))
    for _ in range(_ITERATIONS):
        cell = probability[cell_pair]
        expected = np.bincount(cell_pair, cell / np.bincount(slot, cell)[slot])
        probability = expected / np.bincount(pair_left, expected)[pair_left]
    table: dict[str, str] = {}
    for index in np.argsort(-probability, kind="stable"):
        table.setdefault(source_words[pair_left[index]], target_words[pair_right[index]])
    return table


def translate_by_words(table: dict[str, str], texts: Sequence[str]) -> list[str]:
    """Puts each word's entry in the place of the word; a word without entry is copied."""
    results = []
    for text in texts:
        line = " ".join(table.get(word, word) for word in tokens(text))
        line = re.sub(r" ([,.?!])", r"\1", line)
        results.append(line[:1].upper() + line[1:])
    return results


def _grams(text: str) -> set[tuple[str, ...]]:
    words = tokens(text)
    return {tuple(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)}


def nearest_translations(source: Sequence[str], target: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Gives for each text the translation of the training sentence that is most like it.

    Likeness is the Dice coefficient of the two sets of word n-grams, n from 1 to 3.

    Args:
        source: Source sentences of training.
        target: Their translations.
        texts: What to translate.

    Returns:
        One of `target` for each text; the first of equals.
    """
    postings: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes = np.zeros(len(source))
    for row, sentence in enumerate(source):
        grams = _grams(sentence)
        sizes[row] = len(grams)
        for gram in grams:
            postings[gram].append(row)
    rows = {gram: np.array(found) for gram, found in postings.items()}
    results = []
    for text in texts:
        grams = _grams(text)
        shared = np.zeros(len(source))
        for gram in grams & rows.keys():
            shared[rows[gram]] += 1
        results.append(target[int(np.argmax(2 * shared / (sizes + len(grams) + 1e-9)))])
    return results
