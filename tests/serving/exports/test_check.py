import pytest
import tensorflow as tf

from pipeline.errors import UserError
from serving.exports.check import broken_in_process, broken_rules, check_export, examine, read_graph, refused_ops
from serving.exports.export import export as make_export
from serving.graph.translator import Translator


def compiled(x):
    return tf.function(lambda x: x + 1, jit_compile=True)(x)


def in_python(x):
    return tf.ensure_shape(tf.numpy_function(lambda x: x + 1, [x], tf.float32), [None])


def eager_python(x):
    return tf.ensure_shape(tf.py_function(lambda x: x + 1, [x], tf.float32), [None])


def sliced_by_xla(x):
    from keras import ops

    return ops.slice_update(x, [0], ops.ones([1]))


def save(folder, function, *specs, name="serving_default", **more):
    """Saves a function as a signature of a SavedModel: the one that it has, but for `more`."""
    module = tf.Module()
    module.run = tf.function(function, input_signature=specs or [tf.TensorSpec([None], tf.string, "text")])
    tf.saved_model.save(module, str(folder), signatures={name: module.run, **more})
    return folder


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (compiled, {"_XlaMustCompile"}),
        (in_python, {"PyFunc"}),
        (eager_python, {"EagerPyFunc"}),
        (sliced_by_xla, {"XlaDynamicUpdateSlice"}),
        (lambda x: x + 1, set()),
    ],
    ids=["compiled", "python", "eager python", "xla", "good"],
)
def test_operations_that_the_server_refuses(function, found, tmp_path):
    graph = read_graph(save(tmp_path, function, tf.TensorSpec([None], name="x")))
    assert refused_ops(graph) == found
    rules = [*(f"no {op} in the graph" for op in found), "signature serving_default: an input is a string"]
    assert broken_rules(graph) == rules


STRINGS = tf.TensorSpec([None], tf.string, "text")


@pytest.mark.parametrize(
    ("function", "specs", "rule"),
    [
        (lambda text: {"y": tf.strings.upper(text)}, [STRINGS], None),
        (lambda text, beam: {"y": tf.repeat(text[:, None], 2, 1)}, [STRINGS, tf.TensorSpec([None], name="beam")], None),
        (lambda text: {"y": tf.strings.split(text)}, [STRINGS], "y is dense, neither ragged nor sparse"),
        (lambda text: {"y": tf.shape(text)}, [STRINGS], "output y is [batch] or [batch, K] with K fixed, not [1]"),
        (lambda text: {"y": tf.size(text)}, [STRINGS], "output y is [batch] or [batch, K] with K fixed, not []"),
        (
            lambda text: {"y": tf.strings.split(text).to_tensor()},
            [STRINGS],
            "output y is [batch] or [batch, K] with K fixed, not [-1, -1]",
        ),
        (
            lambda text: {"y": text},
            [tf.TensorSpec([None, 2], tf.string, "text")],
            "input text is [batch], not [-1, 2]",
        ),
        (lambda text: {"y": text}, [tf.TensorSpec(None, tf.string, "text")], "input text is [batch], not None"),
        (lambda x: {"y": x}, [tf.TensorSpec([None], name="x")], "an input is a string"),
    ],
)
def test_signatures(function, specs, rule, tmp_path):
    found = broken_rules(read_graph(save(tmp_path, function, *specs)))
    if rule is None:
        assert found == []
    else:
        assert f"signature serving_default: {rule}" in found


def test_a_signature_of_another_name_or_method(tmp_path):
    graph = read_graph(save(tmp_path, lambda text: {"y": text}, name="other"))
    assert broken_rules(graph) == ["there is a signature serving_default"]
    graph.signature_def["serving_default"].CopyFrom(graph.signature_def["other"])
    graph.signature_def["other"].method_name = "tensorflow/serving/regress"
    assert broken_rules(graph) == [
        "signature other: its method is tensorflow/serving/predict, not 'tensorflow/serving/regress'"
    ]


