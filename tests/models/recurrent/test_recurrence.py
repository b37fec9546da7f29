import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import tree

from models.attention.base import Memory
from models.attention.kinds import make_attention
from models.config import DecodingConfig, ModelConfig
from models.decoding.forced_prefix import Beginning, Spelling
from models.decoding.options import Options
from models.decoding.sampling import sample
from models.decoding.search import Begun, search, search_each
from models.decoding.shortlist import Shortlist
from models.inspection import attend
from models.recurrent.cells import CELLS
from models.recurrent.recurrence import Recurrence
from models.recurrent.unroll import Projected, Weights, step, unroll
from pipeline.schema import END_ID

STEPS, BATCH, UNITS, SOURCE, VALUES, QUERIES = 3, 2, 4, 5, 6, 8
MASK = np.array([[True] * 5, [True, True, False, False, False]])
STATE, BOTH = "state", "state-and-input"
# The kind of attention, and what it is asked with.
KINDS = [("none", STATE), *itertools.product(("additive", "dot", "scaled-dot", "general"), (STATE, BOTH))]
WITH_GRADIENT = [name for name, cell in CELLS.items() if cell.has_gradient]
# Of `jax_agrees.py`, one after the other.
JAX_KINDS = ("additive", "scaled-dot", "general")
DOTS = ("dot", "scaled-dot")
every_case = pytest.mark.parametrize(
    ("name", "kind", "asked"), [(name, *kind) for name in WITH_GRADIENT for kind in KINDS]
)


def attention_of(kind, asked):
    return make_attention(
        ModelConfig(attention=kind, attention_units=QUERIES, attention_heads=2, attention_query=asked)
    )


def case(name, kind, asked):
    """The arguments of `unroll`, float64, and factors that make a loss of its outputs."""
    attends, additive = kind != "none", kind == "additive"
    # A dot product's query is as wide as the values, and without a matrix as the state too.
    values = UNITS if kind in DOTS else VALUES
    query = QUERIES if additive else values
    draw = np.random.default_rng(1)
    cell = CELLS[name]()
    width, row = cell.gates * UNITS, (BATCH, 1) if attends else (BATCH,)

    def array(*shape):
        return tf.constant(draw.normal(size=shape))

    weights, memory = Weights(array(UNITS, width)), ()
    if attends:
        state_kernel = array(UNITS, width + (query if kind not in DOTS else 0))
        weights = Weights(state_kernel, array(QUERIES) if additive else ())
        keys = array(SOURCE, BATCH, QUERIES) if additive else ()
        memory = Memory(keys, array(BATCH, SOURCE, values), array(BATCH, SOURCE, width), tf.constant(MASK))
    state = tuple(array(*row, UNITS) for _ in range(cell.state_parts))
    states = tuple(array(STEPS, *row, UNITS) for _ in range(cell.state_parts))
    factors = states, array(STEPS, *row, values) if attends else ()
    projected = Projected(array(STEPS, *row, width), array(STEPS, *row, query) if asked == BOTH else ())
    return (cell, attention_of(kind, asked)), (weights, memory, projected, state), factors


def at_step(projected, t):
    return tree.map_structure(lambda part: part[t], projected)


def unroll_plainly(cell, attention, weights, memory, projected, state):
    """A Python loop over `step`."""
    states, contexts = [], []
    for t in range(len(projected.gates)):
        state, reading, _ = step(cell, attention, weights, memory, at_step(projected, t), state)
        states.append(state)
        contexts.append(reading.weights @ memory.values if memory else ())
    return tuple(map(tf.stack, zip(*states, strict=True))), tf.stack(contexts) if memory else ()


def outputs_and_gradients(run, parts, arguments, factors):
    differentiable = [x for x in tree.flatten(arguments) if x.dtype != tf.bool]
    with tf.GradientTape() as tape:
        tape.watch(differentiable)
        outputs = tree.flatten(run(*parts, *arguments))
        loss = tf.add_n([tf.reduce_sum(x * y) for x, y in zip(outputs, tree.flatten(factors), strict=True)])
    return outputs, tape.gradient(loss, differentiable)


