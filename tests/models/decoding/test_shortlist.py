import collections

import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig
from models.decoding import shortlist
from models.decoding.search import search
from models.decoding.shortlist import GROUP_SIZE, ITERATIONS, LEAST_PROBABILITY, Shortlist, learn
from pipeline.schema import END_ID, PAD_ID, SOURCE_IDS, START_ID, UNK_ID

VOCAB = 30
NO_COPIES = np.full(VOCAB, UNK_ID)


def random_pairs(count, seed=0):
    draw = np.random.default_rng(seed)
    return [
        tuple(np.append(draw.integers(END_ID + 1, VOCAB, draw.integers(1, 6)), END_ID) for _ in range(2))
        for _ in range(count)
    ]


def model_1(pairs):
    """Brown 1993, section 4.1, word for word: the probability of each target token given a source token."""
    empty = "empty"
    probabilities = collections.defaultdict(lambda: 1.0)
    for _ in range(ITERATIONS):
        counts = collections.defaultdict(float)
        for source, target in pairs:
            for e in target:
                total = sum(probabilities[f, e] for f in [*source, empty])
                for f in [*source, empty]:
                    counts[f, e] += probabilities[f, e] / total
        sums = collections.defaultdict(float)
        for (f, _), count in counts.items():
            sums[f] += count
        probabilities.update({(f, e): count / sums[f] for (f, e), count in counts.items()})
    return {link: value for link, value in probabilities.items() if link[0] != empty}


def translations(found):
    return {f: set(row.tolist()) - {END_ID} for f, row in enumerate(found.translations)}


def test_a_word_brings_what_stands_beside_it_alone():
    pairs = [([5, 6], [15, 16]), ([5], [15]), ([6, 7], [16, 17])] * 3
    found = learn([tuple(map(np.array, pair)) for pair in pairs], VOCAB, VOCAB, NO_COPIES)
    assert translations(found)[5] == {15, 16}
    assert translations(found)[8] == set()
    # 16 stands in six pairs, 15 too; of equals the lower id comes first.
    assert found.frequent[:3].tolist() == [15, 16, 17]
    assert sorted(found.frequent) == sorted(set(range(VOCAB)) - {PAD_ID, UNK_ID, START_ID})
    assert found.translations.dtype == found.frequent.dtype == np.int32


def test_translations_are_those_of_model_1():
    pairs = random_pairs(80)
    expected = collections.defaultdict(set)
    for (f, e), probability in model_1(pairs).items():
        assert abs(probability - LEAST_PROBABILITY) > 1e-6
        if probability >= LEAST_PROBABILITY:
            expected[f].add(e)
    found = translations(learn(pairs, VOCAB, VOCAB, NO_COPIES))
    assert found == {f: expected[f] - {END_ID} for f in range(VOCAB)}
    assert 5 < np.mean([len(row) for row in found.values()]) < 20


def test_a_token_brings_what_is_spelt_alike():
    copies = np.array([PAD_ID, UNK_ID, START_ID, END_ID, 17, UNK_ID, *range(6, VOCAB)])
    found = translations(learn([(np.array([4, END_ID]), np.array([9, END_ID]))], VOCAB, VOCAB, copies))
    assert found[4] == {9, 17} and found[5] == set() and found[6] == {6} and found[PAD_ID] == set()


def test_no_more_is_read_than_is_learned_from(monkeypatch):
    monkeypatch.setattr(shortlist, "MOST_LINKS", 100)
    pairs = iter(random_pairs(80))
    learn(pairs, VOCAB, VOCAB, NO_COPIES)
    assert 60 < len(list(pairs)) < 80


def scripted():
    table = np.full((VOCAB, 2), END_ID, np.int32)
    table[7], table[8] = [20, 21], [22, END_ID]
    rest = [token for token in range(VOCAB - 1, END_ID - 1, -1) if token not in (12, 11)]
    return Shortlist(table, np.array([12, 11, *rest], np.int32))


