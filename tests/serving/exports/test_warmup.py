import json
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.exports.warmup import WARMUP_FILE, write_warmup


def requests(version):
    """The requests in a version's file of warm-up."""
    for record in tf.data.TFRecordDataset(str(version / WARMUP_FILE)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        yield log.predict_log.request


def inputs(request):
    return {alias: tf.make_ndarray(value) for alias, value in request.inputs.items()}


@pytest.fixture
def version(tmp_path):
    """A model with a signature of texts and options and one of texts."""

    class Model(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, "text"),
                tf.TensorSpec([None], tf.int32, "beam"),
                tf.TensorSpec([None], tf.float32, "penalty"),
            ]
        )
        def options(self, text, beam, penalty):
            return {"beam": beam, "penalty": penalty, "text": text}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def plain(self, text):
            return {"text": tf.strings.upper(text)}

    module = Model()
    tf.saved_model.save(
        module, str(tmp_path / "1"), signatures={"serving_default": module.plain, "options": module.options}
    )
    return tmp_path / "1"


def test_each_signature_with_one_text_and_with_a_batch(version):
    assert write_warmup(version) == 4
    found = list(requests(version))
    names = [(request.model_spec.signature_name, len(inputs(request)["text"])) for request in found]
    assert names == [("options", 1), ("options", 16), ("serving_default", 1), ("serving_default", 16)]
    first = inputs(found[0])
    assert (first["text"].tolist(), first["beam"].tolist(), first["beam"].dtype) == ([b"a"], [-1], np.int32)
    assert first["penalty"].dtype == np.float32 and np.isnan(first["penalty"]).all()


def test_without_the_extra_there_is_no_file(version, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    assert write_warmup(version) == 0
    assert not (version / "assets.extra").exists()


def test_an_export_answers_its_warm_up(export, servable):
    found = list(requests(export / "1"))
    told = json.loads((export / "1" / "export.json").read_text())["warm_up_requests"]
    assert len(found) == told == 2 * len([each for each in servable.signatures.values() if each.inputs])
    for request in found:
        outputs = servable.run(request.model_spec.signature_name, inputs(request))
        assert {len(value) for value in outputs.values()} == {len(inputs(request)["text"])}
