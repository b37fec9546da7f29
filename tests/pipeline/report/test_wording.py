import pytest

from pipeline.cleaning.config import RULES
from pipeline.job.rejects import JOB_REASONS
from pipeline.report.wording import MEANINGS, flat, in_order, number, share


def test_every_rule_has_a_meaning_in_the_order_of_the_rules():
    assert tuple(MEANINGS) == (*RULES, *JOB_REASONS)


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 0, "0 %"), (0, 5, "0 %"), (1, 100_000, "< 0.01 %"), (1, 10_000, "0.01 %"), (1, 3, "33.3 %"),
        (99_999, 100_000, "> 99.99 %"), (5, 5, "100.0 %"),
    ],
)  # fmt: skip
def test_shares(part, whole, told):
    assert share(part, whole) == told


def test_what_was_measured():
    assert [number(value) for value in (12345, 3, 1.8703703, 3.0, 0.0004)] == ["12,345", "3", "1.87", "3.0", "0.0"]


def test_rules_stand_in_their_order_and_those_without_a_place_at_the_end():
    assert list(in_order({"c": 1, "b": 0, "a": 2}, ["z", "b", "a"]).items()) == [("b", 0), ("a", 2), ("c", 1)]


def test_settings_of_sections_have_their_options_names():
    settings = {"seed": 1, "off": ["a", "b"], "language": None, "cleaning": {"max_words": 3, "deeper": {"x": ""}}}
    assert flat(settings) == {
        "seed": 1, "off": "a b", "language": "", "cleaning.max_words": 3, "cleaning.deeper.x": ""
    }  # fmt: skip
