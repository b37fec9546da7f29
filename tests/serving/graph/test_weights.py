import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.run import load_model
from serving.exports.check import check_export, read_graph
from serving.exports.export import export as make_export
from serving.graph.weights import LEAST_SIZE, quantize, store
from serving.servable import Servable


def test_quantized_by_hand():
    matrix = np.array([[1.27, -0.2, 0.0], [-0.5, 25.4, 0.0], [0.006, 0.31, 0.0]], "float32")
    # The largest of the columns are 1.27, 25.4 and 0, so that their scales are 0.01, 0.2 and what matters to nobody.
    whole, scales = quantize(matrix, outputs_axis=1)
    assert whole.dtype == np.int8
    assert whole.tolist() == [[127, -1, 0], [-50, 127, 0], [1, 2, 0]]
    np.testing.assert_allclose(scales[:, :2], [[0.01, 0.2]], rtol=1e-6)
    turned, turned_scales = quantize(matrix.T, outputs_axis=0)
    np.testing.assert_array_equal(turned, whole.T)
    np.testing.assert_array_equal(turned_scales, scales.T)


@pytest.mark.parametrize("outputs_axis", [0, 1])
@pytest.mark.parametrize("size", [1e-42, 1e-20, 1.0, 1e30])
def test_no_number_is_off_by_more_than_half_a_scale(outputs_axis, size):
    matrix = (np.random.default_rng(1).standard_normal((60, 40)) * size).astype("float32")
    matrix[3], matrix[:, 5] = 0, 0
    whole, scales = quantize(matrix, outputs_axis)
    assert whole.min() >= -127 and whole.max() <= 127
    assert np.isfinite(scales).all() and (scales > 0).all()
    off = np.abs(matrix.astype("float64") - whole * scales.astype("float64"))
    assert (off <= scales * (0.5 + 1e-5)).all()
    assert not whole[3].any() and not whole[:, 5].any()
    # The largest of each output that has any stands at the end of the range, unless it has no normal numbers.
    if size > 1e-30:
        largest = np.abs(whole).max(axis=1 - outputs_axis)
        assert sorted(set(largest.tolist())) == [0, 127]


def variable(shape, name="kernel", trainable=True):
    values = np.random.default_rng(len(name)).standard_normal(shape).astype("float32")
    return keras.Variable(values, name=name, trainable=trainable)


LARGE = LEAST_SIZE // 32, 32


def test_only_large_matrices_that_are_trained_are_rounded():
    weights = [
        variable(LARGE),
        variable((LARGE[0] - 1, 32)),
        variable((2 * LEAST_SIZE,), "bias"),
        variable(LARGE, "statistics", trainable=False),
        variable(LARGE, "output_table"),
    ]
    before = [weight.numpy() for weight in weights]
    variables, restored = store(weights, "float32")
    assert [each is weight.value for each, weight in zip(variables, weights, strict=True)] == [True] * 5
    assert restored == []
    variables, restored = store(weights, "int8")
    described = [(each.dtype.name, tuple(each.shape)) for each in variables]
    rest = [("float32", before[i].shape) for i in (1, 2, 3)]
    kernel, table = ([("int8", LARGE), ("float32", scales)] for scales in ((1, 32), (LARGE[0], 1)))
    assert described == [*kernel, *rest, *table]
    assert len(restored) == 2
    for weight, value, axis in zip(weights, before, (1, None, None, None, 0), strict=True):
        if axis is None:
            np.testing.assert_array_equal(weight.numpy(), value)
        else:
            whole, scales = quantize(value, axis)
            np.testing.assert_array_equal(weight.numpy(), whole.astype("float32") * scales)


def test_bfloat16_keeps_eight_bits():
    matrix = np.ones(LARGE, "float32")
    # A bit too many, halfway between two numbers: to the even one.
    matrix[0, :4] = [1 + 2**-7, 1 + 2**-8, 1 + 3 * 2**-8, -3.14159]
    weight = keras.Variable(matrix, name="kernel")
    (stored,), _ = store([weight], "bfloat16")
    assert stored.dtype == tf.bfloat16
    assert weight.numpy()[0, :5].tolist() == [1 + 2**-7, 1.0, 1 + 2**-6, -3.140625, 1.0]