@pytest.mark.parametrize(("common", "frequent"), [(1, {12}), (2, {12, 11})])
def test_what_a_sentence_may_choose(common, frequent):
    source_ids = np.array([[7, 8, END_ID], [8, END_ID, PAD_ID], [END_ID, PAD_ID, PAD_ID]], np.int32)
    tokens, barred, end = scripted().choices(source_ids, common, groups=3)
    assert len(tokens) == 3 * GROUP_SIZE and barred.shape == (3, 3 * GROUP_SIZE)
    assert tokens[end] == END_ID
    own = [{token for token, bar in zip(tokens.numpy(), row, strict=True) if bar == 0} for row in barred.numpy()]
    assert own == [{20, 21, 22, END_ID} | frequent, {22, END_ID} | frequent, {END_ID} | frequent]
    assert set(np.unique(barred)) == {0, -np.inf}
    chosen = [token for token in tokens.numpy() if token != PAD_ID]
    assert sorted(chosen) == sorted(own[0])


def test_it_comes_back_from_its_file(tmp_path):
    scripted().write(tmp_path / "file.npz")
    found = Shortlist.read(tmp_path / "file.npz")
    for part, expected in zip(found, scripted(), strict=True):
        np.testing.assert_array_equal(part, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["file.npz"]


def all_tokens(model):
    target = np.arange(END_ID, model.target_vocab_size, dtype=np.int32)
    return Shortlist(np.full((model.source_vocab_size, 1), END_ID, np.int32), target)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_shortlist_of_all_tokens_changes_nothing(make_model, make_batch, beam_size):
    model = make_model()
    inputs, _ = make_batch([5, 2, 4, 1], [1, 1, 1, 1])
    decoding = DecodingConfig(beam_size=beam_size, shortlist=100, max_length_offset=4)
    expected = search(model, inputs[SOURCE_IDS], decoding, n_best=beam_size)
    found = search(model, inputs[SOURCE_IDS], decoding, beam_size, all_tokens(model))
    # UNK is in no shortlist; a model without training may choose it.
    without = ~np.any(expected.ids == UNK_ID, axis=(1, 2))
    assert without.sum() > 1
    np.testing.assert_array_equal(found.ids[without], expected.ids[without])


def test_a_shortlist_of_nothing_is_none(make_model, make_batch):
    model = make_model()
    inputs, _ = make_batch([5, 2], [1, 1])
    decoding = DecodingConfig(beam_size=2, max_length_offset=4)
    found, expected = (search(model, inputs[SOURCE_IDS], decoding, 2, lists) for lists in (all_tokens(model), None))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_sentence_keeps_to_its_own_tokens_in_company_too(make_model, make_batch, compiled):
    model = make_model()
    inputs, _ = make_batch([5, 3, 4, 6], [1] * 4, seed=1)
    draw = np.random.default_rng(0)
    table = draw.integers(END_ID, model.target_vocab_size, (model.source_vocab_size, 1)).astype(np.int32)
    table[PAD_ID] = END_ID
    lists = Shortlist(table, np.arange(END_ID, model.target_vocab_size, dtype=np.int32))
    decoding = DecodingConfig(beam_size=3, shortlist=1, max_length_offset=5)

    def translate(source_ids):
        return search(model, source_ids, decoding, 2, lists)

    signature = [tf.TensorSpec([None, None], tf.int32)]
    run = tf.function(translate, input_signature=signature, autograph=False) if compiled else translate
    source_ids = tf.constant(inputs[SOURCE_IDS])
    together = run(source_ids)
    for row, ids in enumerate(inputs[SOURCE_IDS]):
        allowed = {PAD_ID, END_ID} | set(table[ids[ids != PAD_ID]].ravel())
        assert set(np.unique(together.ids[row])) <= allowed
        real = tf.constant(ids[ids != PAD_ID][None].repeat(2, axis=0))
        alone = run(real)
        width = alone.ids.shape[-1]
        np.testing.assert_array_equal(together.ids[row, :, :width], alone.ids[0])
        assert not np.any(together.ids[row, :, width:])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-5)
