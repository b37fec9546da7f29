from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def upper_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that translates a text into its upper case."""
    import tensorflow as tf

    class Upper(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"translation": tf.strings.upper(text, "utf-8")}

    export, module = tmp_path_factory.mktemp("upper"), Upper()
    tf.saved_model.save(module, str(export / "1"), signatures={"serving_default": module.translate})
    return export
