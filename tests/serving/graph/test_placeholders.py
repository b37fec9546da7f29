import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding.beam_search import IMPOSSIBLE
from models.decoding.scoring import token_log_probabilities
from models.run import load_model
from pipeline.pieces import train_subwords
from pipeline.protected import COUNT, PATTERN, SYMBOLS
from pipeline.tokenizer import Tokenizer
from serving.embedded.status import Code, StatusError
from serving.exports.check import broken_rules, read_graph
from serving.exports.export import export as make_export
from serving.graph.placeholders import in_json, mask, mask_alike, of_parts, repair, unmask
from serving.graph.segments import divide, join
from serving.servable import Servable

PROTECTED = re.compile(PATTERN, re.ASCII)


def decoded(strings):
    return [[text.decode() for text in row] if isinstance(row, list) else row.decode() for row in strings]


def test_masked_texts_worked_out_by_hand():
    texts = ["Hi {a}, <b>x</b>", "", "{a}{b} e\u0301 \0 ⟦3⟧", "x", "%s" * 12]
    masked, spans = mask(tf.constant(texts), PATTERN)
    assert decoded(masked.numpy().tolist()) == [
        "Hi ⟦0⟧, ⟦1⟧x⟦2⟧", "", "⟦0⟧⟦1⟧ \u00e9 \0 ⟦2⟧", "x", "".join([*SYMBOLS, *SYMBOLS[:2]])
    ]  # fmt: skip
    assert decoded(spans.to_list()) == [["{a}", "<b>", "</b>"], [], ["{a}", "{b}", "⟦3⟧"], [], ["%s"] * 12]
    assert decoded(mask(tf.constant([b"a1\xff b"]), "a[0-9]")[0].numpy().tolist()) == ["⟦0⟧\ufffd b"]


def test_other_texts_are_masked_alike():
    _, spans = mask(tf.constant(["%s {a} %s", "", "⟦3⟧ {b}"]), PATTERN)
    texts = tf.constant(["%s: %s {a} %s {b}", "%s e\u0301", "{b} ⟦3⟧ ⟦3⟧ ⟦0⟧"])
    expected = ["⟦0⟧: ⟦2⟧ ⟦1⟧ %s {b}", "%s \u00e9", "⟦1⟧ ⟦0⟧ \ufffd \ufffd"]
    assert decoded(mask_alike(texts, spans, PATTERN).numpy().tolist()) == expected


def spans_of_parts():
    """Of two texts in five parts: the second and the third have none, and the fifth goes on with the fourth."""
    ids = tf.ragged.constant([[4, 50, 5, 3], [50, 3], [3], [4, 3], [5, 6, 3]], dtype=tf.int32)
    return of_parts(ids, tf.ragged.constant([["é", '"b"'], ["c", "d\\", "e"]]))


def test_spans_of_parts():
    spans = spans_of_parts()
    assert decoded(spans.texts.to_list()) == [["é", '"b"'], [], [], ["c"], ["d\\", "e"]]
    assert spans.first.numpy().tolist() == [0, COUNT, COUNT, 0, 1]
    ids = tf.constant([[4, 5, 6, 14], [4, 50, 3, 0], [0, 0, 0, 0], [5, 4, 4, 3], [4, 5, 6, 7]])
    assert spans.characters(ids).numpy().tolist() == [[1, 3, 0, 0], [0] * 4, [0] * 4, [0, 1, 1, 0], [0, 2, 1, 0]]
    escaped = decoded(in_json(spans).texts.to_list())
    assert [[json.loads(f'"{text}"') for text in row] for row in escaped] == decoded(spans.texts.to_list())


