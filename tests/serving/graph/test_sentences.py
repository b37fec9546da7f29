import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.protected import PATTERN
from serving.graph.sentences import join_sentences, split_sentences, whole_texts


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def in_graph(texts):
    return split_sentences(texts)


def split(*texts: str) -> list[list[str]]:
    """The sentences of each text."""
    found = split_sentences(tf.constant(texts, tf.string))
    rows, sentences = found.texts.numpy().tolist(), found.sentences.numpy()
    return [[bare.decode() for row, bare in zip(rows, sentences, strict=True) if row == n] for n in range(len(texts))]


@pytest.mark.parametrize(
    "sentences",
    [
        ["He came.", "She left."],
        ["Really?", "Yes!", "What?!", "no way."],
        ["He said: “Go!”", "She went.", "(They stayed.)", "So."],
        ["Il dit : « Viens. »", "Elle vint."],
        ["Er sagte: „Komm!“", "»Nein.«", "»Doch.«", "Sie blieb."],
        ["¿Dónde?", "¡Aquí!", "Vale."],
        ["यह घर है।", "वह दूर है॥", "अच्छा।"],
        ["أين هو؟", "هو هنا۔", "نعم."],
        ["Hello .", "How are you ?", "Well . . .", "Fine ."],
        ["In 1999.", "Then 2000.", "Pi is 3.14.", "So is 1,5.", "At 12:30.", "Bye."],
        ["He has no etc.", "They have."],
        ["Wait...", "He left.", "And …", "So."],
        ["lower case.", "all of it.", "really"],
        ["I said no.", "No.", "He said yes."],
        ["Look at nmt.org.", "It is there."],
        ["\0He\0 ca\U0010fffe\ufdd0me.", "She left."],
    ],
    ids=lambda sentences: sentences[0],
)
@pytest.mark.parametrize("space", [" ", "  ", "\u3000", "\n"], ids=ascii)
def test_sentences_that_end(sentences, space):
    assert split(space.join(sentences)) == [sentences]


@pytest.mark.parametrize(
    "sentence",
    [
        "Mr. Smith and Mrs. Jones met Dr. Who, i.e. the doctor, at 5 p.m. on Jan. 5.",
        "J. S. Bach, J.R.R. Tolkien and (so they say) G. W. Leibniz, Ph.D. of law.",
        "See No. 5, vol. 2, pp. 3 and Fig. 4 of Smith et al. there.",
        "The U.S. Army (cf. the E.U.) Council has cats, dogs etc. and so on.",
        "Am 3. Mai 2020, z. B. bzw. d.h. im 21. Jahrhundert, kam Ludwig XIV. zu Hr. Prof. Dipl.-Ing. Müller.",
        "Ca. die Str. Nr. 5 vgl. Abs. 3, usw. und so fort.",
        "M. Dupont, MM. Durand et Mme. Curie, c.-à-d. le 1er av. J.-C. ou env. 5.",
        "El Sr. López y la Sra. García, pág. 5, EE. UU. y aprox. 10.",
        "Il Sig. Rossi e il Dott. Verdi, pag. 5, ecc. e altro.",
        "Dhr. Jansen bijv. op blz. 5.",
        "Bl.a. kl. 5, t.ex. f.eks. dvs. nu.",
        "W 2020 r. np. prof. Nowak, tzn. ul. Długa i in.",
        "В 2020 г. на ул. Ленина, т. е. здесь и т. д.",
        "He waited ... and waited… and “Why?” she asked, “Why!” he cried.",
        "It costs 3.50 or 3,50, v1.2.3, at 10.000 of nmt.org or a.b@c.de, .5 and -.5",
        "Nr.\u00a05 kam. \u00a0",
        "one\rtwo\u2028three\u0085four",
        "「そうだ。」と言った",
    ],
    ids=ascii,
)
def test_what_ends_no_sentence(sentence):
    (found,) = split(sentence.removesuffix(" \u00a0"))
    assert found == [sentence.removesuffix(" \u00a0")]


@pytest.mark.parametrize(
    "sentences",
    [
        ['Click <a title="Now. Or never!">here</a>.', "<b>Bye</b>.", "So."],
        ["{{ greeting. Or not }} he said.", "No."],
        ["See https://a.org/?q=1. ", "Or www.x.org?", "Mail a.b@c.org!", "OK %s.", "{0}."],
        ['请看<a title="一。二">这里</a>。', "好。"],
    ],
    ids=ascii,
)
def test_no_sentence_ends_within_protected_text(sentences):
    text = "  ".join(sentences)
    found = split_sentences(tf.constant([text]), PATTERN)
    assert [sentence.decode() for sentence in found.sentences.numpy()] == [sentence.strip() for sentence in sentences]
    assert join_sentences(found.sentences[:, None], found, tf.constant(1)).numpy()[0, 0].decode() == text


def test_full_width_ends_need_no_white_space():
    assert split("你好。你是谁？！我是他！ 好") == [["你好。", "你是谁？！", "我是他！", "好"]]
    assert split("「そうだ。」 行こう。") == [["「そうだ。」", "行こう。"]]


