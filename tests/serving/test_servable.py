import concurrent.futures

import numpy as np
import pytest

from serving.embedded.status import Code, StatusError
from serving.exports.export_folder import newest_version
from serving.servable import Servable


@pytest.fixture(scope="module")
def servable(small_export):
    servable = Servable(small_export / "10", timeout=0.2)
    yield servable
    servable.close()


def _strings(*values):
    return np.array(values, object)


def test_signatures_are_read_from_the_saved_model(servable):
    assert servable.input_dtypes("serving_default") == {"text": "string"}
    assert servable.input_dtypes("rows") == {"negative": "bool", "x": "int64"}
    assert servable.input_dtypes("numbers") == {"x": "double"}
    assert sorted(servable.signatures["nbest"].outputs) == ["scores", "translations"]
    with pytest.raises(StatusError, match='INVALID_ARGUMENT: Serving signature name: "x" not found'):
        servable.input_dtypes("x")


def test_a_run(servable):
    (translation,) = servable.run("serving_default", {"text": _strings(b"a", "ä".encode())}).values()
    assert translation.tolist() == [b"A", "ä".encode()]
    outputs = servable.run("nbest", {"text": _strings(b"aB")})
    assert outputs["translations"].tolist() == [[b"AB", b"ab"]]
    np.testing.assert_array_equal(outputs["scores"], np.array([[0.2, -2]], np.float32))


def test_inputs_go_by_name(servable):
    inputs = {"x": np.array([[1, 2]], np.int64), "negative": np.array([True])}
    assert servable.run("rows", inputs)["total"].tolist() == [-3]
    assert servable.run("rows", dict(reversed(inputs.items())))["total"].tolist() == [-3]


def test_a_scalar_stays_one(servable):
    output = servable.run("serving_default", {"text": np.array(b"a", object)})["translation"]
    assert (output.shape, output.item()) == ((), b"A")


@pytest.mark.slow
def test_threads_that_run_it_at_once_get_their_own_answers(export, sentences):
    model = Servable(newest_version(export))
    batches = [_strings(*(text.encode() for text in sentences[first : first + 5])) for first in range(0, 40, 5)]

    def translate(batch):
        return model.run("serving_default", {"text": batch})["translation"].tolist()

    alone = [translate(batch) for batch in batches]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert list(threads.map(translate, batches)) == alone
    model.close()


def test_the_models_error_keeps_its_code(servable):
    with pytest.raises(StatusError) as caught:
        servable.run("picky", {"text": _strings(b"bad")})
    assert caught.value.code == Code.INVALID_ARGUMENT
    with pytest.raises(StatusError) as caught:
        servable.run("slow", {"n": np.array([2**31 - 1], np.int32)})
    assert caught.value.code == Code.DEADLINE_EXCEEDED


class Recorder(Servable):
    def run(self, name, inputs):
        outputs = super().run(name, inputs)
        self.seen[name] = {alias: array.tolist() for alias, array in inputs.items()}
        return outputs


def test_warming_up_runs_every_signature_on_one_row(small_export):
    servable = Recorder(small_export / "10")
    servable.seen = {}
    servable.warm_up()
    assert set(servable.seen) == {name for name, signature in servable.signatures.items() if signature.inputs}
    assert servable.seen["serving_default"] == {"text": [b"warm up"]}
    # What stands for the exported setting, where an input is an option.
    assert servable.seen["add"] == {"a": [-1.0], "b": [-1.0]}
    assert servable.seen["rows"] == {"x": [[-1]], "negative": [True]}
    servable.close()