def test_protected_text_is_put_back_once():
    texts = [["⟦1⟧x⟦0⟧⟦0⟧", "⟦0⟧"], ["⟦0⟧", ""], ["", ""], ["é⟦0⟧\0", "⟦1⟧"], ["⟦1⟧ ⟦2⟧⟦0⟧", "⟦2⟧ ⟦12⟧"]]
    found = decoded(unmask(tf.constant(texts), spans_of_parts()).numpy().tolist())
    assert found == [['"b"xé⟦0⟧', "é"], ["⟦0⟧", ""], ["", ""], ["éc\0", "⟦1⟧"], ["d\\ e⟦0⟧", "e ⟦12⟧"]]
    assert decoded(unmask(tf.constant(texts), None).numpy().tolist()) == texts


@pytest.mark.parametrize(
    ("translation", "repaired"),
    [
        ([6, 30, 4, 3], [6, 30, 4, 3]),
        # Made up, with a space of its own, and without one.
        ([6, 20, 7, 31, 8, 4, 3], [6, 31, 4, 3]),
        # A second time.
        ([6, 4, 30, 6, 6, 3], [6, 4, 30, 3]),
        # Left out: at the end, each after a space.
        ([30, 3], [30, 20, 4, 20, 6, 3]),
        ([3], [20, 4, 20, 6, 3]),
        ([20, 5, 6, 3], [6, 20, 4, 3]),
        # No translation at all.
        ([], [3]),
    ],
)
def test_repaired_translations_worked_out_by_hand(translation, repaired):
    source_ids = tf.constant([[4, 50, 6, 3], [50, 3, 0, 0]])
    row = [*translation, *[0] * (7 - len(translation))]
    found = repair(source_ids, tf.constant([[row, [4, 30, 6, 3, 0, 0, 0]], [[50, 3, 0, 0, 0, 0, 0]] * 2]), 20).numpy()
    assert found.shape[:2] == (2, 2)
    assert [[piece for piece in ids if piece] for ids in found[0].tolist()] == [repaired, [4, 30, 6, 3]]
    assert [[piece for piece in ids if piece] for ids in found[1].tolist()] == [[50, 3]] * 2


def test_no_texts():
    masked, spans = mask(tf.zeros([0], tf.string), PATTERN)
    assert masked.shape == (0,) and spans.to_list() == []
    assert mask_alike(masked, spans, PATTERN).shape == (0,)
    parts = of_parts(tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.int32), tf.zeros([0], tf.int64)), spans)
    assert unmask(tf.zeros([0, 2], tf.string), parts).shape == (0, 2)


@pytest.fixture(scope="module")
def tokenizer():
    lines = ["ab abc abcd ba cab dab bad cad ⟦0⟧ ab⟦1⟧", "ab abc d"]
    return Tokenizer(train_subwords(lines, vocab_size=295, placeholders=True))


@pytest.fixture(scope="module")
def speak(tokenizer):
    """What comes of texts if a model repeats each part of them, and if it says something at random."""
    longest = 20

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([2], tf.int32)])
    def speak(texts, seed):
        masked, spans = mask(texts, PATTERN)
        parts = divide(tokenizer.tokenize(masked), tokenizer.word_starts(), longest, placeholders=True)
        parts = parts._replace(spans=of_parts(parts.ids, spans))
        source_ids = parts.ids.to_tensor(shape=(None, longest))
        shape = [parts.ids.nrows(), 12]
        any_ids = tf.random.stateless_uniform(shape, seed, 3, tokenizer.vocab_size, tf.int32)
        placeholders = tf.random.stateless_uniform(shape, seed + 1, 4, 14, tf.int32)
        random_ids = tf.where(tf.random.stateless_uniform(shape, seed + 2) < 0.3, placeholders, any_ids)
        found = []
        for ids in (source_ids, random_ids):
            ids = repair(source_ids, ids[:, None], tokenizer.space)[:, 0]
            said = unmask(tokenizer.detokenize(tf.RaggedTensor.from_tensor(ids))[:, None], parts.spans)
            found.append(join(said, parts, tf.size(texts))[:, 0])
        return found

    return speak