@pytest.mark.parametrize("end", ["", ".", " Mr.", " z. B.", " 3.", " ...", ","])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\n\n", " \r\n \n\t"])
def test_a_line_break_is_always_a_boundary(end, line_break):
    assert split(f"One{end}{line_break}and two") == [[f"One{end}", "and two"]]


def test_parts_worked_out_by_hand():
    found = split_sentences(tf.constant(["", " So.  He\r\n\r\nWe. ", "\n", "一。二", "It"]))
    assert found.sentences.numpy().tolist() == [*(b"So.", b"He", b"We.", b""), *map(str.encode, ("一。", "二", "It"))]
    assert found.texts.numpy().tolist() == [1, 1, 1, 2, 3, 3, 4]
    assert found.before.numpy().tolist() == [b" ", b"", b"", b"\n", b"", b"", b""]
    assert found.after.numpy().tolist() == [b"  ", b"\r\n\r\n", b" ", b"", b"", b"", b""]
    assert found.unspaced.numpy().tolist() == [False, False, False, False, True, False, False]


def test_translations_are_joined_by_hand():
    sentences = split_sentences(tf.constant(["", " So.  He\n", "一。二。三"]))
    found = join_sentences(
        tf.constant([["a.", "x"], ["b", "y"], ["one.", "1。"], ["two!”", "2"], ["three.", "3."]]),
        sentences,
        tf.constant(3),
    )
    assert [[line.decode() for line in row] for row in found.numpy()] == [
        ["", ""],
        [" a.  b\n", " x  y\n"],
        ["one. two!” three.", "1。23."],
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_texts_without_sentences(count):
    sentences = split_sentences(tf.fill([count], ""))
    assert sentences.sentences.shape == sentences.unspaced.shape == (0,)
    joined = join_sentences(tf.zeros([0, 2], tf.string), sentences, tf.constant(count))
    assert joined.numpy().tolist() == [[b""] * 2] * count


def test_whole_texts_are_left_as_they_are():
    texts = [b" A.  B\n", b"", b"C"]
    sentences = whole_texts(tf.constant(texts))
    assert sentences.sentences.numpy().tolist() == texts
    assert join_sentences(sentences.sentences[:, None], sentences, tf.constant(3)).numpy()[:, 0].tolist() == texts


ENDS = [". ", "! ", "?", '." ', "...", "…", "。", "」", "\n", "\r\n", " ", "\u3000", "\u00a0", "\t", "\r", "\0"]
# The last three stand for others while a text is split.
WORDS = [
    "Mr",
    "z.B",
    "3",
    "etc",
    "No",
    "one",
    "Two",
    "é",
    "Ж",
    "你",
    "(",
    "“",
    "»",
    "\ufffd",
    "\U0010fffe",
    "\U0010ffff",
    "\ufdd0",
]
TEXTS = st.one_of(
    st.lists(st.sampled_from([*ENDS, *WORDS]), max_size=12).map("".join).map(str.encode),
    st.lists(st.sampled_from([*(word.encode() for word in (*ENDS, *WORDS)), b"\xff", b"\xe3\x80", b"\xc3"]), max_size=9)
    .map(b"".join),
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=20),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS, max_size=4))
def test_nothing_is_lost_and_the_order_is_kept(texts):
    # As objects, since an array of bytes loses a NUL at the end.
    found = in_graph(tf.constant(np.array(texts, object), tf.string))
    rows = found.texts.numpy().tolist()
    columns = (found.before, found.sentences, found.after)
    parts = list(zip(*(column.numpy().tolist() for column in columns), strict=True))
    assert rows == sorted(rows)
    for number, text in enumerate(texts):
        own = [part for row, part in zip(rows, parts, strict=True) if row == number]
        assert b"".join(b"".join(part) for part in own) == text
        assert not b"".join(before + after for before, _, after in own).decode().strip()
        assert not any(before for before, *_ in own[1:])
        assert not any(b"\n" in bare for _, bare, _ in own), "a line break within a sentence"
        alone = in_graph(tf.constant(np.array([text], object)))
        assert [part[1] for part in own] == alone.sentences.numpy().tolist(), "what else is split matters"
    copied = join_sentences(
        found.sentences[:, None], found._replace(unspaced=tf.zeros_like(found.unspaced)), len(texts)
    )
    assert copied.shape == (len(texts), 1)
    assert copied.numpy()[:, 0].tolist() == texts


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["He came.", "Is it 3.5?", "“No!”", "So", "1999."]), min_size=1, max_size=5), st.data())
def test_white_space_between_sentences_comes_back_byte_for_byte(sentences, data):
    spaces = [data.draw(st.text(" \t\r\u2003\u3000\n", min_size=1, max_size=4)) for _ in sentences]
    # A sentence without an end needs a line break.
    spaces = [
        space if sentence[-1] in ".?”" else f"{space}\n" for sentence, space in zip(sentences, spaces, strict=True)
    ]
    text = "".join(map("".join, zip(sentences, spaces, strict=True)))
    found = in_graph(tf.constant([text]))
    assert [sentence.decode() for sentence in found.sentences.numpy()] == sentences
    assert [after.decode() for after in found.after.numpy()] == spaces
    joined = join_sentences(tf.constant([["x"]] * len(sentences)), found, tf.constant(1))
    assert joined.numpy()[0, 0].decode() == "".join(f"x{space}" for space in spaces)
