"""Run on JAX by `test_recurrence.py`: checks gradients against JAX's own, and models against TensorFlow's figures."""

import json
import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import tree

from models.attention import Memory
from models.cells import CELLS
from models.recurrence import Projected, Weights, step, unroll
from models.seq2seq import Seq2Seq


def check_unroll(name: str) -> None:
    """With attention: the gradient without it is a part of that one."""
    draw, cell = np.random.default_rng(1), CELLS[name]()
    steps, batch, units, source, values, queries = 3, 2, 3, 4, 5, 6
    width = cell.gates * units

    def array(*shape):
        return draw.normal(size=shape).astype("float32")

    mask = np.array([[True] * 4, [True, True, False, False]])
    arguments = (
        Weights(array(units, width + queries), array(values, width), array(queries)),
        (array(source, batch, queries), array(batch, source, values)),
        Projected(array(steps, batch, 1, width), array(steps, batch, 1, queries)),
        tuple(array(batch, 1, units) for _ in range(cell.state_parts)),
    )
    factors = [array(steps, batch, 1, units) for _ in range(cell.state_parts)] + [array(steps, batch, 1, values)]

    def plainly(cell, weights, memory, projected, state):
        states, contexts = [], []
        for row in zip(*projected, strict=True):
            state, reading, _ = step(cell, weights, memory, Projected(*row), state)
            states.append(state)
            contexts.append(reading.context)
        return tuple(map(jnp.stack, zip(*states, strict=True))), jnp.stack(contexts)

    def gradient(run):
        def loss(weights, memory, projected, state):
            outputs = run(cell, weights, Memory(*memory, jnp.asarray(mask)), projected, state)
            return sum((x * y).sum() for x, y in zip(tree.flatten(outputs), factors, strict=True))

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)))(*arguments)

    for found, wanted in zip(*(tree.flatten(gradient(run)) for run in (unroll, plainly)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def check_model(number: int, arrays) -> None:
    """Loss, gradients, and a clipped step."""
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
    model.compile(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=0.1))
    model.train_on_batch(inputs, targets)
    for at, (gradient, variable) in enumerate(zip(gradients, model.trainable_variables, strict=True)):
        np.testing.assert_allclose(gradient, arrays[f"{number}/gradient/{at}"], atol=1e-5)
        np.testing.assert_allclose(variable, arrays[f"{number}/stepped/{at}"], atol=1e-5)


if __name__ == "__main__":
    assert keras.backend.backend() == "jax"
    for cell in CELLS:
        check_unroll(cell)
        print(cell)
    with np.load(sys.argv[1]) as saved:
        for number in range(2):
            check_model(number, saved)
            print("model")
