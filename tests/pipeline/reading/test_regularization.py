import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from pipeline.pieces import train_subwords
from pipeline.reading.regularization import Regularizer
from pipeline.tokenizer import Tokenizer

NOUNS = ("Hund", "Mann", "Vogel", "Nachbar", "Zeitungsverkäufer")
TEXTS = [f"Der {noun} sieht die  {other} am Fenster." for noun in NOUNS for other in ("Katze", "Frau")] * 3
TOKENIZERS = {
    name: Tokenizer(train_subwords(TEXTS, vocab_size=400, model_type=name, placeholders=True, user_symbols=("<2de>",)))
    for name in ("bpe", "unigram")
}
FAR = tf.constant(10**6, tf.int64)


@pytest.fixture(params=["bpe", "unigram"])
def tokenizer(request):
    return TOKENIZERS[request.param]


def draw(tokenizer, strength=0.2, key=(1, 2, 3), texts=TEXTS, longest=FAR):
    ids = tokenizer.tokenize(tf.constant(texts))
    drawn = Regularizer(tokenizer, strength)(ids, tf.constant(key, tf.int64), longest)
    assert drawn.dtype == tf.int32 and drawn.nrows() == len(texts)
    return drawn


def test_other_pieces_of_the_same_text(tokenizer):
    ids, drawn = tokenizer.tokenize(tf.constant(TEXTS)), draw(tokenizer)
    assert [text.decode() for text in tokenizer.detokenize(drawn).numpy()] == TEXTS
    assert all(row[-1] == 3 and 3 not in row[:-1] for row in drawn.to_list())
    differ = np.mean([new != old for new, old in zip(drawn.to_list(), ids.to_list(), strict=True)])
    assert differ > 0.5
    # A text that occurs thrice is divided in several ways.
    assert len({str(row) for row in drawn.to_list()}) > 2 * len(set(TEXTS))


def test_the_draw_is_a_function_of_its_key(tokenizer):
    expected = draw(tokenizer).to_list()
    sentencepiece.set_random_generator_seed(12)
    draw(tokenizer, key=(9,), strength=0.5)
    assert draw(tokenizer).to_list() == expected
    assert draw(tokenizer, key=(1, 2, 4)).to_list() != expected
    found = []
    thread = threading.Thread(target=lambda: found.append(draw(tokenizer).to_list()))
    thread.start()
    thread.join()
    assert found == [expected]


DRAW = """
import json, sys
import tensorflow as tf
from pipeline.reading.regularization import Regularizer
from pipeline.tokenizer import Tokenizer

texts = json.loads(sys.argv[1])
for path in sys.argv[2:]:
    tokenizer = Tokenizer(open(path, "rb").read())
    drawn = Regularizer(tokenizer, 0.2)(tokenizer.tokenize(tf.constant(texts)), tf.constant([1, 2, 3], tf.int64), 10**6)
    print(json.dumps(drawn.to_list()))
"""


@pytest.mark.slow
def test_another_process_draws_the_same(tmp_path):
    for name, tokenizer in TOKENIZERS.items():
        (tmp_path / name).write_bytes(tokenizer.model)
    command = [sys.executable, "-c", DRAW, json.dumps(TEXTS), *(tmp_path / name for name in TOKENIZERS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        draw(each).to_list() for each in TOKENIZERS.values()
    ]


def test_draws_at_once_do_not_meet(tokenizer):
    keys = tf.data.Dataset.range(40)
    ids, regularizer = tokenizer.tokenize(tf.constant(TEXTS)), Regularizer(tokenizer, 0.3)
    one_by_one, at_once = (
        [rows.to_list() for rows in keys.map(lambda key: regularizer(ids, key[None], FAR), num_parallel_calls=calls)]
        for calls in (None, 8)
    )
    assert at_once == one_by_one
    assert len({str(rows) for rows in one_by_one}) == 40


def test_how_much_the_strength_changes():
    pieces = {
        name: [draw(TOKENIZERS[name], strength).flat_values.shape[0] for strength in (0.01, 0.3, 0.9)]
        for name in TOKENIZERS
    }
    # Merges that are dropped leave more pieces; a probability to a small power leaves all segmentations alike.
    assert pieces["bpe"] == sorted(pieces["bpe"]) and pieces["bpe"][2] > 2 * pieces["bpe"][0]
    assert pieces["unigram"] == sorted(pieces["unigram"], reverse=True)


def test_merges_are_dropped_as_often_as_told():
    """The vocabulary merges first a and b, then the space and ab; before it gives up, the space and a, then that and b.

    Each merge is made with the probability 0.9.
    """
    tokenizer, count = Tokenizer(train_subwords(["ab"] * 9, vocab_size=400)), 4000
    assert tokenizer.spell([260, 261, 262]) == ["ab", "\u2581ab", "\u2581a"]
    drawn = Counter(" ".join(tokenizer.spell(row)) for row in draw(tokenizer, 0.1, texts=["ab"] * count).to_list())
    expected = {
        "\u2581ab </s>": 0.9 * 0.9 + 0.1 * 0.9 * 0.9,
        "\u2581 ab </s>": 0.9 * 0.1,
        "\u2581a b </s>": 0.1 * 0.9 * 0.1,
        "\u2581 a b </s>": 0.1 * 0.1,
    }
    assert {*drawn} == {*expected}
    for pieces, share in expected.items():
        assert drawn[pieces] / count == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5)


def test_a_sentence_that_would_be_too_long_keeps_its_pieces(tokenizer):
    ids, free = tokenizer.tokenize(tf.constant(TEXTS)).to_list(), draw(tokenizer, 0.3).to_list()
    middle = sorted(map(len, free))[len(free) // 2]
    bound = draw(tokenizer, 0.3, longest=tf.constant(middle, tf.int64)).to_list()
    assert any(len(row) > middle for row in free)
    assert bound == [new if len(new) <= middle else old for new, old in zip(free, ids, strict=True)]


@pytest.mark.parametrize("strength", [0.05, 0.9])
def test_symbols_stay_whole(tokenizer, strength):
    texts = ["<2de> Der ⟦1⟧ sieht ⟦0⟧⟦2⟧ am Fenster."] * 200
    [whole] = tokenizer.tokenize(tf.constant(texts[:1])).to_list()
    drawn = draw(tokenizer, strength, texts=texts).to_list()
    symbols = [piece for piece in tokenizer.spell(whole) if piece[0] in "<⟦"]
    assert symbols == ["<2de>", "⟦1⟧", "⟦0⟧", "⟦2⟧", "</s>"]
    for row in drawn:
        assert [piece for piece in tokenizer.spell(row) if piece in symbols] == symbols
    assert any(row != whole for row in drawn)


def test_texts_that_cannot_differ(tokenizer):
    assert draw(tokenizer, texts=["", "\u4e2d"]).to_list() == tokenizer.tokenize(tf.constant(["", "\u4e2d"])).to_list()
