import pytest

from pipeline.config import PreprocessConfig
from pipeline.errors import UserError

GIVEN = {"source": ("a.en",), "target": ("a.de",), "output": "data"}


def test_lists_become_tuples():
    assert PreprocessConfig(**GIVEN | {"source": ["a.en", "b.en"], "target": ["a.de", "b.de"]}).source == (
        "a.en",
        "b.en",
    )


def test_placeholders_take_ten_ids():
    assert PreprocessConfig(**GIVEN, vocab_size=271, protect=True).protect
    with pytest.raises(UserError, match="--vocab-size: expected at least 271, received 270"):
        PreprocessConfig(**GIVEN, vocab_size=270, protect=True)


def test_user_symbols_take_ids_and_are_not_protected():
    assert PreprocessConfig(**GIVEN, vocab_size=263, user_symbols=["<2de>", "<2fr>"]).user_symbols == ("<2de>", "<2fr>")
    with pytest.raises(UserError, match="--vocab-size: expected at least 263, received 262"):
        PreprocessConfig(**GIVEN, vocab_size=262, user_symbols=("<2de>", "<2fr>"))
    assert PreprocessConfig(**GIVEN, user_symbols=("⟪2de⟫",), protect=True).user_symbols
    for symbol in ("<2de>", "⟦0⟧", "a{de}"):
        with pytest.raises(UserError, match="--user-symbols: expected symbols that --protect does not take for markup"):
            PreprocessConfig(**GIVEN, user_symbols=(symbol,), protect=True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("source", ()),
        ("target", ("a.de", "b.de")),
        ("valid_target", ("v.de",)),
        ("output", ""),
        ("output", "caf\udce9"),
        ("source", ("caf\udce9.en",)),
        ("exclude", ("a.txt", "caf\udce9.txt")),
        ("source_field", "caf\udce9"),
        ("output", "gs://bucket"),
        ("output", "s3://bucket//"),
        ("output", "s3://bucket/data*"),
        ("vocab_size", 260),
        ("model_type", "word"),
        ("leak_side", "target"),
        ("character_coverage", 0.97),
        ("subword_threads", 0),
        ("subwords", ("a", "b", "c")),
        ("user_symbols", ("<2de>", "<2de>")),
        ("user_symbols", ("",)),
        ("user_symbols", ("2 de",)),
        ("user_symbols", ("\u2581de",)),
        ("user_symbols", ("</s>",)),
        ("user_symbols", ("<0x41>",)),
        ("user_symbols", ("e\u0301",)),
        ("subword_sample", 0),
        ("max_pieces", 1),
        ("near_duplicates", 0.49),
        ("near_duplicates", 1.0),
        ("near_ngram", 1),
        ("valid_share", 1.0),
        ("shards", 0),
        ("seed", -1),
        ("source_language", "English"),
        ("target_language", "pt_BR"),
    ],
)
def test_a_wrong_value_is_named(setting, value):
    with pytest.raises(UserError, match=f"--{setting.replace('_', '-')}: expected .+, received .+; change"):
        PreprocessConfig(**GIVEN | {setting: value})


@pytest.mark.parametrize(
    "tag", ["en", "gsw", "pt-BR", "zh-Hant", "sr-Latn-RS", "es-419", "de-DE-1996", "sl-rozaj-biske"]
)
def test_tags_of_languages(tag):
    assert PreprocessConfig(**GIVEN, source_language=tag, target_language=tag).source_language == tag
