import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig, Recipe
from models.decoding.beam_search import length_penalty
from models.decoding.ensemble import Ensemble, load_ensemble
from models.decoding.search import search
from models.decoding.shortlist import Shortlist
from models.run import MODEL_FILE, RunConfig
from pipeline.errors import UserError
from pipeline.schema import DECODER_INPUT_IDS, END_ID, PAD_ID, SOURCE_IDS, START_ID

# Members of other cells, encoders, attentions and widths.
PARTS = [
    {"cell": "gru", "embedding_size": 6, "readout": "linear"},
    {"cell": "lstm", "encoder": "unidirectional", "attention": "none", "summary_at_every_step": True},
    {"cell": "simple", "attention": "dot", "attention_place": "above", "attention_query": "state", "decoder_units": 6},
]
FREE = {"max_length_factor": 1.5, "max_length_offset": 2, "length_penalty": 0.0}


@pytest.fixture
def make_ensemble(make_model):
    def make(count):
        members = [make_model(**parts) for parts in PARTS[:count]]
        draw = np.random.default_rng(1)
        for member in members:
            # Large enough for the members to be of different minds.
            for weight in member.trainable_variables:
                weight.assign_add(draw.normal(size=weight.shape, scale=0.7))
        return Ensemble(members)

    return make


@pytest.fixture
def source_ids(make_batch):
    return make_batch([5, 2, 4, 3], [1] * 4)[0][SOURCE_IDS]


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    return (
        logits
        - logits.max(axis=-1, keepdims=True)
        - np.log(np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))
    )


def mean_by_teacher_forcing(ensemble, source, ids):
    """The mean log-probabilities of each token of some translations, `(rows, length, vocab)`, without any step."""
    starts = np.full((len(ids), 1), START_ID)
    inputs = {SOURCE_IDS: source[None].repeat(len(ids), axis=0), DECODER_INPUT_IDS: np.hstack([starts, ids[:, :-1]])}
    each = []
    for member in ensemble.members:
        logits = np.array(member.logits(member(inputs)))
        logits[..., [PAD_ID, START_ID]] = -np.inf
        each.append(log_softmax(logits))
    return np.mean(each, axis=0)


def lists_for(model, common):
    """A shortlist whose source tokens bring one token each."""
    brought = np.full((13, 1), END_ID, np.int32)
    brought[END_ID + 1 :, 0] = np.arange(9) % 7 + END_ID + 1
    return Shortlist(brought, np.arange(END_ID, 11, dtype=np.int32)), DecodingConfig(shortlist=common, **FREE)


@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"beam_size": 3}, {"temperature": 0.8}], ids=str)
@pytest.mark.parametrize("common", [0, 3])
def test_of_a_model_and_itself_it_is_that_model(make_ensemble, source_ids, settings, common):
    (model,) = make_ensemble(1).members
    lists, decoding = lists_for(model, common)
    decoding, n_best = dataclasses.replace(decoding, **settings), settings.get("beam_size", 2)
    found, expected = (search(each, source_ids, decoding, n_best, lists) for each in (Ensemble([model, model]), model))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("choices", [None, [PAD_ID, START_ID, END_ID, 7, 5]], ids=str)
def test_a_step_is_the_mean_of_log_softmax(make_ensemble, source_ids, choices):
    ensemble = make_ensemble(2)
    sources, states = ensemble.start(source_ids)
    ids = np.full((4, 1), START_ID)
    logits, _ = ensemble.stepper(choices if choices is None else np.array(choices))(ids, sources, states)
    each = []
    for member in ensemble.members:
        all_logits = np.array(member.stepper()(ids, *member.start(source_ids))[0])
        each.append(log_softmax(all_logits if choices is None else all_logits[..., choices]))
    assert logits.dtype == "float32" and not np.isnan(logits).any()
    np.testing.assert_allclose(logits, np.mean(each, axis=0), rtol=1e-5, atol=1e-5)
    never = np.isin(np.arange(11) if choices is None else choices, [PAD_ID, START_ID])
    np.testing.assert_array_equal(np.isneginf(logits), np.broadcast_to(never, logits.shape))


@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"temperature": 1e-4}], ids=str)
@pytest.mark.parametrize("count", [2, 3])
def test_greedy_search_takes_the_token_of_the_highest_mean(make_ensemble, source_ids, count, settings):
    ensemble = make_ensemble(count)
    found = search(ensemble, source_ids, DecodingConfig(**FREE, **settings))
    alone = [search(member, source_ids, DecodingConfig(beam_size=1, **FREE)) for member in ensemble.members]
    differing = 0
    for row, source in enumerate(source_ids):
        real, ids = source[source != PAD_ID], found.ids.numpy()[row, 0]
        taken = ids[: ids.tolist().index(END_ID) + 1]
        assert not ids[len(taken) :].any()
        (means,) = mean_by_teacher_forcing(ensemble, real, taken[None])
        limit = int(1.5 * len(real)) + 2
        # At the last place nothing but END can stand.
        highest = [END_ID if at + 1 == limit else int(mean.argmax()) for at, mean in enumerate(means)]
        assert taken.tolist() == highest
        total = log_softmax(means)[np.arange(len(taken)), taken].sum()
        assert float(found.scores[row, 0]) == pytest.approx(total, rel=1e-4)
        differing += any((each.ids.numpy()[row, 0, : len(taken)] != taken).any() for each in alone)
    assert differing, "no member was outvoted"


