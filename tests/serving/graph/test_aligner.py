import json
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from models.decoding.search import search
from models.inspection import attend
from models.run import load_model, load_shortlist
from pipeline.tokenizer import normalize
from serving.graph.translator import Translator

TEXTS = [
    "one red cats and four here",
    " one red cats.  two gr\u00fcn dogs!\r\n\r\n\tfour \U0001f600 here \n",
    "",
    " \n ",
    " ".join(["one", "two", "three", "red", "and", "blue"] * 16),
    f"two. {' '.join(['one', 'two'] * 30)}.\tsix",
    'e\u0301 "\\\u0001"\u2028 \u2003\u212b\u212b.\u3000x',
    "two. " * 70,
]


@pytest.fixture(scope="module")
def found(translator):
    return {name: value.numpy() for name, value in translator.align(tf.constant(TEXTS)).items()}


def test_the_translation_is_the_best_one(translator, found):
    assert found["translation"].tolist() == translator.translate(tf.constant(TEXTS))["translation"].numpy().tolist()


def spoken(piece: str) -> str | None:
    """The text of a piece; None for END and bytes."""
    return None if piece == "</s>" or piece.startswith("<0x") else piece.replace("\u2581", " ")


def plain(text: str) -> str:
    """The text with plain spaces for all that are spaces, as its pieces have them."""
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)


def check_places(pieces: list[list], text: str) -> None:
    """Each piece stands in the text where it is said to, without the space before a part."""
    for n, (piece, begin, end) in enumerate(pieces):
        if spoken(piece) is not None:
            assert plain(text[begin:end]) == (spoken(piece) if n else spoken(piece).removeprefix(" "))
        assert n == 0 or begin == pieces[n - 1][2], "a gap between pieces"
    assert pieces[-1][0] == "</s>" and pieces[-1][1] == pieces[-1][2]


def test_pieces_stand_where_they_are_said_to(found):
    for text, translation, alignment in zip(TEXTS, found["translation"], found["alignment"], strict=True):
        text, parts = normalize(tf.constant([text])).numpy()[0].decode(), json.loads(alignment)
        assert bool(parts) == bool(text.strip())
        for side, whole in (("source", text), ("target", translation.decode())):
            for part in parts:
                if not (side == "target" and "\ufffd" in whole):
                    check_places(part[side], whole)
            # What stands in no part is white space.
            spans = [(part[side][0][1], part[side][-1][2]) for part in parts]
            ends = [0, *(end for _, end in spans)]
            gaps = [whole[end:begin] for end, (begin, _) in zip(ends, spans, strict=False)]
            assert not "".join(gaps).strip() and not whole[ends[-1] :].strip()
    assert unicodedata.is_normalized("NFC", text)


def test_there_is_a_part_for_each_that_was_translated_by_itself(found):
    counts = [len(json.loads(alignment)) for alignment in found["alignment"]]
    # 96 words are parts of 30, as are 60 words, with a full stop.
    assert counts == [1, 3, 0, 0, 4, 4, 2, 70]


def test_the_attention_is_that_of_the_model(translator, found, run):
    model, shortlist = load_model(run), load_shortlist(run, translator.decoding)
    source_ids = translator.source.tokenize(tf.constant(TEXTS[:1] * 2)).to_tensor().numpy()
    target_ids = np.array(search(model, source_ids, translator.decoding, shortlist=shortlist).ids)[:, 0]
    (expected, _) = attend(model, source_ids, target_ids)
    (part,) = json.loads(found["alignment"][0])
    np.testing.assert_allclose(part["attention"], expected, atol=1e-4)
    ids = target_ids[0][target_ids[0] != 0]
    assert [piece for piece, *_ in part["target"]] == translator.target.spell(ids)
    assert [piece for piece, *_ in part["source"]] == translator.source.spell(source_ids[0])
    assert np.ptp(part["attention"]) > 0.5


def test_a_row_for_each_target_piece_and_a_column_for_each_source_piece(found):
    for alignment in found["alignment"]:
        for part in json.loads(alignment):
            weights = np.array(part["attention"])
            assert weights.shape == (len(part["target"]), len(part["source"]))
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-2)


def test_company_does_not_matter(translator, found):
    for n in (0, 1, 6):
        alone = translator.align(tf.constant([TEXTS[n]]))["alignment"].numpy()[0]
        for one, other in zip(json.loads(alone), json.loads(found["alignment"][n]), strict=True):
            assert (one["source"], one["target"]) == (other["source"], other["target"])
            np.testing.assert_allclose(one["attention"], other["attention"], atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 8])
def test_the_saved_graph(servable, found, count):
    texts = np.array([text.encode() for text in TEXTS[:count]], object)
    saved = servable.run("align", {"text": texts})
    assert saved["translation"].tolist() == found["translation"][:count].tolist()
    assert saved["alignment"].shape == (count,)
    for one, other in zip(saved["alignment"], found["alignment"], strict=False):
        for part, wanted in zip(json.loads(one), json.loads(other), strict=True):
            assert (part["source"], part["target"]) == (wanted["source"], wanted["target"])
            np.testing.assert_allclose(part["attention"], wanted["attention"], atol=2e-4)


@pytest.mark.slow
def test_only_one_model_with_attention_aligns(run, other_run, plain_run, translator):
    assert translator.attends
    assert not Translator.from_run(plain_run).attends
    assert not Translator.from_run(run, [other_run]).attends
