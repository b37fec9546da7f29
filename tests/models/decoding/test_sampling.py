import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.sampling import draw, sample
from models.decoding.search import search
from pipeline.schema import END_ID, PAD_ID, SOURCE_IDS, START_ID

LOG = np.log(np.array([0.5, 0.2, 0.3], "float32"))


@pytest.mark.parametrize(
    ("uniform", "top_k", "token"),
    [
        (0.0, 0, 0),
        (0.49, 0, 0),
        (0.51, 0, 1),
        (0.69, 0, 1),
        (0.71, 0, 2),
        (0.999, 0, 2),
        # Of 0.5 and 0.3, five eighths are 0.625.
        (0.62, 2, 0),
        (0.63, 2, 2),
        (0.999, 1, 0),
        (0.71, 9, 2),
    ],
)
def test_a_draw_by_hand(uniform, top_k, token):
    assert int(draw(LOG[None, None], np.array([[uniform]], "float32"), top_k)[0, 0]) == token


def test_a_draw_among_the_likeliest_that_reach_a_probability():
    # Of 0.5 and 0.3, five eighths are 0.625; alone, 0.5 reaches 0.45.
    for top_p, uniform, token in ((0.7, 0.62, 0), (0.7, 0.63, 2), (0.45, 0.99, 0), (1.0, 0.51, 1)):
        assert int(draw(LOG[None, None], np.array([[uniform]], "float32"), top_p=top_p)[0, 0]) == token


def test_what_is_impossible_is_never_drawn():
    logits = np.array([-np.inf, 0.0, -np.inf], "float32")[None, None]
    for uniform in (0.0, 0.5, 1 - 2.0**-24):
        assert int(draw(logits, np.array([[uniform]], "float32"))[0, 0]) == 1


def test_tokens_come_as_often_as_they_are_likely():
    uniforms = np.random.default_rng(1).uniform(size=(1, 20_000)).astype("float32")
    drawn = draw(np.tile(LOG, (1, 20_000, 1)), uniforms)[0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 20_000, [0.5, 0.2, 0.3], atol=0.02)


def test_a_score_is_the_log_probability_of_teacher_forcing(make_model, make_batch):
    model = make_model()
    source_ids = make_batch([5, 2], [1, 1])[0][SOURCE_IDS]
    uniforms = np.random.default_rng(2).uniform(size=(2, 4, 9)).astype("float32")
    found = sample(model.stepper(), *model.start(source_ids), np.array([6, 9], "int32"), 9, uniforms, 1.5, 5)
    for row, number in np.ndindex(2, 4):
        ids = found.ids.numpy()[row, number].tolist()
        length = ids.index(END_ID) + 1
        assert set(ids[length:]) <= {PAD_ID} and length <= (6, 9)[row]
        inputs = {"source_ids": source_ids[[row]], "decoder_input_ids": np.array([[START_ID, *ids[: length - 1]]])}
        logits = model.logits(model(inputs))[0].numpy()
        logits[:, [PAD_ID, START_ID]] = -np.inf
        total = sum(tf.nn.log_softmax(logits[at])[token] for at, token in enumerate(ids[:length]))
        assert float(found.scores[row, number]) == pytest.approx(float(total), rel=1e-4)


@pytest.mark.parametrize("settings", [{}, {"attention": "coverage", "input_feeding": True}], ids=["plain", "noting"])
def test_one_alone_is_one_in_company(make_model, make_batch, settings):
    model = make_model(**settings)
    source_ids = make_batch([5, 2, 4], [1] * 3)[0][SOURCE_IDS]
    decoding = DecodingConfig(temperature=1.2, max_length_offset=6)
    together = search(model, source_ids, decoding, n_best=2)
    for row in range(3):
        alone = search(model, source_ids[[row]], decoding, n_best=2)
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])


def test_cold_is_greedy_and_seeds_differ(make_model, make_batch):
    model = make_model()
    source_ids = make_batch([5, 3, 4], [1] * 3)[0][SOURCE_IDS]

    def ids(**settings):
        return search(model, source_ids, DecodingConfig(**settings)).ids.numpy()

    np.testing.assert_array_equal(ids(temperature=1e-4), ids(beam_size=1))
    np.testing.assert_array_equal(ids(temperature=5.0, top_k=1), ids(beam_size=1))
    warm = ids(temperature=3.0, seed=1)
    np.testing.assert_array_equal(warm, ids(temperature=3.0, seed=1))
    assert (warm != ids(temperature=3.0, seed=2)).any()


@pytest.mark.parametrize("query", ["state", "state-and-input"])
def test_in_a_graph_that_does_not_know_the_sizes(make_model, make_batch, query):
    model, decoding = make_model(attention_query=query), DecodingConfig(temperature=1.0, top_k=3)
    in_graph = tf.function(
        lambda ids: search(model, ids, decoding, n_best=3),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
        autograph=False,
    )
    for lengths in ([5, 2], [3]):
        ids = make_batch(lengths, lengths)[0][SOURCE_IDS]
        np.testing.assert_array_equal(in_graph(ids).ids, search(model, ids, decoding, n_best=3).ids)
