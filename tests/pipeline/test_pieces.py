import unicodedata

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.pieces import Pieces, train_subwords
from pipeline.tokenizer import Tokenizer
from tests.pipeline.texts import HOSTILE, SENTENCES

CHARACTERS = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from(" \u00a0\u2581<>\u0301\x00aehn"), max_size=30
)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_what_is_encoded_outside_a_graph_is_what_the_graph_makes(model_type):
    options = {"vocab_size": 330, "placeholders": True, "user_symbols": ("<2de>", "un")}
    model = train_subwords(SENTENCES, model_type=model_type, **options)
    pieces, tokenizer = Pieces(model), Tokenizer(model)

    @hypothesis.settings(deadline=None, max_examples=150)
    @hypothesis.given(
        st.lists(CHARACTERS | st.lists(st.sampled_from(SENTENCES + HOSTILE[:-1])).map("".join), max_size=4)
    )
    def same(texts):
        texts = [unicodedata.normalize("NFC", text) for text in (*texts, "Hundund <2de> ⟦0⟧⟦1⟧")]
        assert pieces.encode(texts) == tokenizer.tokenize(tf.constant(texts)).to_list()

    same()
    hostile = [unicodedata.normalize("NFC", text) for text in HOSTILE]
    assert pieces.encode(hostile) == tokenizer.tokenize(tf.constant(hostile)).to_list()
    assert pieces.encode([]) == []


def test_the_spelling_of_ids():
    pieces = Pieces(train_subwords(SENTENCES, vocab_size=300))
    assert pieces.spell([0, 3, 4, *pieces.encode(["H"])[0]]) == ["<pad>", "</s>", "<0x00>", "\u2581", "H", "</s>"]
    assert len(pieces.spell(range(pieces.vocab_size))) == 300


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_training_is_repeatable(model_type):
    models = {train_subwords(SENTENCES, vocab_size=300, model_type=model_type) for _ in range(3)}
    assert len(models) == 1


def test_a_vocabulary_larger_than_the_text_is_as_large_as_the_text_allows():
    size = Tokenizer(train_subwords(["ab ab ab"], vocab_size=8000)).vocab_size
    assert 260 + 3 <= size < 280


def test_a_vocabulary_smaller_than_the_alphabet_is_an_error():
    with pytest.raises(UserError, match=r"--vocab-size: expected at least 28\d .*received 265; raise it"):
        train_subwords(["abcdefghijklmnopqrstuvwxyz"], vocab_size=265)


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(UserError, match="--source, --target: expected text from which subwords can be learned"):
        train_subwords([], vocab_size=300)


def test_rare_characters_become_bytes():
    sentences = ["aaaa bbbb"] * 500 + ["\u4e2d"]
    tokenizer = Tokenizer(train_subwords(sentences, vocab_size=400, character_coverage=0.99))
    # The space before the first word is a piece, the character three bytes, and END.
    assert len(tokenizer.tokenize(tf.constant(["\u4e2d"])).to_list()[0]) == 5
