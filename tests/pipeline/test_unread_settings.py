import dataclasses

import pytest

from pipeline.cleaning.config import RULES, CleaningConfig
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.job.dry_run import dry_run
from pipeline.preprocess import preprocess
from pipeline.unread_settings import refuse_unread

FILES = PreprocessConfig(output="data", source=("a.en",), target=("a.de",))
VALID = {"valid_source": ("v.en",), "valid_target": ("v.de",)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"source_field": "en"},
            "--source-field: expected --pairs, --valid-pairs or --exclude beside it, received 'en', ",
        ),
        ({"target_field": "de", "corpora": "c.yaml"}, "--target-field: expected --pairs, --valid-pairs or --exclude "),
        ({"valid_share": 0.1, **VALID}, "--valid-share: expected no validation files beside it, received 0.1, "),
        ({"valid_share": 0.1, "valid_pairs": ("v.tsv",)}, "--valid-share: expected no validation files beside it, "),
        ({"near_ngram": 3}, "--near-ngram: expected --near-duplicates beside it, received 3, "),
        ({"shards": 2, "readers": 16}, "--readers: expected at most --shards 2, received 16, "),
        ({"shards": 2, "readers": 8}, "--readers: expected at most --shards 2, received 8, "),
        *(
            ({"subwords": ("m",), name: value}, f"--{name.replace('_', '-')}: expected no --subwords beside it, ")
            for name, value in [
                ("vocab_size", 500),
                ("joint_vocabulary", False),
                ("model_type", "unigram"),
                ("character_coverage", 1.0),
                ("subword_sample", 9),
                ("subword_threads", 1),
            ]
        ),
        (
            {"cleaning": CleaningConfig(off=("letters", "words"), max_words=9)},
            "--cleaning.max_words: expected no words in --cleaning.off, received 9, ",
        ),
        (
            {"cleaning": CleaningConfig(min_script=0.9)},
            "--cleaning.min_script: expected --source-language or --target-language beside it, received 0.9, ",
        ),
    ],
)
def test_what_nobody_would_read_is_refused(given, message):
    config = dataclasses.replace(FILES, **given)
    for job in (refuse_unread, preprocess, lambda config: dry_run(config, 5)):
        with pytest.raises(UserError) as refusal:
            job(config)
        assert str(refusal.value).startswith(message)
        assert str(refusal.value).endswith("which nobody would read; change one of them")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"source_field": "en", "pairs": ("a.tsv",)},
        {"source_field": "en", "valid_pairs": ("a.tsv",)},
        {"source_field": "en", "exclude": ("a.tsv",)},
        {"valid_share": 0.1},
        {"near_ngram": 3, "near_duplicates": 0.8},
        {"shards": 2},
        {"readers": 16},
        {"shards": 16, "readers": 16},
        {"subwords": ("m",), "protect": True, "user_symbols": ("x:",), "max_pieces": 9},
        {"cleaning": CleaningConfig(off=("letters",), max_words=9)},
        {"cleaning": CleaningConfig(min_script=0.9), "target_language": "de"},
        {"cleaning": CleaningConfig(min_script=0.9, source_scripts=("Latin",))},
        {"cleaning": CleaningConfig(off=RULES[1:])},
    ],
)
def test_what_somebody_reads_is_not(given):
    refuse_unread(dataclasses.replace(FILES, **given))


def test_memory_is_this_machine_s():
    with pytest.raises(UserError, match="--memory: expected this machine's workers, received 4 beside a --runner"):
        preprocess(dataclasses.replace(FILES, memory=4), ["--runner=FlinkRunner"])


def test_every_threshold_belongs_to_a_rule():
    """So that a new one is not forgotten."""
    from pipeline.unread_settings import _OF_RULES

    names = {field.name for field in dataclasses.fields(CleaningConfig)} - {"off", "normalize", "ftfy"}
    assert sorted(names) == sorted(name for of_rule in _OF_RULES.values() for name in of_rule)
    assert {*_OF_RULES} <= {*RULES}
