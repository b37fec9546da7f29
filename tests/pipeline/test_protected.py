import re

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.protected import COUNT, FIRST_ID, PATTERN, SYMBOLS, is_placeholder, mask_pair

PROTECTED = re.compile(PATTERN, re.ASCII)


def found(text):
    return [match[0] for match in PROTECTED.finditer(text)]


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def marked(text):
    return tf.strings.regex_replace(text, f"({PATTERN})", b"\xff\\1\xff")


def found_by_re2(text):
    return [span.decode() for span in marked(tf.constant(text.encode())).numpy().split(b"\xff")[1::2]]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Hi {name}, {0} of {}: {user.name} {x!r:>10} {:.2f} {a[0]} {first-name}", 8),
        ("{{ user.name | upper }} ${VAR} %{count} #{x} {{n}}", 5),
        ("%s %d %(name)s %1$s %-5.2f %05d %*d %@ %2$@ %lu", 10),
        ("%s%%, %ds, %dx%d and %name", 6),
        ("<b> <B></b> <br/><br /> <0></0> <x:g id='1' a.b=c/> <a href=\"https://a.b/?q=1. x\" title='y > z'>", 9),
        ("&amp; &nbsp; &frac12; &#39; &#x2019;", 5),
        ("https://a.org HTTP://A.B/c ftp://x.y/z?a=b&c=%20#d www.foo.com/~me/", 4),
        ("https://de.wikipedia.org/wiki/Größe_(Mathe) https://x.com/{id}/a http://пример.рф/путь", 3),
        ("john.doe+x@mail.example.co.uk a@b.de %s@x.com", 3),
        ("⟦0⟧⟦9⟧", 2),
    ],
)  # fmt: skip
def test_what_is_protected(text, spans):
    assert len(found(text)) == spans
    rest = PROTECTED.sub("", text)
    assert not re.search(r"[{}%<>&@/⟦]", rest), f"{rest!r} is left"
    assert found_by_re2(text) == found(text)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        # What follows belongs to the sentence.
        ("See https://a.b/c. Or (http://a.b/c), www.x.y! \"http://a.b?\"; <https://x.y>", 
         ["https://a.b/c", "http://a.b/c", "www.x.y", "http://a.b", "https://x.y"]),
        ("请访问https://a.com。谢谢", ["https://a.com"]),
        ("mail a@b.de. Or <c@d.org>,", ["a@b.de", "c@d.org"]),
        ("<b>bold</b>, {n}s", ["<b>", "</b>", "{n}"]),
        ("%s: %d%%.", ["%s", "%d", "%%"]),
        # Templates within others are part of them.
        ('<a href="{url}" id=\'%s\'>', ['<a href="{url}" id=\'%s\'>']),
        ("https://x.org/%s/{id}?a={b}", ["https://x.org/%s/{id}?a={b}"]),
        ("mailto:x@y.org", ["x@y.org"]),
    ],
)  # fmt: skip
def test_where_it_ends(text, spans):
    assert found(text) == spans == found_by_re2(text)


@pytest.mark.parametrize(
    "text",
    [
        "100 % sure, 100%ige, 100%ig, 20% discount, 5%-iger, 20%der, % s, 3 % d, 50%.",
        "a < b, b > c, a <b and c> d, I <3 you, 1<2",
        "AT&T, R&D, a & b; x&y z",
        "{not this} { } {a b} {{ }",
        "www. www.. http:// https://. @home me@ a@b a@b. x@y.z",
        "$5, #1, [1], (c), e.g. i.e. 3.14 10:30 and/or",
        "⟦10⟧ ⟦x⟧ ⟦⟧ [0]",
        "{{a\tb}} <a b='c\nd'> {{\0}}",
    ],
)
def test_what_is_text(text):
    assert found(text) == found_by_re2(text) == []


PIECES = [
    *("{name}", "{", "}", "{{", "}}", "%", "%s", "%%", "%1$", "(x)", "d", "<b>", "<", "/", ">", " a='x'", '"', "'"),
    *("&", "amp;", "http://", "www.", "a.b", "@", ".", ",", "é", "ß", "Ж", "。", "你", "⟦", "0", "⟧", "⟦3⟧", "50", "-"),
    *(" ", "\n", "\t", "\0", "\u2028", "\U0010fffe", "_", "word", "=", ":", "#", "?", "!"),
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=20)


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_python_and_re2_find_the_same(text):
    assert found(text) == found_by_re2(text)


