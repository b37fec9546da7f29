import numpy as np
import pytest

from models.inspection import attend, observe
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS

ABOVE = {"attention_place": "above", "attention_query": "state"}


@pytest.mark.parametrize(
    ("settings", "gates"),
    [
        ({}, ["forget", "input", "output"]),
        ({"cell": "gru", **ABOVE, "input_feeding": True}, ["reset", "update"]),
        ({"cell": "layer-norm-gru", "encoder": "unidirectional"}, []),
        ({"attention": "multi-head", "attention_heads": 2, "attention_units": 4}, ["forget", "input", "output"]),
        ({"encoder": "unidirectional", "source_order": "backwards"}, ["forget", "input", "output"]),
        ({"attention": "none", "decoder_layers": 2}, ["forget", "input", "output"]),
    ],
    ids=str,
)
def test_what_is_observed_is_what_the_model_does(make_model, make_batch, settings, gates):
    model = make_model(**settings)
    inputs, targets = make_batch([5], [3])
    observation = observe(model, inputs[SOURCE_IDS][0], targets[0])
    # The encoder's outputs are what attention reads.
    found = np.concatenate([trace.state for trace in observation.encoder], axis=1)
    values = model.encoder(inputs[SOURCE_IDS]).values[0].numpy()
    backwards = settings.get("source_order") == "backwards"
    np.testing.assert_array_equal(found, values[::-1] if backwards else values)
    assert [trace.name for trace in observation.decoder] == [layer.name for layer in model.decoder.recurrences]
    source, state = model.start(inputs[SOURCE_IDS])
    for t, ids in enumerate(inputs[DECODER_INPUT_IDS].T):
        _, state = model.stepper()(ids[:, None], source, state)
        for trace, layer in zip(observation.decoder, state.layers, strict=True):
            np.testing.assert_allclose(trace.state[t], layer[0][0, 0], atol=1e-6)
    if gates == ["forget", "input", "output"]:
        # The first step of the first layer starts from nothing.
        first, ids = model.encoder.layers_by_depth[0][0], inputs[SOURCE_IDS][0]
        read = model.encoder.embedding(ids[-1 if backwards else 0]).numpy()
        total = read @ first.kernel.numpy() + first.bias.numpy()
        for name, part in zip(("input", "forget", "output"), np.split(total, 4), strict=False):
            found = observation.encoder[0].gates[name][-1 if backwards else 0]
            np.testing.assert_allclose(found, 1 / (1 + np.exp(-part)), rtol=1e-5)
    for trace in (*observation.encoder, *observation.decoder):
        assert sorted(trace.gates) == gates
        for openings in trace.gates.values():
            assert openings.shape == trace.state.shape
            assert (openings > 0).all() and (openings < 1).all()
    if settings.get("attention") == "none":
        assert observation.attention is None
    else:
        assert observation.attention.shape == (3, 5)
        np.testing.assert_allclose(observation.attention.sum(axis=1), 1, rtol=1e-5)


def test_the_model_is_left_as_it_was(make_model, make_batch):
    model = make_model()
    inputs, targets = make_batch([5], [3])
    observe(model, inputs[SOURCE_IDS][0], targets[0])
    assert "step" not in vars(model.decoder.recurrences[0].cell)
    assert "read" not in vars(model.decoder.recurrences[0].attention)


@pytest.mark.parametrize(
    "settings",
    [{}, {"attention": "multi-head", "attention_heads": 2, "attention_units": 4}, {"source_order": "backwards"}],
    ids=str,
)
def test_what_a_sentence_attends_to_does_not_depend_on_its_company(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, targets = make_batch([5, 2], [3, 4])
    found = attend(model, inputs[SOURCE_IDS], targets)
    assert [weights.shape for weights in found] == [(3, 5), (4, 2)]
    for weights, source_ids, target_ids in zip(found, inputs[SOURCE_IDS], targets, strict=True):
        alone = observe(model, source_ids[source_ids != 0], target_ids[target_ids != 0]).attention
        np.testing.assert_allclose(weights, alone, atol=1e-6)