PIECES = ("ab", " ", "abc", "{a}", "%s", "%s ", '<a b="c. d">', "https://a.b/c?d", " x@y.org", "⟦0⟧", "⟦1⟧", "\0")
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 1000))
def test_whatever_a_model_says_nothing_protected_is_lost(speak, texts, seed):
    encoded = np.array([text.encode() for text in texts], object)
    repeated, random = (
        decoded(found.numpy().tolist()) for found in speak(tf.constant(encoded), tf.constant([seed, 1]))
    )
    assert repeated == texts
    for text, translation in zip(texts, random, strict=True):
        check_nothing_is_lost(text, translation)


def check_nothing_is_lost(text, translation):
    wanted = Counter(match[0] for match in PROTECTED.finditer(text))
    assert all(translation.count(span) >= times for span, times in wanted.items()), (text, translation)


@pytest.fixture(scope="module")
def version(protected_run, tmp_path_factory):
    """The export of a run that has learned where placeholders go; `test_completer.py` tries the signature `prefix`."""
    folder = tmp_path_factory.mktemp("exports")
    return Path(make_export(str(protected_run), str(folder), signatures=("nbest", "align", "score", "decode")))


@pytest.fixture(scope="module")
def served(version):
    """Runs a signature of the saved graph on texts."""
    servable = Servable(version)

    def run(signature, texts, **more):
        columns = {"text": texts} | more
        return servable.run(
            signature, {name: np.array([text.encode() for text in column], object) for name, column in columns.items()}
        )

    yield run
    servable.close()


def test_protected_text_is_put_where_it_belongs(served, protected_pairs):
    sources, targets = zip(*protected_pairs, strict=True)
    translations = decoded(served("serving_default", sources)["translation"].tolist())
    for source, translation in zip(sources, translations, strict=True):
        check_nothing_is_lost(source, translation)
    in_place = [
        PROTECTED.findall(one) == PROTECTED.findall(other) for one, other in zip(translations, targets, strict=True)
    ]
    assert sum(in_place) > 85
    assert sum(one == other for one, other in zip(translations, targets, strict=True)) > 60


SIDES = (
    "one",
    "red",
    "cats",
    "and",
    "four",
    "here",
    ". ",
    "! ",
    "\n",
    ", ",
    " ",
    " ",
    " ",
    "\u3000",
    "。",
    "Mr. ",
    "\0",
)
SPANS = ("{name}", "%s", "%1$d ", " https://a.org/?q=1", " x@y.org ", '<a title="One. Two! x">', "</a>", "&amp;", "⟦0⟧")
LINES = st.lists(st.sampled_from([*SIDES, *SPANS, *SPANS]), max_size=25).map("".join)


@settings(deadline=None, max_examples=25)
@given(st.lists(LINES, min_size=1, max_size=6))
def test_nothing_is_lost_in_the_saved_graph(served, texts):
    translations = decoded(served("serving_default", texts)["translation"].tolist())
    best, aligned = served("nbest", texts), served("align", texts)
    assert decoded(best["translations"][:, 0].tolist()) == translations == decoded(aligned["translation"].tolist())
    for text, rows, scores in zip(texts, decoded(best["translations"].tolist()), best["scores"], strict=True):
        # A text without words has no translation, and one of few words may have no other.
        for row in [row for row, score in zip(rows, scores, strict=True) if text.strip() and score > IMPOSSIBLE]:
            check_nothing_is_lost(text, row)
    for text, translation, alignment in zip(texts, translations, aligned["alignment"], strict=True):
        spans = {match[0] for match in PROTECTED.finditer(text)}
        for part in json.loads(alignment):
            assert np.shape(part["attention"]) == (len(part["target"]), len(part["source"]))
            for side, whole in (("source", text), ("target", translation)):
                assert all(whole[begin:end] == piece for piece, begin, end in part[side] if piece in spans)


