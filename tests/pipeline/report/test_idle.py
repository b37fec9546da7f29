import dataclasses
import json

import pytest

from pipeline.cleaning.config import RULES, CleaningConfig
from pipeline.cleaning.rules import rules
from pipeline.config import PreprocessConfig
from pipeline.job.rejects import JOB_REASONS
from pipeline.report.idle import idle

NONE = dict.fromkeys((*RULES, *JOB_REASONS), 0)
LANGUAGES = {"source_language": "en", "target_language": "de"}
OPTIONAL = {"min_numerals": 0.0, "min_punctuation": -2.0, "max_repetitions": 0, "max_urls": 0.5, "min_language": 0.1}


def told(cleaning=None, **given):
    """What is idle where nothing is rejected, of settings that went through a manifest."""
    config = PreprocessConfig(
        output="o", source=("s",), target=("t",), cleaning=CleaningConfig(**cleaning or {}), **given
    )
    return config, idle(NONE, json.loads(json.dumps(dataclasses.asdict(config))))


@pytest.mark.parametrize(
    ("cleaning", "given"),
    [
        ({}, {}),
        ({}, {"target_language": "de"}),
        ({"source_scripts": ("Latin",)}, {}),
        *(({name: value}, LANGUAGES) for name, value in OPTIONAL.items()),
        (OPTIONAL, LANGUAGES),
        ({**OPTIONAL, "off": ("identical", "language")}, LANGUAGES),
    ],
)
def test_what_is_off_is_what_is_not_asked(cleaning, given):
    config, found = told(cleaning, **given)
    asked = {name for name, _ in rules(config.cleaning, config.source_language, config.target_language)}
    assert {*found.in_vain} & {*RULES} == {"invalid_utf8", *asked}
    assert {*found.off} & {*RULES} == {*RULES} - {"invalid_utf8", *asked}


@pytest.mark.parametrize(
    ("given", "off"),
    [
        ({}, ("sampled_out", "near_duplicate")),
        ({"dedup": "none"}, ("sampled_out", "duplicate", "near_duplicate")),
        ({"near_duplicates": 0.8, "corpora": "corpora.yaml"}, ()),
    ],
)
def test_reasons_of_the_job(given, off):
    found = told(**given)[1]
    assert tuple(rule for rule in found.off if rule in JOB_REASONS) == off
    assert tuple(rule for rule in found.in_vain if rule in JOB_REASONS) == tuple(
        reason for reason in JOB_REASONS if reason not in off
    )


def test_what_rejected_something_is_not_idle():
    assert idle({"urls": 1, "words": 0, "empty": 0, "language": 0}, {"cleaning": {"off": ["empty"]}}) == (
        ("empty", "language"), ("words",)
    )  # fmt: skip
