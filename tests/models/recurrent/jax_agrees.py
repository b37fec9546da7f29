"""Run on JAX by `test_recurrence.py`: checks gradients against JAX's own, and models against TensorFlow's figures."""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import tree

from models.attention.base import Memory
from models.attention.kinds import make_attention
from models.config import DecodingConfig, ModelConfig
from models.decoding.forced_prefix import Beginning, Spelling
from models.decoding.options import Options
from models.decoding.sampling import sample
from models.decoding.search import Begun, draw_each, search, search_each
from models.decoding.shortlist import Shortlist
from models.inspection import attend
from models.recurrent.cells import CELLS
from models.recurrent.unroll import Projected, Weights, step, unroll
from models.seq2seq import Seq2Seq

# Eleven pieces, of which the last begins with the one before.
SPELT = [*[b""] * 4, b"a", b"b", b"c", b"d", b"e", b"f", b"fg"]


def check_unroll(name: str, kind: str) -> None:
    """The gradient of `unroll` against JAX's own of a plain loop over `step`."""
    draw, cell, attends, additive = np.random.default_rng(1), CELLS[name](), kind != "none", kind == "additive"
    steps, batch, units, source, queries = 3, 2, 3, 4, 6
    config = ModelConfig(attention=kind, attention_units=queries)
    values = units if kind in ("dot", "scaled-dot") else 5
    query = queries if additive else values
    width, row = cell.gates * units, (batch, 1) if attends else (batch,)

    def array(*shape):
        return draw.normal(size=shape).astype("float32")

    mask = np.array([[True] * 4, [True, True, False, False]])
    weights, memory = Weights(array(units, width)), ()
    if attends:
        state_kernel = array(units, width + (query if kind not in ("dot", "scaled-dot") else 0))
        weights = Weights(state_kernel, array(queries) if additive else ())
        keys = array(source, batch, queries) if additive else ()
        memory = (keys, array(batch, source, values), array(batch, source, width))
    projected = Projected(array(steps, *row, width), array(steps, *row, query) if attends else ())
    arguments = weights, memory, projected, tuple(array(*row, units) for _ in range(cell.state_parts))
    factors = [array(steps, *row, units) for _ in range(cell.state_parts)]
    factors += [array(steps, *row, values)] if attends else []

    def plainly(cell, attention, weights, memory, projected, state):
        states, contexts = [], []
        for t in range(steps):
            row = tree.map_structure(lambda part, t=t: part[t], projected)
            state, reading, _ = step(cell, attention, weights, memory, row, state)
            states.append(state)
            contexts.append(reading.weights @ memory.values if attends else ())
        return tuple(map(jnp.stack, zip(*states, strict=True))), jnp.stack(contexts) if attends else ()

    def gradient(run):
        def loss(weights, memory, projected, state):
            memory = Memory(*memory, jnp.asarray(mask)) if attends else ()
            outputs = run(cell, make_attention(config), weights, memory, projected, state)
            return sum((x * y).sum() for x, y in zip(tree.flatten(outputs), factors, strict=True))

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)))(*arguments)

    for found, wanted in zip(*(tree.flatten(gradient(run)) for run in (unroll, plainly)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def check_model(number: int, arrays) -> None:
    """Loss, gradients, translations, attention, and a clipped step."""
    model = Seq2Seq(**json.loads(str(arrays[f"{number}/config"])))
    model.build()
    for at, variable in enumerate(model.trainable_variables):
        variable.assign(arrays[f"{number}/weight/{at}"])
    inputs = {name: arrays[name] for name in ("source_ids", "decoder_input_ids")}
    targets = arrays["targets"]
    rest = [variable.value for variable in model.non_trainable_variables]

    @jax.jit
    @jax.value_and_grad
    def loss_and_gradients(weights):
        with keras.StatelessScope(
            [
                *zip(model.trainable_variables, weights, strict=True),
                *zip(model.non_trainable_variables, rest, strict=True),
            ]
        ):
            return model.compute_loss(inputs, targets, model(inputs, training=True))

    loss, gradients = loss_and_gradients([variable.value for variable in model.trainable_variables])
    np.testing.assert_allclose(loss, arrays[f"{number}/loss"], rtol=1e-5)
    for at, gradient in enumerate(gradients):
        np.testing.assert_allclose(gradient, arrays[f"{number}/gradient/{at}"], atol=1e-5)
    # What goes little by a model's parts is compared on some.
    if number % 3:
        return
    decoding = DecodingConfig(beam_size=3, max_length_offset=5, shortlist=2)
    lists = (None, Shortlist(arrays["translations"], arrays["frequent"]))[: 1 if number else 2]
    found = [search(model, inputs["source_ids"], decoding, 2, shortlist).ids for shortlist in lists]
    np.testing.assert_array_equal(found, arrays[f"{number}/ids"])
    if number:
        return
    check_options(model, inputs["source_ids"], arrays)
    for row, weights in enumerate(attend(model, inputs["source_ids"], targets)):
        np.testing.assert_allclose(weights, arrays[f"attention/{row}"], atol=1e-5)
    model.compile(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=0.1))
    model.train_on_batch(inputs, targets)
    for at, variable in enumerate(model.trainable_variables):
        np.testing.assert_allclose(variable, arrays[f"{number}/stepped/{at}"], atol=1e-5)


def check_options(model: Seq2Seq, source_ids, arrays) -> None:
    """Rules, options of each sentence, a forced beginning, and draws, of which the numbers alone are the backend's."""
    decoding = DecodingConfig(**json.loads(str(arrays["options/decoding"])))
    columns = {name: arrays[f"options/{name}"] for name in ("beam_size", "length_penalty", "no_repeat_ngram")}
    options = Options.of(decoding)._replace(**columns)
    begun = Begun(Beginning(arrays["options/pieces"], arrays["options/bytes"]), Spelling.of(SPELT))
    found = {
        "all": search(model, source_ids, decoding, 2),
        "each": search_each(model, source_ids, decoding, options, 3),
        "begun": search(model, source_ids, decoding, begun=begun),
        "drawn": sample(
            *(model.stepper(), *model.start(source_ids), np.array([6, 9], "int32"), 9, arrays["options/uniforms"]),
            **{name: arrays[f"options/{name}"] for name in ("temperature", "top_k", "top_p")},
        ),
    }
    for name, hypotheses in found.items():
        np.testing.assert_array_equal(hypotheses.ids, arrays[f"options/{name}/ids"])
        np.testing.assert_allclose(hypotheses.scores, arrays[f"options/{name}/scores"], rtol=1e-4)
    options = options._replace(temperature=arrays["options/temperature"], seed=np.array([1, 5], "int32"))
    drawn = draw_each(model, source_ids, decoding, options)
    alone = draw_each(model, source_ids, decoding, options._replace(seed=5))
    np.testing.assert_array_equal(drawn.ids[1], alone.ids[1])


def check_files(folder: Path, arrays) -> None:
    """A file of TensorFlow's loads and gives the same; one of JAX's is left for TensorFlow."""
    model = keras.saving.load_model(folder / "tensorflow.keras", compile=False)
    inputs = {name: arrays[name] for name in ("source_ids", "decoder_input_ids")}
    np.testing.assert_allclose(model(inputs), arrays["hidden"], rtol=1e-5, atol=1e-5)
    model.save(folder / "jax.keras")


def check_what_is_drawn(policy: str, arrays) -> None:
    """A compiled training with all that is drawn, in the loops and beside them."""
    keras.config.set_dtype_policy(policy)
    config = ModelConfig(
        encoder_units=8,
        decoder_units=8,
        embedding_size=4,
        attention_units=4,
        readout_units=4,
        decoder_layers=2,
        dropout=0.2,
        variational_dropout=True,
        word_dropout=0.2,
        weight_drop=0.2,
    )
    sampling = {"share": 1.0, "schedule": "linear", "steps": 2}
    model = Seq2Seq(config, 13, 11, 0.1, scheduled_sampling=sampling, name="seq2seq")
    model.build()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    inputs = {name: np.tile(arrays[name], (4, 1)) for name in ("source_ids", "decoder_input_ids")}
    history = model.fit(inputs, np.tile(arrays["targets"], (4, 1)), batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert int(model.sampling.done) == 4
    if policy != "float32":
        return
    normed = Seq2Seq(dataclasses.replace(config, cell="batch-norm-lstm"), 13, 11, name="seq2seq")
    normed.build()
    normed.compile(optimizer=keras.optimizers.SGD(0.1))
    assert np.isfinite(normed.train_on_batch(inputs, np.tile(arrays["targets"], (4, 1)), return_dict=True)["loss"])
    # Eight sentences, of which four have a fifth token.
    counts = normed.encoder.layers_by_depth[0][0].cell.counts[:, 0]
    np.testing.assert_allclose(counts[:6], [*[0.99 + 0.08] * 2, *[0.99 + 0.04] * 3, 1], rtol=1e-6)
    refined = Seq2Seq(config, 13, 11, refinement={"samples": 3, "likelihood": 0.1}, name="seq2seq")
    refined.build()
    refined.compile(optimizer=keras.optimizers.SGD(0.1))
    targets = np.tile(arrays["targets"], (4, 1))
    assert np.isfinite(refined.train_on_batch(inputs, targets, return_dict=True)["loss"])
    whole = dataclasses.replace(config, weight_drop=0.0)
    cut = Seq2Seq(whole, 13, 11, scheduled_sampling=sampling, truncation={"every": 2, "reach": 3}, name="seq2seq")
    cut.build()
    cut.compile(optimizer=keras.optimizers.SGD(0.1))
    assert np.isfinite(cut.train_on_batch(inputs, targets, return_dict=True)["loss"])


def check_memory() -> None:
    """What a step needs beside its arguments grows with the target, and little where the gradient is truncated."""

    def temporary(steps, truncation):
        model = Seq2Seq({"attention": "additive", "dropout": 0.0}, 13, 1000, truncation=truncation, name="seq2seq")
        model.build()
        rest = [variable.value for variable in model.non_trainable_variables]

        def loss(weights, source_ids, target_ids):
            variables = *model.trainable_variables, *model.non_trainable_variables
            with keras.StatelessScope(zip(variables, [*weights, *rest], strict=True)):
                inputs = {"source_ids": source_ids, "decoder_input_ids": target_ids}
                return model.compute_loss(inputs, target_ids, model(inputs, training=True))

        weights = [variable.value for variable in model.trainable_variables]
        ids = [jnp.full((16, length), 5) for length in (4, steps)]
        return jax.jit(jax.grad(loss)).lower(weights, *ids).compile().memory_analysis().temp_size_in_bytes

    windows = {"every": 8, "reach": 16}
    whole, cut = (temporary(256, truncation) - temporary(64, truncation) for truncation in (None, windows))
    assert cut < whole / 5, (cut, whole)


if __name__ == "__main__":
    assert keras.backend.backend() == "jax"
    for number, cell in enumerate(name for name, kind in CELLS.items() if kind.has_gradient):
        for kind in ("none", ("additive", "scaled-dot", "general")[number % 3]):
            check_unroll(cell, kind)
            print(cell, kind)
    with np.load(sys.argv[1]) as saved:
        for number in range(sum(name.endswith("/config") for name in saved)):
            check_model(number, saved)
            print("model")
        check_files(Path(sys.argv[1]).parent, saved)
        print("files")
        for policy in ("float32", "mixed_bfloat16"):
            check_what_is_drawn(policy, saved)
            print(policy)
    keras.config.set_dtype_policy("float32")
    check_memory()
    print("memory")
