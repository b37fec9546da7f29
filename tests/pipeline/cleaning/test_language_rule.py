import pytest

from pipeline.cleaning.language_rule import language_rule
from pipeline.cleaning.scripts import least_letters
from pipeline.cleaning.sides import sides
from pipeline.errors import UserError

ENGLISH, GERMAN = "Two young men are outside near many bushes.", "Zwei junge Männer sind im Freien."


def pair(source, target):
    return sides(source, target, least_letters(()), least_letters(()))


@pytest.fixture(scope="module")
def rule():
    return language_rule(0.1, "en", "de-AT")


def test_each_side_has_a_language(rule):
    assert rule(pair(ENGLISH, GERMAN)) is None
    for wrong in ((GERMAN, ENGLISH), (ENGLISH, ENGLISH), (GERMAN, GERMAN)):
        value, threshold = rule(pair(*wrong))
        assert 0 <= value < threshold == 0.1


def test_bokmal_goes_by_the_name_of_norwegian():
    assert (
        language_rule(0.1, "nb", "en")(pair("Det er en mann som sitter ute i hagen og leser avisen.", ENGLISH)) is None
    )


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ((None, "de"), "--source-language: .* en .*received None"),
        (("en", "tlh"), "--target-language: .*received 'tlh'"),
    ],
)
def test_a_language_that_is_not_known(languages, message):
    with pytest.raises(UserError, match=message):
        language_rule(0.1, *languages)
