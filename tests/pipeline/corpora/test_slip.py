import random

import pytest

from pipeline.corpora import slip

WORDS = ["Haus", "gehen", "ein", "und", "Straße", "grün", "weiter", "oft"]


@pytest.fixture(scope="module")
def sides():
    """Three thousand lines and what could be their translations: a bit longer, with the same numbers and ends."""
    draw = random.Random(5)
    source, target = [], []
    for _ in range(3000):
        count, end = draw.randint(2, 25), draw.choice(".....?!")
        number = f" {draw.randint(1, 999)}" if draw.random() < 0.1 else ""
        source.append(" ".join(draw.choices(WORDS, k=count)) + number + end)
        target.append(" ".join(draw.choices(WORDS, k=count + draw.randint(0, 3))) + number + end)
    return source, target


def told(write_lines, source, target):
    return slip.told(write_lines("s", source), write_lines("t", target))


def line_told(message: str) -> int:
    return int(message.removeprefix(", which do not fit from about line ").removesuffix(" on"))


@pytest.mark.parametrize("place", [150, 1500, 2850])
@pytest.mark.parametrize("lost", [1, 7, 300])
def test_lost_lines_are_found(write_lines, sides, place, lost):
    source, target = sides
    # What is lost at once fits here and there by chance.
    near = 8 if lost < 300 else 90
    if place + lost + 100 < 3000:
        message = told(write_lines, source, target[:place] + target[place + lost :])
        assert abs(line_told(message) - (place + 1)) <= near
        message = told(write_lines, source[:place] + source[place + lost :], target)
        assert abs(line_told(message) - (place + 1)) <= near


def test_the_first_of_several_is_told(write_lines, sides):
    source, target = sides
    message = told(write_lines, source, target[:700] + target[701:1900] + target[1905:])
    assert abs(line_told(message) - 701) <= 8


def test_a_file_that_was_cut_fits_up_to_its_end(write_lines, sides):
    source, target = sides
    assert told(write_lines, source, target[:2600]) == ", which seem to fit up to line 2600, where one ends"


def test_nothing_is_told_of_what_never_fits(write_lines, sides):
    source, target = sides
    assert told(write_lines, source, random.Random(2).sample(target, 2990)) == ""


def test_nothing_is_told_of_few_lines(write_lines, sides):
    source, target = sides
    assert told(write_lines, source[:100], target[1:100]) == ""


def test_empty_and_undecodable_lines_do_no_harm(write_lines, sides):
    source, target = sides
    odd = [b"", b"\xff\xfe", b" \xe3\x80\x82\r"]
    assert line_told(told(write_lines, odd + source[:900], odd + target[:400] + target[402:900])) in range(396, 412)
