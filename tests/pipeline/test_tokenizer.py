import hashlib
import unicodedata

import hypothesis
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.pieces import train_subwords
from pipeline.protected import SYMBOLS, is_placeholder
from pipeline.schema import UNK_ID
from pipeline.tokenizer import Tokenizer, normalize
from tests.pipeline.texts import HOSTILE, SENTENCES

MODEL = train_subwords(SENTENCES, vocab_size=330)
TOKENIZER = Tokenizer(MODEL)
detokenize = tf.function(TOKENIZER.detokenize, input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
come_back = tf.function(
    lambda texts: TOKENIZER.detokenize(TOKENIZER.tokenize(texts)), input_signature=[tf.TensorSpec([None], tf.string)]
)


def round_trip(texts):
    return [text.decode() for text in come_back(tf.constant(texts)).numpy()]


def composed(text):
    return "".join(
        " " if unicodedata.category(character) == "Zs" or character == "\u2581" else character
        for character in unicodedata.normalize("NFC", text)
    )


def test_hostile_texts_come_back():
    assert round_trip(HOSTILE) == [composed(text) for text in HOSTILE]


# The characters whose composition all versions of Unicode agree on.
OLD = st.characters(max_codepoint=0x2FFF, exclude_categories=("Cn", "Cs")) | st.characters(
    min_codepoint=0x1F300, max_codepoint=0x1F64F
)


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(st.lists(st.text(OLD | st.sampled_from(" \u00a0\u2581<>\u0301\x00")), min_size=1, max_size=4))
def test_texts_come_back(texts):
    assert round_trip(texts) == [composed(text) for text in texts]


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(st.binary())
def test_any_bytes_become_valid_text(data):
    expected = composed(data.decode("utf-8", "replace"))
    assert round_trip([data]) == [expected]


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1)))
def test_any_ids_become_valid_text(ids):
    [text] = detokenize(tf.RaggedTensor.from_row_lengths(tf.constant(ids, tf.int32), [len(ids)])).numpy()
    text.decode()


def test_normalize():
    texts = [b"\xff\xfeab\xc3", b"\xed\xa0\x80", b"a\xf0\x9f\x98", "\ufeffe\u0301\x00 ".encode(), b""]
    expected = ["\ufffd\ufffdab\ufffd", "\ufffd\ufffd\ufffd", "a\ufffd", "\ufeff\u00e9\x00 ", ""]
    assert [text.decode() for text in normalize(tf.constant(texts)).numpy()] == expected


def test_every_row_ends_with_end_and_knows_every_character():
    ids = TOKENIZER.tokenize(tf.constant(HOSTILE))
    assert ids.dtype == tf.int32
    for row in ids.to_list():
        assert row[-1] == 3 and not {0, 1, 2, 3} & set(row[:-1])
    assert ids.to_list()[0] == [3]


def test_no_texts():
    ids = TOKENIZER.tokenize(tf.constant([], tf.string))
    assert ids.shape[0] == 0 and TOKENIZER.detokenize(ids).shape == (0,)


def test_special_ids_vanish():
    [word] = TOKENIZER.tokenize(tf.constant(["Hund"])).to_list()
    ids = tf.ragged.constant([[2, *word[:-1], 1, 3, 0, 0], [0], []], dtype=tf.int32)
    assert TOKENIZER.detokenize(ids).numpy().tolist() == [b"Hund", b"", b""]


def test_pieces_are_those_of_the_trainer_s_own_library():
    processor = sentencepiece.SentencePieceProcessor(model_proto=MODEL)
    assert [processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()] == [0, 1, 2, 3]
    texts = [*SENTENCES[:6], "Zwei  H\u00fcte\u2026 ", "\U0001f917"]
    assert TOKENIZER.tokenize(tf.constant(texts)).to_list() == [[*processor.encode(text), 3] for text in texts]
    assert TOKENIZER.vocab_size == processor.vocab_size() == 330
    assert TOKENIZER.fingerprint == hashlib.sha256(MODEL).hexdigest()