class Turns(tf.Module):
    """Multiplies with two matrices, three times in a loop."""

    def __init__(self, seed, kind):
        super().__init__()
        values = np.random.default_rng(seed).standard_normal((2, 32, 32)).astype("float32") / 5
        kernels = [keras.Variable(value, name="kernel") for value in values]
        self.weights, self.restored = store(kernels, kind)
        self.run = tf.function(
            lambda x: {"y": self.turn(x, kernels)}, input_signature=[tf.TensorSpec([None, 32], name="x")]
        )

    def turn(self, x, kernels):
        first, second = kernels
        return tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(tf.matmul(y, first), second, transpose_b=True)), (0, x)
        )[1]


@pytest.mark.parametrize("kind", ["bfloat16", "int8"])
def test_versions_that_one_process_loads_keep_their_own_weights(kind, tmp_path):
    x = np.random.default_rng(3).standard_normal((4, 32)).astype("float32")
    modules = [Turns(seed, kind) for seed in (1, 2)]
    expected = [module.run(x)["y"].numpy() for module in modules]
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    for number, module in enumerate(modules):
        tf.saved_model.save(module, str(tmp_path / f"{number}"), signatures=module.run)
    servables = [Servable(tmp_path / f"{number}") for number in range(2)]
    loaded = [tf.saved_model.load(str(tmp_path / f"{number}")) for number in range(2)]
    for number in range(2):
        np.testing.assert_array_equal(servables[number].run("serving_default", {"x": x})["y"], expected[number])
        np.testing.assert_array_equal(loaded[number].run(x)["y"], expected[number])
        servables[number].close()


@pytest.fixture(scope="module")
def exports(run, other_run, tmp_path_factory):
    """What was checked as `--check` does: a model with attention, and an ensemble with statistics."""
    folder = tmp_path_factory.mktemp("weights")
    ensembles = {"int8": [], "bfloat16": [str(other_run)]}
    return {
        kind: Path(make_export(str(run), str(folder / kind), ensemble, [check_export], kind, signatures=()))
        for kind, ensemble in ensembles.items()
    }


def on_disk(version: Path) -> dict[str, int]:
    """The bytes of a version's variables, by dtype."""
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    shapes, found = reader.get_variable_to_shape_map(), {}
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype != tf.string:
            found[dtype.name] = found.get(dtype.name, 0) + int(np.prod(shapes[name])) * dtype.size
    return found


def test_bytes_on_disk(exports, run, other_run):
    weights = [[weight.numpy() for weight in load_model(each).weights] for each in (run, other_run)]
    large = [[value for value in values if value.ndim == 2 and value.size >= LEAST_SIZE] for values in weights]
    # A table is the one matrix with more rows than columns that has a row for each of the 460 tokens.
    outputs = sum(value.shape[0 if len(value) == 460 else 1] for value in large[0])
    small = sum(value.size for value in weights[0]) - sum(value.size for value in large[0])
    assert on_disk(exports["int8"]) == {"int8": sum(value.size for value in large[0]), "float32": 4 * (small + outputs)}
    statistics = [value for value in large[1] if len(value) == 50]
    assert len(statistics) == 4, "sums and squares, of encoder and decoder"
    halved = sum(value.size for values in large for value in values) - sum(value.size for value in statistics)
    whole = sum(value.size for values in weights for value in values) - halved
    assert on_disk(exports["bfloat16"]) == {"bfloat16": 2 * halved, "float32": 4 * whole}


def test_no_call_makes_float32_of_weights(exports):
    """What does is the initializers, one for each matrix, and these run once."""
    for version, dtype in ((exports["int8"], tf.int8), (exports["bfloat16"], tf.bfloat16)):
        graph = read_graph(version).graph_def
        casting = [
            function.signature.name
            for function in graph.library.function
            for node in function.node_def
            if node.op == "Cast" and node.attr["SrcT"].type == dtype.as_datatype_enum
        ]
        stored = tf.train.load_checkpoint(str(version / "variables" / "variables")).get_variable_to_dtype_map()
        assert len(casting) == list(stored.values()).count(dtype) > 5
        assert all("__initializer" in name for name in casting)
        assert not [node for node in graph.node if node.op == "Cast"]


def test_translations_are_mostly_those_of_float32(exports, export, sentences):
    rows = np.array([text.encode() for text in sentences[:60]], object)

    def answer(version):
        servable = Servable(version)
        try:
            return servable.run("serving_default", {"text": rows})["translation"]
        finally:
            servable.close()

    same = answer(exports["int8"]) == answer(export / "1")
    assert 0.9 < same.mean() <= 1


def test_the_card_tells_the_kind(exports, export):
    kinds = [json.loads((version / "export.json").read_text())["weights"] for version in exports.values()]
    assert kinds == ["int8", "bfloat16"]
    assert json.loads((export / "1" / "export.json").read_text())["weights"] == "float32"