@every_case
def test_the_gradient_is_that_of_a_plain_loop_over_step(name, kind, asked):
    parts, arguments, factors = case(name, kind, asked)
    outputs, gradients = outputs_and_gradients(unroll, parts, arguments, factors)
    expected_outputs, expected = outputs_and_gradients(unroll_plainly, parts, arguments, factors)
    for found, wanted in zip(outputs, expected_outputs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    # State kernel and gates; values and their gates; score kernel and keys; the parts of the state; the query.
    count = 2 + 2 * (kind != "none") + 2 * (kind == "additive") + CELLS[name].state_parts + (asked == BOTH)
    assert len(gradients) == count
    for found, wanted in zip(gradients, expected, strict=True):
        assert np.abs(wanted).max() > 1e-3
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_the_gradient_in_a_graph_that_does_not_know_the_sizes(kind):
    parts, arguments, factors = case("lstm", kind, BOTH)
    leaves = tree.flatten(arguments)
    unknown = (STEPS, BATCH, SOURCE)
    signature = [tf.TensorSpec([None if size in unknown else size for size in x.shape], x.dtype) for x in leaves]

    @tf.function(input_signature=signature, autograph=False)
    def run(*leaves):
        return outputs_and_gradients(unroll, parts, tree.pack_sequence_as(arguments, leaves), factors)

    expected = outputs_and_gradients(unroll, parts, arguments, factors)
    for found, wanted in zip(tree.flatten(run(*leaves)), tree.flatten(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@every_case
def test_one_step_alone(name, kind, asked):
    parts, (weights, memory, projected, state), _ = case(name, kind, asked)
    first = tree.map_structure(lambda part: part[:1], projected)
    states, contexts, _ = unroll(*parts, weights, memory, first, state)
    expected, reading, _ = step(*parts, weights, memory, at_step(projected, 0), state)
    for found, wanted in zip(states, expected, strict=True):
        np.testing.assert_allclose(found, wanted[None], rtol=1e-12)
    if memory:
        np.testing.assert_allclose(contexts, (reading.weights @ memory.values)[None], rtol=1e-12)


def test_no_two_kernels_start_alike():
    recurrence = Recurrence("lstm", 8, attention_of("additive", STATE))
    recurrence.build(5, 5)
    kernels = [recurrence.kernel.numpy().ravel(), recurrence.context_kernel.numpy().ravel()]
    assert abs(np.corrcoef(kernels)[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("kind", "expected"), [("identity", np.tile(np.eye(8), 4)), ("glorot", None), ("orthogonal", None)]
)
def test_recurrent_initializers(kind, expected):
    recurrence = Recurrence("lstm", 8, recurrent_initializer=kind)
    recurrence.build(5)
    kernel = recurrence.recurrent_kernel.numpy()
    if kind == "identity":
        np.testing.assert_array_equal(kernel, expected)
    else:
        # Glorot and Bengio (2010) of an 8 by 8 matrix; an orthogonal matrix has a column length of 1.
        lengths = np.linalg.norm(kernel, axis=0)
        assert (np.allclose(lengths, 1, atol=1e-5)) == (kind == "orthogonal")
        assert (np.abs(kernel).max() <= (6 / 16) ** 0.5) or kind == "orthogonal"


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_first_weights(name):
    recurrence = Recurrence(name, 8, forget_bias=1.0)
    recurrence.build(5)
    gates = CELLS[name].gates
    for kernel in np.split(recurrence.recurrent_kernel.numpy(), gates, axis=1):
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(8), atol=1e-5)
    # Glorot and Bengio (2010) of a 5 by 8 matrix, whatever the count of gates.
    assert 0.8 < np.abs(recurrence.kernel.numpy()).max() / (6 / 13) ** 0.5 <= 1
    expected = np.zeros(gates * 8)
    if name == "lstm":
        expected[8:16] = 1
    np.testing.assert_array_equal(recurrence.bias, expected)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("kind", "asked"), [*KINDS[1:4], ("coverage", BOTH), ("multi-head", STATE), ("local", BOTH)])
def test_the_layer_runs_its_step(name, kind, asked):
    values = UNITS if kind in DOTS else VALUES
    recurrence = Recurrence(name, UNITS, attention_of(kind, asked))
    recurrence.build(4, values)
    draw = np.random.default_rng(2)
    inputs = draw.normal(size=(STEPS, BATCH, 1, 4)).astype("float32")
    memory = recurrence.remember(tf.constant(draw.normal(size=(BATCH, SOURCE, values)), tf.float32), tf.constant(MASK))
    state = recurrence.first_state((tf.zeros((BATCH, 1, UNITS)),) * CELLS[name].state_parts, memory)
    states, contexts = recurrence(inputs, state, memory)
    run = recurrence.stepper()
    for t in range(STEPS):
        state, weights = run(inputs[t], state, memory)
        np.testing.assert_allclose(contexts[t], weights @ memory.values, atol=1e-5)
        for part, wanted in zip(states, state[: CELLS[name].state_parts], strict=True):
            np.testing.assert_allclose(part[t], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["additive", "dot", "general"])
def test_the_memory_of_some_sentences(kind):
    recurrence = Recurrence("lstm", UNITS, attention_of(kind, STATE))
    recurrence.build(4, UNITS)
    values = tf.constant(np.random.default_rng(3).normal(size=(BATCH, SOURCE, UNITS)).astype("float32"))
    memory = recurrence.remember(values, tf.constant(MASK))
    assert memory.values is values
    some, alone = memory.take([1]), recurrence.remember(values[1:], tf.constant(MASK[1:]))
    assert some.fertility == alone.fertility == ()
    for found, expected in zip(some[:4], alone[:4], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["additive", "dot", "general"])
def test_what_stands_in_padding_changes_neither_state_nor_context(kind):
    recurrence = Recurrence("lstm", UNITS, attention_of(kind, STATE))
    recurrence.build(4, UNITS)
    draw = np.random.default_rng(5)
    values, inputs = (draw.normal(size=size).astype("float32") for size in ((BATCH, SOURCE, UNITS), (2, BATCH, 1, 4)))
    outputs = []
    for padding in (0, -70):
        values[~MASK] = padding
        state = (tf.zeros((BATCH, 1, UNITS)),) * 2
        memory = recurrence.remember(tf.constant(values), tf.constant(MASK))
        outputs.append(tree.flatten(recurrence(inputs, state, memory)))
    for found, wanted in zip(*outputs, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_a_context_enters_the_gates_through_its_kernel(name):
    """The definition: the mean of the values, multiplied with the kernel, stands beside the input's product."""
    recurrence = Recurrence(name, UNITS, attention_of("additive", STATE))
    recurrence.build(4, VALUES)
    draw = np.random.default_rng(4)
    values, inputs = draw.normal(size=(BATCH, SOURCE, VALUES)), draw.normal(size=(1, BATCH, 1, 4))
    state = tuple(draw.normal(size=(BATCH, 1, UNITS)) for _ in range(recurrence.cell.state_parts))
    values, inputs, *state = (tf.constant(array, tf.float32) for array in (values, inputs, *state))
    states, contexts = recurrence(inputs, tuple(state), recurrence.remember(values, tf.constant(MASK)))
    gates = inputs[0] @ recurrence.kernel + recurrence.bias + contexts[0] @ recurrence.context_kernel
    expected, _ = recurrence.cell.step(gates, state[0] @ recurrence.recurrent_kernel, tuple(state))
    for found, wanted in zip(states, expected, strict=True):
        np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attends", [False, True])
def test_a_norm_penalty_pulls_the_gradient_to_its_length(attends):
    """Its gradient by that of the definition for a vanilla cell, the state's gradient by the chain rule in NumPy."""
    steps, draw = 4, np.random.default_rng(6)
    recurrences = [
        Recurrence("simple", UNITS, attention_of("additive", STATE) if attends else None, norm_penalty=penalty)
        for penalty in (0.0, 0.7)
    ]
    for recurrence in recurrences:
        recurrence.build(3, VALUES)
        for weight, value in zip(recurrence.weights, recurrences[0].weights, strict=True):
            weight.assign(value)
    row = (BATCH, 1) if attends else (BATCH,)
    inputs, factors = (draw.normal(size=(steps, *row, size)).astype("float32") for size in (3, UNITS))
    # A sentence whose last step is of padding has no gradient there.
    factors[-1, 0] = 0
    values = tf.constant(draw.normal(size=(BATCH, SOURCE, VALUES)), tf.float32)

    def kernel_gradient(recurrence, training):
        with tf.GradientTape() as tape:
            memory = recurrence.remember(values, tf.constant(MASK))
            states, _ = recurrence(inputs, (tf.zeros((*row, UNITS)),), memory, training=training)
            loss = tf.reduce_sum(states[0] * factors)
        return states[0].numpy(), tape.gradient(loss, recurrence.recurrent_kernel.value).numpy()

    states, plain = kernel_gradient(recurrences[0], True)
    np.testing.assert_array_equal(kernel_gradient(recurrences[1], False)[1], plain)
    pulled = kernel_gradient(recurrences[1], True)[1] - plain
    if attends:
        # Here the state's gradient comes through the attention, too.
        assert np.abs(pulled).max() > 1e-3
        return
    kernel = recurrences[0].recurrent_kernel.numpy().astype("float64")
    d_states, d_state = [], np.zeros((BATCH, UNITS))
    for state, factor in zip(states[::-1], factors[::-1], strict=True):
        d_states.append(d_state + factor)
        d_state = d_states[-1] * (1 - state**2) @ kernel.T

    def penalty(kernel):
        total = 0.0
        for state, d_after in zip(states[::-1], d_states, strict=True):
            after, before = (np.linalg.norm(d, axis=-1) for d in (d_after, d_after * (1 - state**2) @ kernel.T))
            total += ((before[after > 0] / after[after > 0] - 1) ** 2).sum() / BATCH
        return total

    for at in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[at] = 1e-5
        wanted = 0.7 * (penalty(kernel + step) - penalty(kernel - step)) / 2e-5
        assert pulled[at] == pytest.approx(wanted, rel=1e-3, abs=1e-5)


def options_and_what_they_give(model, source_ids):
    """Arrays for `check_options` of `jax_agrees.py`."""
    settings = {"beam_size": 3, "max_length_offset": 5, "coverage_penalty": 0.3, "min_length": 6, "no_repeat_ngram": 3}
    decoding = DecodingConfig(**settings)
    columns = {
        "beam_size": np.array([1, 3], "int32"),
        "length_penalty": np.array([0.5, 2.0], "float32"),
        "no_repeat_ngram": np.array([0, 2], "int32"),
    }
    draws = {
        "temperature": np.array([0.7, 1.5], "float32"),
        "top_k": np.array([0, 4], "int32"),
        "top_p": np.array([0.8, 1.0], "float32"),
    }
    uniforms = np.random.default_rng(2).uniform(size=(2, 1, 9)).astype("float32")
    # Two pieces and then an f, of which a piece may be more; or nothing.
    beginning = Beginning(np.array([[5, 6], [0, 0]], "int32"), np.array([[ord("f") + 1], [0]], "int32"))
    spelling = Spelling.of([*[b""] * 4, b"a", b"b", b"c", b"d", b"e", b"f", b"fg"])
    options = Options.of(decoding)._replace(**columns)
    limits = np.array([6, 9], "int32")
    found = {
        "all": search(model, source_ids, decoding, 2),
        "each": search_each(model, source_ids, decoding, options, 3),
        "begun": search(model, source_ids, decoding, begun=Begun(beginning, spelling)),
        "drawn": sample(model.stepper(), *model.start(source_ids), limits, 9, uniforms, **draws),
    }
    arrays = columns | draws | beginning._asdict() | {"uniforms": uniforms, "decoding": json.dumps(settings)}
    arrays |= {f"{name}/{part}": value for name, each in found.items() for part, value in each._asdict().items()}
    return {f"options/{name}": np.asarray(value) for name, value in arrays.items()}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_jax_agrees(make_model, make_batch, tmp_path):
    """The same figures, translations, clipped step and files on both backends; JAX's gradient of a plain loop."""
    inputs, targets = make_batch([5, 2], [3, 4])
    # Each source token brings the target token of half its number.
    shortlist = Shortlist(
        np.maximum(np.arange(13, dtype="int32")[:, None] // 2, END_ID), np.arange(3, 11, dtype="int32")
    )
    arrays = {**inputs, "targets": targets, **shortlist._asdict()}
    program = Path(__file__).with_name("jax_agrees.py")
    models = [
        {"attention_query": BOTH},
        {"cell": "gru", "attention": "none", "summary_at_every_step": True},
        {"cell": "gru-reset-before", "attention": "coverage", "encoder_layers": 2, "residual": True},
        {"cell": "layer-norm-lstm", "attention": "multi-head", "attention_heads": 2, "attention_units": 4},
        {"cell": "unitary", "encoder_units": 8, "decoder_units": 4, "attention": "local", "input_feeding": True},
        {"cell": "layer-norm-gru", "attention_place": "above", "attention_query": STATE, "readout": "maxout"},
        {"cell": "scrn", "decoder_layers": 2, "context_to_all_layers": True, "encoder_merge": "sum"},
        {"cell": "gru", "gradient_norm_penalty": 0.5},
        {"attention": "coverage", "truncation": {"every": 2, "reach": 3}},
    ]
    for number, settings in enumerate(models):
        model = make_model(**settings, label_smoothing=0.1)
        weights = [variable.numpy() for variable in model.trainable_variables]
        if not number:
            model.save(tmp_path / "tensorflow.keras")
            arrays["hidden"] = hidden = model(inputs).numpy()
            arrays |= {
                f"attention/{row}": weights for row, weights in enumerate(attend(model, inputs["source_ids"], targets))
            }
        with tf.GradientTape() as tape:
            loss = model.compute_loss(inputs, targets, model(inputs, training=True))
        decoding = DecodingConfig(beam_size=3, max_length_offset=5, shortlist=2)
        lists = (None, shortlist)[: 1 if number else 2]
        found = [search(model, inputs["source_ids"], decoding, 2, tokens) for tokens in lists]
        gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        stepped = []
        if not number:
            arrays |= options_and_what_they_give(model, inputs["source_ids"])
            model.compile(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=0.1), run_eagerly=True)
            model.train_on_batch(inputs, targets)
            stepped = [variable.numpy() for variable in model.trainable_variables]
        arrays |= {f"{number}/config": json.dumps(model.get_config()), f"{number}/loss": loss.numpy()}
        arrays |= {f"{number}/ids": np.stack([hypotheses.ids for hypotheses in found])}
        for kind, values in (("weight", weights), ("gradient", gradients), ("stepped", stepped)):
            arrays |= {f"{number}/{kind}/{at}": np.asarray(value) for at, value in enumerate(values)}
    np.savez(tmp_path / "tensorflow.npz", **arrays)
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"}
    result = subprocess.run(
        [sys.executable, program, tmp_path / "tensorflow.npz"], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [
        *itertools.chain(
            *((name, "none", name, kind) for name, kind in zip(WITH_GRADIENT, itertools.cycle(JAX_KINDS), strict=False))
        ),
        *(["model"] * len(models)),
        "files",
        *(["float32", "mixed_bfloat16"]),
        "memory",
    ]
    loaded = keras.saving.load_model(tmp_path / "jax.keras", compile=False)
    np.testing.assert_allclose(loaded(inputs), hidden, rtol=1e-5, atol=1e-5)