def test_placeholders_are_pieces_of_their_own():
    sentences = [*SENTENCES, *["Hallo ⟦0⟧, das ist⟦1⟧gut ⟦9⟧⟦0⟧."] * 5]
    tokenizer = Tokenizer(train_subwords(sentences, vocab_size=360, placeholders=True))
    assert tokenizer.spell(range(4, 15)) == [*SYMBOLS, "<0x00>"]
    texts = ["Der⟦1⟧Hund ⟦0⟧⟦9⟧.", "⟦2⟧", "⟦ 2⟧"]
    ids = tokenizer.tokenize(tf.constant(texts)).to_list()
    assert [[piece for piece in row if is_placeholder(piece)] for row in ids] == [[5, 4, 13], [6], []]
    assert ids[1] == [tokenizer.space, 6, 3] and tokenizer.spell([tokenizer.space]) == ["\u2581"]
    assert [tokenizer.text(row) for row in ids] == texts
    pieces = tokenizer.spell(range(14, tokenizer.vocab_size))
    assert not any(sign in piece for piece in pieces for sign in "⟦⟧")
    # So a shortlist knows them as translations of themselves, whatever else the other side's subwords are.
    other = Tokenizer(train_subwords(SENTENCES, vocab_size=340, placeholders=True))
    assert tokenizer.ids_in(other).numpy()[4:14].tolist() == [*range(4, 14)]
    # Without them, such a sign is a character like any other.
    without = Tokenizer(train_subwords(sentences, vocab_size=360))
    assert without.spell([4]) == ["<0x00>"] and any("⟦" in piece for piece in without.spell(range(without.vocab_size)))


def test_a_file_is_read_if_it_is_the_right_one(tmp_path):
    path = tmp_path / "joint.spm"
    path.write_bytes(MODEL)
    assert Tokenizer.read(path, TOKENIZER.fingerprint).model == MODEL
    with pytest.raises(UserError, match=r"expected the model with SHA-256 0123, received .*joint\.spm' with"):
        Tokenizer.read(path, "0123")
    with pytest.raises(UserError, match=r"tokenizer: .*gone\.spm', which does not exist"):
        Tokenizer.read(tmp_path / "gone.spm")


def test_it_is_saved_with_its_model(tmp_path):
    class Echo(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = Tokenizer(MODEL)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return self.tokenizer.detokenize(self.tokenizer.tokenize(texts))

    tf.saved_model.save(Echo(), str(tmp_path))
    texts = [b"  Der Hund", b"\xff", b""]
    assert tf.saved_model.load(str(tmp_path))(tf.constant(texts)).numpy().tolist() == [texts[0], b"\xef\xbf\xbd", b""]


def test_the_ids_of_another_tokenizer():
    other = Tokenizer(train_subwords([f"{sentence} Hund und Katze" for sentence in SENTENCES], vocab_size=340))
    found = TOKENIZER.ids_in(other).numpy()
    models = [sentencepiece.SentencePieceProcessor(model_proto=each.model) for each in (TOKENIZER, other)]
    for mine, theirs in enumerate(found.tolist()):
        assert theirs == UNK_ID or models[0].id_to_piece(mine) == models[1].id_to_piece(theirs)
    spelt = {models[1].id_to_piece(piece) for piece in range(other.vocab_size)}
    assert sum(found != UNK_ID) == sum(models[0].id_to_piece(i) in spelt for i in range(len(found))) - 1 > 270
    assert TOKENIZER.ids_in(TOKENIZER).numpy().tolist() == list(range(TOKENIZER.vocab_size))


def test_it_outlives_a_new_global_seed(tmp_path):
    tokenizer = Tokenizer(train_subwords(SENTENCES[:9], vocab_size=300))
    before = tokenizer.tokenize(tf.constant(["Der Hund"])).to_list()
    tf.random.set_seed(5)
    assert tokenizer.tokenize(tf.constant(["Der Hund"])).to_list() == before


def test_the_text_of_one_sentence():
    ids = TOKENIZER.tokenize(tf.constant(["Der  Hund."])).to_list()[0]
    assert TOKENIZER.text(ids) == "Der  Hund."
    assert TOKENIZER.text(tf.constant([*ids, 0, 0]).numpy()) == "Der  Hund."
    assert TOKENIZER.text([]) == ""
