import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with the versions 2 and 10, and folders that are no versions.

    Version 10 upper-cases text; version 2 has the same signatures and is there to be passed over.
    """
    import tensorflow as tf

    def signature(*inputs):
        return tf.function(input_signature=inputs)

    def vector(name, dtype=tf.float32):
        return tf.TensorSpec([None], dtype, name)

    class Small(tf.Module):
        @signature(vector("text", tf.string))
        def upper(self, text):
            return {"translation": tf.strings.upper(text)}

        @signature(vector("text", tf.string))
        def nbest(self, text):
            length = tf.cast(tf.strings.length(text), tf.float32)
            return {
                "translations": tf.stack([tf.strings.upper(text), tf.strings.lower(text)], axis=1),
                "scores": tf.stack([length * 0.1, -length], axis=1),
            }

        @signature(vector("a"), vector("b"))
        def add(self, a, b):
            return {"sum": a + b}

        @signature(tf.TensorSpec([None, None], tf.int64, "x"), tf.TensorSpec([None], tf.bool, "negative"))
        def rows(self, x, negative):
            return {"total": tf.where(negative, -1, 1) * tf.cast(tf.reduce_sum(x, axis=1), tf.int32), "odd": x % 2 == 1}

        @signature(vector("x", tf.float64))
        def numbers(self, x):
            return {"x": x}

        @signature(vector("x", tf.uint8))
        def narrow(self, x):
            return {"x": x}

        @signature(vector("x", tf.float16))
        def half(self, x):
            return {"x": x}

        @signature(vector("text", tf.string))
        def binary(self, text):
            return {"raw_bytes": text}

        @signature(vector("text", tf.string))
        def picky(self, text):
            refused = tf.debugging.Assert(tf.reduce_all(text != "bad"), ["refused"])
            with tf.control_dependencies([refused]):
                return {"translation": tf.identity(text)}

        @signature(vector("n", tf.int32))
        def slow(self, n):
            (count,) = tf.while_loop(lambda i: i < tf.reduce_max(n), lambda i: [i + 1], [tf.constant(0)])
            return {"count": n * 0 + count}

        @signature(vector("x", tf.int32))
        def batch_size(self, x):
            return {"x": x, "size": tf.zeros_like(x) + tf.size(x)}

        @signature(vector("x"))
        def lengths_differ(self, x):
            return {"x": x, "first": x[:1]}

        @signature(vector("x"))
        def total(self, x):
            return {"total": tf.reduce_sum(x)}

    module = Small()
    names = [
        "nbest", "add", "rows", "numbers", "narrow", "half", "binary", "picky", "slow", "batch_size", "lengths_differ",
        "total",
    ]  # fmt: skip
    export = tmp_path_factory.mktemp("export")
    tf.saved_model.save(
        module,
        str(export / "10"),
        signatures={"serving_default": module.upper} | {name: getattr(module, name) for name in names},
    )
    shutil.copytree(export / "10", export / "2")
    shutil.copytree(export / "10", export / ".11.half-written" / "11")
    (export / "12").mkdir()
    shutil.copytree(export / "10", export / "latest")
    return export
