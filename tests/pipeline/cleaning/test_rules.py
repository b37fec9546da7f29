import time

import pytest

from pipeline.cleaning.config import RULES, CleaningConfig
from pipeline.cleaning.rules import Clean, Rejected, cleaner, rules

ALL_ON = {"min_numerals": 0.5, "min_punctuation": -2, "max_repetitions": 1, "max_urls": 0.5, "min_language": 0.1}
# A pair that the rule rejects, and no rule before it does.
REJECTED = {
    "invalid_utf8": (b"A man\xff.", "Мужчина."),
    "empty": ("A man.", " \u00a0\u200b"),
    "characters": ("A man." * 171, "Мужчина."),
    "words": ("A man. " * 126, "Мужчина. " * 100),
    "characters_ratio": ("A man.", "Мужчина стоит под дождём."),
    "longest_word": ("A" * 41, "Б" * 41),
    "identical": ("A man.", "a  MAN."),
    "letters": ("A man 12345.", "Мужчина 12345."),
    "script": ("A man.", "Ein Mann."),
    "numerals": ("A man of 49 years.", "Мужчина 57 лет."),
    "punctuation": ("A man stands... in... the rain...", "Мужчина стоит под дождём"),
    "repetition": ("A man, a man, a man, a man", "Мужчина стоит под дождём"),
    "urls": ("to http://man.org", "Мужчина"),
    "language": ("The man stands in the rain.", "Чоловік стоїть під дощем."),
}


def raw(pair):
    return [side if isinstance(side, bytes) else side.encode() for side in pair]


@pytest.fixture(scope="module")
def clean():
    return cleaner(CleaningConfig(), "en", "ru")


@pytest.fixture(scope="module")
def strict():
    return cleaner(CleaningConfig(**ALL_ON), "en", "ru")


@pytest.mark.parametrize("rule", RULES)
def test_the_first_rule_in_order_rejects_a_pair(strict, rule):
    assert strict(*raw(REJECTED[rule])).rule == rule


def test_a_pair_of_many_faults_is_counted_under_the_first(clean):
    assert clean(b"1" * 1025, b"").rule == "empty"
    assert clean(b"1" * 1025, b"1 " * 251).rule == "characters"


@pytest.mark.parametrize("rule", RULES[9:])
def test_some_rules_are_off_unless_they_are_asked_for(clean, rule):
    assert isinstance(clean(*raw(REJECTED[rule])), Clean)


@pytest.mark.parametrize("rule", RULES[1:])
def test_a_rule_that_is_off_is_not_asked(rule):
    settings = ALL_ON | {"off": (rule,)}
    if rule != "language":
        settings.pop("min_language")
    assert rule not in dict(rules(CleaningConfig(**settings), "en", "ru"))
    result = cleaner(CleaningConfig(**settings), "en", "ru")(*raw(REJECTED[rule]))
    assert isinstance(result, Clean) or RULES.index(result.rule) > RULES.index(rule)


def test_rules_stand_in_order():
    assert tuple(name for name, _ in rules(CleaningConfig(**ALL_ON), "en", "ru")) == RULES[1:]


def test_without_languages_no_script_is_asked_unless_it_is_told():
    pair = raw(REJECTED["script"])
    assert isinstance(cleaner(CleaningConfig())(*pair), Clean)
    assert cleaner(CleaningConfig(target_scripts=("Cyrillic",)))(*pair).rule == "script"
    assert cleaner(CleaningConfig(source_scripts=("Han",)), "en", "de")(*pair).rule == "script"
    assert isinstance(cleaner(CleaningConfig(target_scripts=("Cyrillic", "Latin")), "en", "ru")(*pair), Clean)


def test_what_is_kept_is_normalized(clean):
    assert clean("\ufeffA \t cafe\u0301.\r".encode(), "Кафе\u00ad.".encode()) == Clean("A caf\u00e9.", "Кафе.")
    as_it_is = cleaner(CleaningConfig(normalize=False))
    assert as_it_is(b"A  man. ", "Mann\u00ad".encode()) == Clean("A  man. ", "Mann\u00ad")


def test_repairs_come_before_the_rules():
    pair = raw(("&lt;&gt; &lt;&gt; a&amp;b", "Zwei Paare: a&b"))
    assert isinstance(cleaner(CleaningConfig())(*pair), Clean)
    assert cleaner(CleaningConfig(ftfy=True))(*pair).rule == "letters"


def test_what_is_rejected_tells_value_threshold_and_text_as_it_was_read(clean):
    assert clean(b"A  man 12345 .", "Мужчина".encode()) == Rejected("letters", 4 / 10, 0.5, "A  man 12345 .", "Мужчина")
    assert clean(b"a\xffb", "é".encode()) == Rejected("invalid_utf8", None, None, "a\\xffb", "é")


def test_a_line_of_megabytes_is_told_in_part_and_soon(clean):
    start = time.process_time()
    rejected = clean("é ".encode() * 3_000_000, b"a man")
    assert time.process_time() - start < 5
    assert rejected == Rejected("characters", 5_999_999, 1024, "é " * 5_000, "a man")
    assert clean("é".encode() * 10_001, b"\xff").source == "é" * 10_000
