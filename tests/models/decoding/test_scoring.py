import numpy as np
import pytest

from models.decoding.scoring import token_log_probabilities
from pipeline.schema import SOURCE_IDS

PARTS = [
    {},
    {"cell": "gru", "attention": "none", "summary_at_every_step": True, "encoder": "unidirectional"},
    {"attention_place": "above", "attention_query": "state", "input_feeding": True},
    {"tie_embeddings": "two-way", "cell": "batch-norm-lstm", "attention": "coverage"},
]


def by_hand(model, inputs, targets):
    """The logarithm of each real token's softmax, in double precision."""
    logits = np.asarray(model.logits(model(inputs)), "float64")
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return np.where(targets, np.log(np.take_along_axis(shares, targets[..., None], axis=-1)[..., 0]), 0)


@pytest.mark.parametrize("settings", PARTS, ids=str)
def test_it_is_the_softmax_of_teacher_forcing(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, targets = make_batch([5, 2, 4], [1, 6, 3])
    found = token_log_probabilities([model], inputs[SOURCE_IDS], targets)
    np.testing.assert_allclose(found, by_hand(model, inputs, targets), rtol=1e-5, atol=1e-6)


def test_company_does_not_matter(make_model, make_batch):
    model = make_model()
    inputs, targets = make_batch([5, 2, 4], [1, 6, 3])
    together = np.asarray(token_log_probabilities([model], inputs[SOURCE_IDS], targets))
    for n, (source, target) in enumerate(zip(inputs[SOURCE_IDS], targets, strict=True)):
        source, target = source[source != 0], target[target != 0]
        alone = token_log_probabilities([model], source[None], target[None])
        np.testing.assert_allclose(together[n, : len(target)], alone[0], rtol=1e-5, atol=1e-6)


def test_the_loss_of_validation_is_its_mean(make_model, make_batch):
    model = make_model(label_smoothing=0.1)
    inputs, targets = make_batch([5, 2, 4], [1, 6, 3])
    found = np.asarray(token_log_probabilities([model], inputs[SOURCE_IDS], targets))
    loss = model.compute_loss(inputs, targets, model(inputs), training=False)
    np.testing.assert_allclose(loss, -found.sum() / 10, rtol=1e-5)


def test_an_ensemble_is_the_geometric_mean(make_model, make_batch):
    members = [make_model(**settings) for settings in PARTS[:3]]
    inputs, targets = make_batch([5, 2, 4], [1, 6, 3])
    for n, member in enumerate(members):
        for weight in member.trainable_variables:
            weight.assign_add(np.random.default_rng(n).normal(size=weight.shape, scale=0.7))
    product = 1.0
    for member in members:
        logits = np.asarray(member.logits(member(inputs)), "float64")
        product = product * (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)) ** (1 / 3)
    product /= product.sum(axis=-1, keepdims=True)
    expected = np.where(targets, np.log(np.take_along_axis(product, targets[..., None], axis=-1)[..., 0]), 0)
    found = token_log_probabilities(members, inputs[SOURCE_IDS], targets)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found - np.asarray(token_log_probabilities(members[:1], inputs[SOURCE_IDS], targets))).max() > 0.1