@pytest.mark.parametrize(
    "hostile",
    [
        "a",
        "%",
        "%0",
        "%(a",
        "0",
        '<a b="',
        "<a b=c ",
        "{",
        "{{a",
        "{a-",
        "http://(",
        "www.",
        "www.!",
        "&a",
        "a@b.",
        "⟦0",
    ],
)
def test_a_long_word_is_looked_through_in_linear_time(hostile):
    # A repetition within another would not come to an end.
    assert PROTECTED.sub("", hostile * (100_000 // len(hostile))) is not None


@pytest.mark.parametrize(
    ("source", "target", "masked"),
    [
        ("Hi {a}!", "Hallo {a}!", ("Hi ⟦0⟧!", "Hallo ⟦0⟧!")),
        # Numbered as in the source, also where the target has another order.
        ("{a} of {b}", "{b}: {a}", ("⟦0⟧ of ⟦1⟧", "⟦1⟧: ⟦0⟧")),
        # Equal ones are taken in order.
        ("%s and %s in %d", "%d: %s und %s", ("⟦0⟧ and ⟦1⟧ in ⟦2⟧", "⟦2⟧: ⟦0⟧ und ⟦1⟧")),
        # Those of one side alone, or oftener than on the other, stay.
        ("AT&amp;T {a}", "AT und T {a}", ("AT&amp;T ⟦0⟧", "AT und T ⟦0⟧")),
        ("{a} {a} <b>", "{a} <b> {c}", ("{a} {a} ⟦0⟧", "{a} ⟦0⟧ {c}")),
        # Symbols of the text itself are protected, or they are none any more.
        ("⟦3⟧ {a}", "{a} ⟦3⟧", ("⟦0⟧ ⟦1⟧", "⟦1⟧ ⟦0⟧")),
        ("⟦3⟧ {a}", "{a} ⟦4⟧", ("\ufffd ⟦0⟧", "⟦0⟧ \ufffd")),
        ("nothing", "nichts", ("nothing", "nichts")),
    ],
)  # fmt: skip
def test_pairs_worked_out_by_hand(source, target, masked):
    assert mask_pair(source, target) == masked


def test_the_eleventh_stays_text():
    spans = [f"{{{n}}}" for n in range(11)]
    source, target = mask_pair(" ".join(spans), " ".join(spans[::-1]))
    assert source == " ".join([*SYMBOLS, "{10}"])
    assert target == " ".join(["{10}", *SYMBOLS[::-1]])
    assert mask_pair("{a}" * 12, "{a}" * 12) == ("".join(SYMBOLS) + "{a}{a}",) * 2


@settings(deadline=None, max_examples=100)
@given(TEXTS, TEXTS, st.lists(st.sampled_from(["{a}", "%s", "<b>", "⟦1⟧", "x@y.org"]), max_size=14))
def test_each_symbol_stands_once_on_either_side_and_for_the_same(source, target, shared):
    source, target = " ".join([source, *shared]), " ".join([*shared[::-1], target])
    masked = mask_pair(source, target)
    spans, same = stood_for(source, masked[0]), stood_for(target, masked[1])
    assert spans == same and list(spans) == list(SYMBOLS[: len(spans)])


def stood_for(text, masked):
    """What each symbol of a masked text stands for, in order; all else is in both."""
    spans, begin = {}, 0
    for match in PROTECTED.finditer(text):
        masked = after(text[begin : match.start()], masked)
        begin = match.end()
        if masked[:3] in SYMBOLS:
            assert masked[:3] not in spans
            spans[masked[:3]], masked = match[0], masked[3:]
        else:
            masked = after(re.sub("⟦[0-9]⟧", "\ufffd", match[0]), masked)
    assert masked == text[begin:]
    return spans


def after(beginning, text):
    assert text.startswith(beginning)
    return text.removeprefix(beginning)


def test_the_ids_of_placeholders():
    assert [is_placeholder(n) for n in (3, 4, 13, 14)] == [False, True, True, False]
    ids = tf.constant([FIRST_ID - 1, FIRST_ID, FIRST_ID + COUNT])
    assert is_placeholder(ids).numpy().tolist() == [False, True, False]
