import numpy as np
import pytest
import tensorflow as tf

from serving.embedded.status import Code, StatusError
from serving.graph.translator import Translator

TEXT = "one red cats here"
# None of the sentences' words, and such as no shortlist has; white space of all kinds; bytes of characters.
PREFIXES = [
    "s",
    "sechs",
    "sechs ",
    "sechs blau Hu",
    "eins rot Kat",
    "Xylophon",
    "  zwei",
    "zwei  ",
    "\U0001f600",
    "drei \U0001f600 ",
    "fu\u0308nf",
    "\u2581x",
    "東京",
    "a" * 60,
    "\t",
    "x\0y",
    "<s> </s> <0x0A>",
    "u\u0308ber e",
]


def complete(translator, texts, prefixes):
    found = translator.prefix(tf.constant(texts, tf.string), tf.constant(prefixes, tf.string))["translation"]
    return found.numpy().tolist()


def test_a_translation_begins_with_its_prefix_byte_for_byte(translator):
    found = complete(translator, [TEXT] * len(PREFIXES), PREFIXES)
    for translation, prefix in zip(found, PREFIXES, strict=True):
        assert translation.startswith(prefix.encode())
        translation.decode()
    assert (
        sum(len(translation) > len(prefix.encode()) for translation, prefix in zip(found, PREFIXES, strict=True)) > 12
    )


def test_the_last_word_is_finished_as_the_model_would(translator):
    (whole,) = translator.translate(tf.constant([TEXT]))["translation"].numpy().tolist()
    words = whole.decode()
    assert len(words.split()) == 4
    # Wherever it is broken off, it goes on to the same.
    cuts = [words[:end] for end in range(len(words) + 1)]
    assert complete(translator, [TEXT] * len(cuts), cuts) == [whole] * len(cuts)


def test_another_word_is_kept_and_what_follows_is_translated(translator):
    first, second = complete(translator, [TEXT] * 2, ["sechs ", "sechs blau K"])
    assert first.split()[0] == b"sechs" and len(first.split()) > 2
    assert second.split()[:2] == [b"sechs", b"blau"]


def test_without_a_prefix_it_is_the_translation(translator, sentences, hostile):
    texts = [*sentences[:40], *(line for line in hostile if len(line) < 1000), "one.\n two three. four"]
    expected = translator.translate(tf.constant(texts))["translation"].numpy().tolist()
    assert complete(translator, texts, [""] * len(texts)) == expected


def test_alone_and_in_company(translator, sentences):
    texts = [*sentences[:10], TEXT, "one. two red! six", "", " "] * 2
    prefixes = ["", "sechs ", "zw", "eins. ", "eins. zwei rot! s", "Ü", "x", " "] * 4
    prefixes = prefixes[: len(texts)]
    short = [(text, prefix) for text, prefix in zip(texts, prefixes, strict=True) if len(text.split()) < 39]
    together = complete(translator, *zip(*short, strict=True))
    assert together == [complete(translator, [text], [prefix])[0] for text, prefix in short]
    assert complete(translator, [], []) == []


def test_sentences_that_are_done_are_left_as_they_were_typed(translator):
    text, parts = "one red.  two blue!\nthree here", ["one red.", "two blue!", "three here"]
    first, second, third = (line.decode() for line in translator.translate(tf.constant(parts))["translation"].numpy())
    assert complete(translator, [text] * 3, ["", "Ja! ", "Ja.\n"]) == [
        f"{first}  {second}\n{third}".encode(),
        f"Ja! {second}\n{third}".encode(),
        f"Ja.\n{second}\n{third}".encode(),
    ]
    (found,) = complete(translator, [text], ["Ja! Nein. dr"])
    assert found.startswith(b"Ja! Nein. dr") and b"\n" not in found
    assert complete(translator, ["", " "], ["Eins zw", "x "]) == [b"Eins zw", b"x "]


def test_what_is_no_utf8(translator):
    assert complete(translator, [TEXT], [b"a\xff b\xc3"])[0].startswith("a\ufffd b\ufffd".encode())


def test_a_prefix_too_long_or_in_a_sentence_of_several_parts_is_refused(translator):
    assert translator.decoding.max_source_length == 40
    # 40 * 1.5 + 10 pieces, END apart.
    longest = " ".join(["eins"] * 69)
    assert complete(translator, ["one"], [longest])[0].startswith(longest.encode())
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="prefix: expected at most 69 pieces in a sentence, received"
    ):
        complete(translator, ["one"] * 2, ["eins", f"{longest} eins"])
    long = " ".join(["one"] * 60)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="prefix: expected an end in a sentence that is translated"
    ):
        complete(translator, [long], ["eins"])
    # Before and after the sentence under way there may be any.
    (expected,) = translator.translate(tf.constant([long]))["translation"].numpy()
    assert complete(translator, [f"one. {long}", f"{long}. two"], ["Ja. ", "Ja. zwei"])[0] == b"Ja. " + expected
    with pytest.raises(tf.errors.InvalidArgumentError, match="text, prefix: expected as many of either"):
        complete(translator, ["one", "two"], ["eins"])


@pytest.mark.slow
def test_what_is_drawn_of_texts_that_are_not_split_begins_so_too(run):
    drawing = Translator.from_run(run, temperature=2.0, split_sentences=False)
    found = complete(drawing, [TEXT, TEXT, "one. two", TEXT], ["sechs blau Hu", "Xylophon ", "Ja. N", ""])
    assert found[0].startswith(b"sechs blau Hu") and found[1].startswith(b"Xylophon ")
    assert found[2].startswith(b"Ja. N")
    assert found[3] == drawing.translate(tf.constant([TEXT]))["translation"].numpy()[0]


@pytest.mark.slow
def test_the_saved_graph(servable, translator):
    texts, prefixes = [TEXT] * len(PREFIXES), [prefix.encode() for prefix in PREFIXES]
    expected = complete(translator, texts, prefixes)
    rows = {"text": np.array([text.encode() for text in texts], object), "prefix": np.array(prefixes, object)}
    assert servable.run("prefix", rows)["translation"].tolist() == expected
    with pytest.raises(StatusError, match="text, prefix: expected as many of either") as caught:
        servable.run("prefix", {"text": rows["text"], "prefix": rows["prefix"][:1]})
    assert caught.value.code == Code.INVALID_ARGUMENT
    nothing = {name: value[:0] for name, value in rows.items()}
    assert servable.run("prefix", nothing)["translation"].shape == (0,)
    one = {name: value[3:4] for name, value in rows.items()}
    assert servable.run("prefix", one)["translation"].tolist() == expected[3:4]


@pytest.mark.slow
def test_what_is_protected_is_typed_or_comes(protected_run):
    translator, text = Translator.from_run(protected_run), "one red https://ba.org/?q=1 cats {du} here"
    prefixes = ["", "xyz https://ba.org/?q=1 ", "https://ba.org/?q=1", "xyz https://other.org/ ", "{du} https://ba.or"]
    found = complete(translator, [text] * len(prefixes), prefixes)
    assert found[0] == translator.translate(tf.constant([text]))["translation"].numpy()[0]
    for translation, prefix in zip(found, prefixes, strict=True):
        assert translation.startswith(prefix.encode())
        # What was typed does not come again, and nothing is lost.
        assert [translation.decode().count(span) for span in ("https://ba.org/?q=1", "{du}")] == [1, 1]
    assert complete(translator, [text], prefixes[1:2]) == found[1:2]