@pytest.mark.slow
def test_a_fresh_process_runs_it(tmp_path):
    """Texts as they are, an option as its exported default, of two texts the short ones, nothing of this project."""

    def function(text, beam, penalty):
        told = tf.strings.as_string(beam) + tf.where(tf.math.is_nan(penalty), "nan", "number")
        return {"pairs": tf.stack([text, told], axis=1), "raw_bytes": text, "length": tf.strings.length(text)}

    specs = [STRINGS, tf.TensorSpec([None], tf.int32, "beam"), tf.TensorSpec([None], name="penalty")]
    doubled = tf.function(
        lambda text, target: {"y": text + target}, input_signature=[STRINGS, tf.TensorSpec([None], tf.string, "target")]
    )
    longer = "ä longer one than most".encode()
    found = examine(save(tmp_path, function, *specs, pair=doubled), ["ä\0".encode(), b"\xff", longer])
    runs = found["signatures"]["serving_default"]
    assert runs["texts"] == {
        "length": {"shape": [3], "values": [3, 1, len(longer)]},
        "pairs": {"shape": [3, 2], "values": [["ä\0", "-1nan"], ["\udcff", "-1nan"], [longer.decode(), "-1nan"]]},
        "raw_bytes": {"shape": [3], "values": ["ä\0", "\udcff", longer.decode()]},
    }
    assert {alias: value["shape"] for alias, value in runs["none"].items()} == {
        "length": [0],
        "pairs": [0, 2],
        "raw_bytes": [0],
    }
    assert (found["unregistered"], found["parameters"]) == ([], 0)
    assert not {"pipeline", "models", "serving"} & set(found["modules"])
    pairs = found["signatures"]["pair"]
    assert (pairs["count"], pairs["texts"]["y"]["values"]) == (2, ["ä\0ä\0", "\udcff\udcff"])
    assert sorted(broken_in_process(found)) == [
        "signature pair: output y is UTF-8, or its name ends in _bytes",
        "signature serving_default: output pairs is UTF-8, or its name ends in _bytes",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (compiled, "XLA compilation disabled"),
        (in_python, "InvalidArgumentError|InternalError|UnknownError|NotFoundErr"),
    ],
)
def test_a_fresh_process_refuses_what_the_server_would(function, message, tmp_path):
    folder = save(tmp_path, function, tf.TensorSpec([None], name="x"))
    with pytest.raises(RuntimeError, match=message) as caught:
        examine(folder, [b"a"])
    assert "\n" not in str(caught.value)


def test_rules_broken_in_the_process():
    """What `examine` would tell of a server without an operation, and of outputs that lose or invent rows."""
    good = {"y": {"shape": [0, 3], "values": []}}
    bad = {"y": {"shape": [3], "values": [["a"]]}, "z": {"shape": [], "values": 1}}
    found = {"unregistered": ["Own>Op"], "signatures": {"s": {"count": 3, "texts": bad, "none": good}}}
    assert broken_in_process(found) == [
        "the server has the operation Own>Op",
        "signature s: output z has as many rows as there are texts, 3, not []",
    ]
    found = {"unregistered": [], "signatures": {"s": {"count": 2, "texts": bad, "none": bad}}}
    assert len(broken_in_process(found)) == 4


def test_an_export_of_another_model_is_found_out_and_kept_out(plain_run, other_run, tmp_path):
    seen = []

    def check(folder, translator):
        seen.append((sorted(path.name for path in folder.iterdir()), type(translator)))
        check_export(folder, Translator.from_run(other_run), ["one red cats", "two blue dogs here"])

    message = r"^--check: .*the \d+ bytes of the model's weights once, not \d+; it translates as its run does: 'one red"
    with pytest.raises(UserError, match=message) as caught:
        make_export(str(plain_run), str(tmp_path), checks=[check], signatures=())
    assert "no version was made" in str(caught.value) and "\n" not in str(caught.value)
    assert seen == [
        (["assets", "assets.extra", "export.json", "fingerprint.pb", "saved_model.pb", "variables"], Translator)
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_bad_graph_is_told_of(tmp_path, run):
    save(tmp_path, lambda text: {"translation": tf.numpy_function(lambda text: text, [text], tf.string)})
    with pytest.raises(UserError, match=r"^--check: .*\(no PyFunc in the graph; signature serving_default: output tr"):
        check_export(tmp_path, Translator.from_run(run))


def test_a_model_that_does_not_run(tmp_path, run):
    def refuse(text):
        with tf.control_dependencies([tf.debugging.Assert(tf.constant(False), ["refused"])]):
            return {"translation": tf.identity(text)}

    save(tmp_path, refuse)
    with pytest.raises(UserError, match=r"the model loads and runs without this project: .*refused"):
        check_export(tmp_path, Translator.from_run(run))