def test_pieces_of_protected_text_stand_where_they_are_said_to(served):
    text = '  {a} cats <b id="x. y">here</b>. See\thttps://a.org/?q=1!\n\n' + " ".join(f"%({n})s" for n in range(12))
    found = served("align", [text])
    parts, translation = json.loads(found["alignment"][0]), found["translation"][0].decode()
    assert len(parts) == 4, "the twelve are not divided after the tenth"
    spans = PROTECTED.findall(text)
    for side, whole in (("source", text), ("target", translation)):
        pieces = [piece for part in parts for piece in part[side]]
        assert Counter(piece for piece, *_ in pieces if piece in spans) == Counter(spans)
        assert [piece for piece, *_ in pieces if piece in spans] == spans or side == "target"
        for n, (piece, begin, end) in enumerate(pieces):
            if piece in spans or piece.isalpha():
                assert whole[begin:end] == piece, n


def test_the_saved_graph_scores_placeholders(served, protected_run):
    pairs = [
        ("one {a} cats <b>", "eins {a} Katzen <b>"),
        ("one {a} cats <b>", "eins <b> Katzen {c} ⟦7⟧ {a}"),
        ("two", ""),
    ]
    masked = [
        ("one ⟦0⟧ cats ⟦1⟧", "eins ⟦0⟧ Katzen ⟦1⟧"),
        ("one ⟦0⟧ cats ⟦1⟧", "eins ⟦1⟧ Katzen {c} \ufffd ⟦0⟧"),
        ("two", ""),
    ]
    found = served("score", [text for text, _ in pairs], target=[target for _, target in pairs])
    tokenizer = Tokenizer.read(protected_run / "source.spm")
    ids = [tokenizer.tokenize(tf.constant(side)) for side in zip(*masked, strict=True)]
    expected = token_log_probabilities([load_model(protected_run)], *(side.to_tensor() for side in ids)).numpy()
    np.testing.assert_allclose(found["log_probability"], expected.sum(axis=1), rtol=1e-4, atol=1e-4)
    assert found["pieces"].tolist() == (ids[1].row_lengths().numpy() - 1).tolist()
    told = [[piece for piece, _ in json.loads(row)] for row in found["piece_log_probabilities"]]
    spelt = [tokenizer.spell(row) for row in ids[1].to_list()]
    real = [{"⟦0⟧": "{a}", "⟦1⟧": "<b>"}.get(piece, piece) for row in spelt for piece in row]
    assert [piece for row in told for piece in row] == real and "<b>" in told[1]
    assert found["log_probability"][0] > found["log_probability"][1] + 5
    served("score", ["%s" * COUNT], target=[""])
    with pytest.raises(
        StatusError, match="text: expected at most 10 placeholders to score, received more; divide it"
    ) as caught:
        served("score", ["%s" * (COUNT + 1)], target=[""])
    assert caught.value.code == Code.INVALID_ARGUMENT


def test_hostile_texts_in_the_saved_graph(served, hostile):
    texts = [line.decode(errors="replace") for line in hostile if len(line) < 1000]
    texts += ["{a", "\0{a}\0", "{a}" * 30, "⟦0⟧", "<b>\ufffd</b>", " {a} "]
    together = served("serving_default", texts)["translation"].tolist()
    assert together == [served("serving_default", [text])["translation"].tolist()[0] for text in texts]
    for text, translation in zip(texts, decoded(together), strict=True):
        check_nothing_is_lost(text, translation)
    invalid = [b"\xff{a}\xc3", b"%s\xed\xa0\x80"]
    assert [served("serving_default", [text.decode(errors="replace")])["translation"].tolist() for text in invalid]
    assert served("serving_default", [])["translation"].shape == (0,)


def test_the_export_tells_what_it_protects(version):
    assert json.loads((version / "export.json").read_text())["protected"] == PATTERN
    assert broken_rules(read_graph(version)) == []
