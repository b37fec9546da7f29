"""Requests that TensorFlow Serving sends itself when it loads a version, so that no client waits for the first ones."""

from pathlib import Path

import tensorflow as tf

from serving.exports.check import read_graph
from serving.exports.standalone import feed

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# Short enough for any limit, since a request that fails makes the load fail: one text, and a batch.
BATCHES = (["a"], ["a"] * 16)


def write_warmup(version: Path) -> int:
    """Writes a request for each signature and each of `BATCHES`.

    Args:
        version: The folder that holds `saved_model.pb`.

    Returns:
        The count of requests; 0, and no file, where the extra `grpc` is not installed, which has their format.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        return 0
    path = version / WARMUP_FILE
    path.parent.mkdir()
    signatures = {name: each for name, each in read_graph(version).signature_def.items() if each.inputs}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, signature in sorted(signatures.items()):
            for texts in BATCHES:
                request = predict_pb2.PredictRequest()
                request.model_spec.signature_name = name
                for alias, info in signature.inputs.items():
                    value = feed(info, [text.encode() for text in texts])
                    request.inputs[alias].CopyFrom(tf.make_tensor_proto(value, info.dtype))
                log = prediction_log_pb2.PredictionLog(predict_log={"request": request})
                writer.write(log.SerializeToString())
    return len(signatures) * len(BATCHES)
