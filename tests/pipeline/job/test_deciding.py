import dataclasses
import os

import pytest

from pipeline.cleaning.config import CleaningConfig
from pipeline.config import PreprocessConfig
from pipeline.corpora.intake import take_in
from pipeline.job import deciding
from pipeline.schema import Subwords

MODELS = (Subwords("source.spm", "ab", 300), Subwords("target.spm", "cd", 300))
# Another value of each setting, by what it decides: nothing that is kept, models and records alone, or the text too.
NOTHING = {"output": "elsewhere", "workers": 2, "memory": 3.5, "max_rejected": 0.9}
LATER = {
    "vocab_size": 500,
    "joint_vocabulary": False,
    "model_type": "unigram",
    "character_coverage": 1.0,
    "subword_sample": 10,
    "subword_threads": 2,
    "max_pieces": 20,
    "subwords": ("joint.spm",),
    "user_symbols": ("<2de>",),
}
ALL = {
    "source": ("other.en",),
    "target": ("other.de",),
    "pairs": ("more.tsv",),
    "source_field": "2",
    "target_field": "1",
    "corpora": "corpora.yaml",
    "valid_source": ("other.en",),
    "valid_target": ("other.de",),
    "valid_pairs": ("more.tsv",),
    "exclude": ("other.en",),
    "leak_side": "source",
    "protect": True,
    "dedup": "none",
    "near_duplicates": 0.8,
    "near_ngram": 3,
    "valid_share": 0.2,
    "reject_text": "none",
    "shards": 7,
    "readers": 3,
    "seed": 2,
    "source_language": "en",
    "target_language": "de",
    "cleaning": CleaningConfig(max_words=7),
}
CLEANING = {
    "off": ("letters",),
    "normalize": False,
    "ftfy": True,
    "max_characters": 100,
    "min_words": 2,
    "max_words": 9,
    "max_ratio": 2.0,
    "max_word_length": 30,
    "min_letters": 0.6,
    "min_script": 0.6,
    "source_scripts": ("Latin",),
    "target_scripts": ("Cyrillic",),
    "min_numerals": 0.5,
    "min_punctuation": -2.0,
    "max_repetitions": 1,
    "max_urls": 0.5,
    "min_language": 0.1,
}


@pytest.fixture
def config(tmp_path, monkeypatch, write_lines):
    """The settings of a job over one pair, in a folder that has what other settings name."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "a.de", "other.en", "other.de"):
        write_lines(name, [name])
    for name in ("given.tsv", "more.tsv"):
        write_lines(name, ["one\tanother"])
    write_lines("corpora.yaml", ["[{name: more, pairs: more.tsv}]"])
    return PreprocessConfig(
        output="data", source=("a.en",), target=("a.de",), pairs=("given.tsv",), valid_source=("a.en",),
        valid_target=("a.de",), valid_pairs=("given.tsv",),
    )  # fmt: skip


def fingerprints(config, models=MODELS):
    """Those of text, of models and of records."""
    text = deciding.of_text(config, take_in(config))
    return text, deciding.of_subwords(config, text), deciding.of_records(config, text, models)


def changed(config, **given):
    pairs = zip(fingerprints(config), fingerprints(dataclasses.replace(config, **given)), strict=True)
    return tuple(one != other for one, other in pairs)


def test_each_setting_has_another_value_here():
    assert sorted(field.name for field in dataclasses.fields(PreprocessConfig)) == sorted([*NOTHING, *LATER, *ALL])
    assert sorted(field.name for field in dataclasses.fields(CleaningConfig)) == sorted(CLEANING)


@pytest.mark.parametrize("name", [*NOTHING, *LATER, *ALL])
def test_what_each_setting_decides(config, name):
    expected = (name in ALL, name in ALL or name in LATER, name in ALL or name in LATER)
    assert changed(config, **{name: (NOTHING | LATER | ALL)[name]}) == expected


@pytest.mark.parametrize("name", CLEANING)
def test_each_setting_of_cleaning_decides_about_the_text(config, name):
    assert changed(config, cleaning=CleaningConfig(**{name: CLEANING[name]})) == (True, True, True)


def test_files_of_the_same_name_decide(config):
    config = dataclasses.replace(config, subwords=("other.de",), exclude=("other.en",))
    first = fingerprints(config)
    assert fingerprints(config) == first
    # Of the same size, a second later.
    os.utime("other.de", (1, 1))
    assert [one == other for one, other in zip(first, fingerprints(config), strict=True)] == [True, False, True]
    os.utime("other.en", (1, 1))
    assert not {*first} & {*fingerprints(config)}
    assert fingerprints(config, MODELS[::-1])[2] != fingerprints(config)[2]
