"""What a SavedModel does in a fresh process that has TensorFlow and tensorflow-text, and nothing of this project.

`serving.exports.check` starts this file by its path. It reads one JSON object from stdin,
`{"folder": ..., "texts": [base64, ...]}`, runs the model as TensorFlow Serving does, and writes one, as `examine` makes
it, on stdout.
"""

import base64
import ctypes
import importlib.abc
import json
import math
import pathlib
import sys
from typing import Any

# The description of the objects, which lies among the variables.
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# In bytes. A signature of two texts takes both whole, and a translation may not be much longer than its source.
SHORT = 8
OWN = ("nmt", "nmt_arguments", "pipeline", "models", "serving", "demo")


class Refuse(importlib.abc.MetaPathFinder):
    """Lets no module of this project be imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Refuses a name, or leaves it to the other finders."""
        if name.partition(".")[0] in OWN:
            raise ImportError(f"{name} is not there in a server")


def switch_xla_off() -> None:
    """Does what the server's `main` does, without which a graph that it would refuse passes."""
    import tensorflow as tf

    library = pathlib.Path(tf.__file__).parent / "libtensorflow_cc.so.2"
    ctypes.CDLL(str(library))._ZN10tensorflow21DisableXlaCompilationEv()


def unregistered(meta_graph: Any) -> list[str]:
    """The operations of a graph and its functions that this process does not have."""
    from tensorflow.python.framework import op_def_registry

    graph = meta_graph.graph_def
    functions = {function.signature.name for function in graph.library.function}
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sorted(op for op in {node.op for node in nodes} - functions if op_def_registry.get(op) is None)


def feed(info: Any, texts: list[bytes]) -> Any:
    """An input of a signature: the texts, or for an option what stands for the exported default, -1 or NaN."""
    import numpy as np
    import tensorflow as tf

    dtype = tf.dtypes.as_dtype(info.dtype)
    if dtype == tf.string:
        # As objects, since an array of bytes loses a NUL at the end.
        return np.array(texts, object)
    return np.full([len(texts)], math.nan if dtype.is_floating else -1).astype(dtype.as_numpy_dtype)


def run(session: Any, signature: Any, texts: list[bytes]) -> dict[str, Any]:
    """Runs a signature: the shape and the values of each output; of bytes that are no UTF-8, surrogates."""
    import numpy as np

    # The session prepares a signature's graph once, and knows it again by what is fed and fetched.
    fed = {info.name: feed(info, texts) for _, info in sorted(signature.inputs.items())}
    fetched = {name: info.name for name, info in sorted(signature.outputs.items())}
    outputs = {name: np.asarray(value) for name, value in session.run(fetched, fed).items()}
    return {
        name: {
            "shape": value.shape,
            "values": np.vectorize(lambda text: text.decode(errors="surrogateescape"), [object])(value).tolist()
            if value.dtype == object and value.size
            else value.tolist(),
        }
        for name, value in outputs.items()
    }


def _takes_one_text(signature: Any) -> bool:
    import tensorflow as tf

    return [info.dtype for info in signature.inputs.values()].count(tf.string.as_datatype_enum) == 1


def examine(folder: str, texts: list[bytes]) -> dict[str, Any]:
    """Loads a SavedModel and runs its signatures, on the texts and on none.

    Args:
        folder: The folder that holds `saved_model.pb`.
        texts: The texts.

    Returns:
        `unregistered`: operations that are not there. `signatures`: for each the `count` of texts, of two the short
        ones alone, and its outputs on these, `texts`, and on none, `none`; see `run`. `parameters`: bytes of all
        variables. `modules`: packages that were loaded.
    """
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 - registers the operations of the tokenizer

    switch_xla_off()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signatures = {name: signature for name, signature in meta_graph.signature_def.items() if signature.inputs}
        found = {}
        for name, signature in signatures.items():
            taken = texts if _takes_one_text(signature) else [text for text in texts if len(text) <= SHORT]
            runs = {"texts": run(session, signature, taken), "none": run(session, signature, [])}
            found[name] = runs | {"count": len(taken)}
    reader = tf.train.load_checkpoint(str(pathlib.Path(folder) / "variables" / "variables"))
    dtypes = reader.get_variable_to_dtype_map()
    shapes = {name: shape for name, shape in reader.get_variable_to_shape_map().items() if name != OBJECT_GRAPH}
    return {
        "unregistered": unregistered(meta_graph),
        "signatures": found,
        "parameters": sum(math.prod(shape) * dtypes[name].size for name, shape in shapes.items()),
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }


def main() -> None:
    """Answers one request; what fails is one line on stderr, and exit status 1."""
    sys.meta_path.insert(0, Refuse())
    request = json.load(sys.stdin)
    try:
        found = examine(request["folder"], [base64.b64decode(text) for text in request["texts"]])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
