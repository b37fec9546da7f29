import dataclasses

import pytest
import sentencepiece
import tensorflow as tf

from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.pieces import train_subwords
from pipeline.subwords import make_subwords, read_model
from pipeline.tokenizer import Tokenizer

PAIRS = [(f"The dog saw {n} cats.", f"Der Hund sah {n} Katzen.") for n in range(60)]
CONFIG = PreprocessConfig("out", ("s",), ("t",), vocab_size=320)
# What a model needs that another program learns.
WANTED = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": 2,
    "eos_id": 3,
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
}


def sentences(sides):
    return [pair[side] for pair in PAIRS for side in sides]


def make(folder, **settings):
    return make_subwords(dataclasses.replace(CONFIG, **settings), sentences, folder)


def model_of(path, **settings):
    """A model as `spm_train` makes it."""
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences((0, 1))),
            model_writer=file,
            vocab_size=320,
            hard_vocab_limit=False,
            minloglevel=2,
            **WANTED | settings,
        )
    return str(path)


def pieces(path, text):
    tokenizer = Tokenizer.read(path)
    return tokenizer.spell(tokenizer.tokenize(tf.constant([text])).to_list()[0])


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize("joint", [True, False])
def test_they_are_learned_jointly_or_for_each_side(tmp_path, model_type, joint):
    source, target = make(tmp_path, model_type=model_type, joint_vocabulary=joint)
    assert [source.file, target.file] == (["joint.spm"] * 2 if joint else ["source.spm", "target.spm"])
    assert {path.name for path in tmp_path.iterdir()} == {source.file, target.file}
    settings = {"vocab_size": 320, "model_type": model_type}
    for side, found in enumerate((source, target)):
        model = train_subwords(sentences((0, 1) if joint else (side,)), **settings)
        assert Tokenizer.read(tmp_path / found.file, found.fingerprint).model == model
        assert found.vocab_size == Tokenizer(model).vocab_size


def test_rare_characters_are_bytes_below_full_coverage(tmp_path):
    for coverage, seven in ((1.0, "7"), (0.98, "<0x37>")):
        make(tmp_path, character_coverage=coverage)
        assert pieces(tmp_path / "joint.spm", "The 7") == ["\u2581The", "\u2581", seven, "</s>"]


@pytest.mark.parametrize(("protect", "symbol", "first"), [(False, "<2de>", 4), (True, "⟪2de⟫", 14)])
def test_user_symbols_are_one_piece_each(tmp_path, protect, symbol, first):
    make(tmp_path, user_symbols=(symbol, "⟨x⟩"), protect=protect)
    assert Tokenizer.read(tmp_path / "joint.spm").spell([first, first + 1]) == [symbol, "⟨x⟩"]
    found = pieces(tmp_path / "joint.spm", f"{symbol} The{symbol}dog ⟨x⟩.")
    assert [piece for piece in found if piece in (symbol, "⟨x⟩")] == [symbol, symbol, "⟨x⟩"]
    assert "".join(found) == f"\u2581{symbol}\u2581The{symbol}dog\u2581⟨x⟩.</s>"


def test_the_threads_that_learn_are_a_setting(tmp_path):
    models = []
    for threads in (1, 8, 8):
        make(tmp_path, model_type="unigram", subword_threads=threads)
        models.append((tmp_path / "joint.spm").read_bytes())
    assert models[0] != models[1] == models[2]


def never(sides):
    raise AssertionError("nothing is learned")


def test_given_models_are_taken_as_they_are(tmp_path):
    one = model_of(tmp_path / "one", user_defined_symbols=["<2de>"])
    other = model_of(tmp_path / "other", model_type="unigram")
    for given, files in (((one,), ["joint.spm"] * 2), ((other, one), ["source.spm", "target.spm"])):
        folder = tmp_path / str(len(given))
        folder.mkdir()
        found = make_subwords(dataclasses.replace(CONFIG, subwords=given), never, folder)
        assert [each.file for each in found] == files
        for each, path in zip(found, (given * 2)[:2], strict=True):
            assert Tokenizer.read(folder / each.file, each.fingerprint).model == Tokenizer.read(path).model
    make_subwords(dataclasses.replace(CONFIG, subwords=(one,), user_symbols=("<2de>",)), never, tmp_path)
    assert "<2de>" in pieces(tmp_path / "joint.spm", "a<2de>b")
    with pytest.raises(UserError, match=r"^--subwords: expected a model with the user symbol '<2fr>', received .*one'"):
        make_subwords(dataclasses.replace(CONFIG, subwords=(one,), user_symbols=("<2fr>",)), never, tmp_path)


def test_a_given_model_has_the_placeholders(tmp_path):
    protecting = tmp_path / "protecting"
    protecting.write_bytes(train_subwords(sentences((0,)), vocab_size=320, placeholders=True))
    assert read_model(str(protecting), placeholders=True) == protecting.read_bytes()
    with pytest.raises(UserError, match=r"^--subwords: expected the pieces ⟦0⟧ .* from id 4 on for --protect"):
        read_model(model_of(tmp_path / "plain"), placeholders=True)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"pad_id": -1}, r"PAD, UNK, START and END \(0, 1, 2, 3\), received .* with \(-1, 1, 2, 3\)"),
        ({"byte_fallback": False}, "a piece for each byte"),
        ({"normalization_rule_name": "nmt_nfkc"}, "gives text back as it was"),
        ({"remove_extra_whitespaces": True}, "gives text back as it was"),
        ({"add_dummy_prefix": False}, "gives text back as it was"),
    ],
    ids=str,
)
def test_a_model_that_cannot_be_used(tmp_path, settings, told):
    with pytest.raises(UserError, match=f"^--subwords: expected a model (with|that)? ?.*{told}"):
        read_model(model_of(tmp_path / "model", **settings))


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), (b"", "not such"), (b"hello", "not such")])
def test_a_file_that_is_no_model(tmp_path, content, told):
    path = tmp_path / "model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^--subwords: expected a SentencePiece model, received .*model' \({told}"):
        read_model(str(path))
    with pytest.raises(UserError, match=r"Is a directory"):
        read_model(str(tmp_path))
