import pytest
import tensorflow as tf

from serving.graph.prefixes import resume, under_way
from serving.graph.sentences import split_sentences, surround, whole_texts

TEXT = "One two. Three four!\nFive."


def found(text, prefix, split=True):
    """What of a prefix belongs to the sentence under way, and which sentences of the text are done or that one."""
    sentences = split_sentences(tf.constant([text])) if split else whole_texts(tf.constant([text]))
    state = under_way(tf.constant([prefix]), sentences, split)
    return state.rest.numpy()[0].decode(), state.is_done.numpy().tolist(), state.is_current.numpy().tolist()


@pytest.mark.parametrize(
    ("prefix", "rest", "done"),
    [
        ("", "", 0),
        ("Ei", "Ei", 0),
        ("Eins zwei", "Eins zwei", 0),
        # White space ends a word, and after a full stop a sentence.
        ("Eins zwei ", "Eins zwei ", 0),
        ("Eins zwei.", "Eins zwei.", 0),
        ("Eins zwei. ", "", 1),
        ("  Eins zwei.\n", "", 1),
        ("Eins zwei. Drei", "Drei", 1),
        ("Eins z. B. Drei", "Eins z. B. Drei", 0),
        ("Eins. Zwei! Fü", "Fü", 2),
        # The last has what is left.
        ("Eins. Zwei! Fünf. Sechs. Sieben", "Fünf. Sechs. Sieben", 2),
        ("  ", "", 0),
        # Whatever it ends with.
        ("Eins x", "Eins x", 0),
        ("xx", "xx", 0),
    ],
)
def test_sentences_are_counted_off(prefix, rest, done):
    is_done = [prefix != "" and n < done for n in range(3)]
    assert found(TEXT, prefix) == (rest, is_done, [n == done for n in range(3)])


def test_an_empty_line_is_done_with_what_follows_it():
    text = " \n One."
    assert found(text, "") == ("", [False, False], [False, True])
    assert found(text, "Ei") == ("Ei", [True, False], [False, True])


def test_a_text_that_is_not_split_is_one_sentence():
    assert found(TEXT, "Eins. Zwei! ", split=False) == ("Eins. Zwei! ", [False], [True])


def test_composed_characters():
    assert found("One.", "fu\u0308")[0] == "fü"


def test_a_text_without_sentences():
    assert found("", "Eins")[1:] == ([], [])


def resumed(text, prefix, translations, said):
    sentences = split_sentences(tf.constant([text]))
    state = under_way(tf.constant([prefix]), sentences, True)
    whole = surround(tf.constant(translations)[:, None], sentences)[:, 0]
    return resume(tf.constant([prefix]), whole, tf.constant(said), state, sentences.texts).numpy()[0]


def test_what_was_typed_stands_as_it_was_typed():
    translations = ["Eins zwei.", "Drei vier!", "Fünf."]
    assert resumed(TEXT, "", translations, [0, 0, 0]) == "Eins zwei. Drei vier!\nFünf.".encode()
    assert resumed(TEXT, "Eins", translations, [4, 0, 0]) == "Eins zwei. Drei vier!\nFünf.".encode()
    # What was typed of the first is not what was translated, and is in other white space.
    assert resumed(TEXT, "A.\t\nDrei", translations, [0, 4, 0]) == "A.\t\nDrei vier!\nFünf.".encode()
    assert resumed(f" {TEXT}", "Eins", translations, [5, 0, 0]) == "Eins zwei. Drei vier!\nFünf.".encode()
    typed = b"fu\xcc\x88\xff"
    assert resumed(TEXT, typed, ["fü\ufffd!", "", ""], [6, 0, 0]) == "fu\u0308\ufffd! \n".encode()


def test_a_text_without_sentences_is_what_was_typed():
    sentences = split_sentences(tf.constant(["", ""]))
    prefixes = tf.constant(["Eins", ""])
    state = under_way(prefixes, sentences, True)
    empty = tf.zeros([0], tf.int32)
    assert resume(prefixes, tf.constant([], tf.string), empty, state, sentences.texts).numpy().tolist() == [
        b"Eins",
        b"",
    ]