def test_a_score_of_three_members_is_that_of_their_normalized_mean(make_ensemble, source_ids):
    ensemble = make_ensemble(3)
    found = search(ensemble, source_ids, DecodingConfig(beam_size=3, **FREE | {"length_penalty": 0.8}), n_best=3)
    for source, rows, scores in zip(source_ids, found.ids.numpy(), found.scores.numpy(), strict=True):
        all_means = log_softmax(mean_by_teacher_forcing(ensemble, source[source != PAD_ID], rows))
        for ids, means, score in zip(rows, all_means, scores, strict=True):
            length = np.count_nonzero(ids != PAD_ID)
            total = means[np.arange(length), ids[:length]].sum()
            assert score == pytest.approx(total / float(length_penalty(length, 0.8)), rel=1e-4)


@pytest.mark.parametrize("common", [0, 2])
def test_search_in_a_graph_and_in_company(make_ensemble, source_ids, common):
    """Sizes are unknown, and sentences that are done leave those that are not: each takes its own sources along."""
    ensemble = make_ensemble(3)
    lists, decoding = lists_for(ensemble, common)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def run(ids):
        return search(ensemble, ids, decoding, 2, lists)

    together = search(ensemble, source_ids, decoding, 2, lists)
    assert len(np.unique((together.ids.numpy()[:, 0] != PAD_ID).sum(axis=-1))) > 1, "all are done at once"
    for row, source in enumerate(source_ids):
        alone = run(source[source != PAD_ID][None].repeat(2, axis=0))
        width = alone.ids.shape[-1]
        np.testing.assert_array_equal(together.ids[row, :, :width], alone.ids[0])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-5)


@pytest.fixture
def save(tmp_path, make_model):
    """Makes a run of a model, as far as search needs it."""

    def save(name, parts, **fields):
        fingerprints = {"source_fingerprint": "ab", "target_fingerprint": "cd"} | fields
        config = RunConfig(Recipe(), source_vocab_size=13, target_vocab_size=11, data_fingerprint=name, **fingerprints)
        config.write(tmp_path / name)
        make_model(**parts).save(tmp_path / name / MODEL_FILE)
        return tmp_path / name

    return save


def test_it_is_loaded_from_runs_of_the_same_subwords(save, make_model):
    runs = [save(str(at), parts) for at, parts in enumerate(PARTS)]
    ensemble = load_ensemble(runs)
    assert [member.config for member in ensemble.members] == [make_model(**parts).config for parts in PARTS]
    assert len(ensemble.weights) == sum(len(make_model(**parts).weights) for parts in PARTS)


@pytest.mark.parametrize("side", ["source", "target"])
def test_other_subwords_are_refused(save, side):
    runs = [save("one", {}), save("two", {}), save("three", {}, **{f"{side}_fingerprint": "ef"})]
    wanted = {"source": "ab", "target": "cd"}[side]
    told = rf"the {side} subwords of '{runs[0]}', SHA-256 {wanted}, received '{runs[2]}', which has others, ef; train"
    with pytest.raises(UserError, match=rf"^--ensemble: expected runs with {told}"):
        load_ensemble(runs)


def test_the_other_direction_is_refused(save):
    german, english = (
        {"source_language": one, "target_language": other} for one, other in (("de", "en"), ("en", "de"))
    )
    runs = [save("one", {}, **german), save("untold", {}), save("two", {}, **english)]
    assert len(load_ensemble(runs[:2]).members) == 2
    told = rf"^--ensemble: expected runs of the source language of '{runs[0]}', de, received '{runs[2]}' with en; train"
    with pytest.raises(UserError, match=told):
        load_ensemble(runs)


def test_other_protected_text_is_refused(save):
    runs = [save("one", {}, protected="a"), save("two", {}, protected="a"), save("three", {}, protected="b")]
    assert len(load_ensemble(runs[:2]).members) == 2
    with pytest.raises(
        UserError, match=f"^--ensemble: expected runs that protect .* '{runs[0]}', .* '{runs[2]}', which"
    ):
        load_ensemble(runs)


def test_a_member_that_is_no_run_is_refused(save, tmp_path):
    with pytest.raises(UserError, match=rf"^RUN: expected the folder of a training, received '{tmp_path / 'none'}'"):
        load_ensemble([save("one", {}), tmp_path / "none"])
