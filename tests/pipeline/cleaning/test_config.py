import subprocess
import sys

import pytest

from pipeline.cleaning.config import RULES, CleaningConfig
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"off": ("letters", "lettrs")}, "--cleaning.off: expected names among empty, .*received 'lettrs'"),
        ({"off": ("invalid_utf8",)}, "--cleaning.off: .*received 'invalid_utf8'"),
        ({"max_characters": 0}, "--cleaning.max_characters: expected at least 1, received 0"),
        ({"max_words": 0}, "--cleaning.max_words"),
        ({"max_word_length": 0}, "--cleaning.max_word_length"),
        ({"min_words": -1}, "--cleaning.min_words: expected 0 to 250, received -1"),
        ({"min_words": 4, "max_words": 3}, "--cleaning.min_words: expected 0 to 3, received 4"),
        ({"max_ratio": 0.9}, "--cleaning.max_ratio: expected at least 1, received 0.9"),
        ({"min_letters": 1.1}, "--cleaning.min_letters: expected a share, 0 to 1, received 1.1"),
        ({"min_script": -0.1}, "--cleaning.min_script"),
        ({"min_numerals": 2}, "--cleaning.min_numerals"),
        ({"max_urls": -1}, "--cleaning.max_urls"),
        ({"min_language": 50}, "--cleaning.min_language: expected a share"),
        ({"min_punctuation": 1}, "--cleaning.min_punctuation: expected at most 0, received 1"),
        ({"max_repetitions": -1}, "--cleaning.max_repetitions: expected at least 0, received -1"),
        ({"source_scripts": ("Latin", "Latin1")}, "--cleaning.source_scripts: .*such as Latin, received 'Latin1'"),
        ({"target_scripts": ("]",)}, "--cleaning.target_scripts"),
    ],
)
def test_what_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        CleaningConfig(**settings)


def test_every_other_rule_can_be_off():
    assert CleaningConfig(off=RULES[1:]).off == RULES[1:]


@pytest.mark.parametrize(("setting", "package"), [("ftfy=True", "ftfy"), ("min_language=0.1", "py3langid")])
def test_a_package_that_is_missing(setting, package):
    # Without the folder of installed packages, Python has its own library alone.
    code = f"from pipeline.cleaning.config import CleaningConfig\nCleaningConfig({setting})"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    name = setting.split("=")[0]
    assert done.stderr.rstrip().endswith(
        f"UserError: --cleaning.{name}: expected the package {package}, received none;"
        ' do `pip install "keras-nmt[clean]"`'
    )
