"""A request for a prediction as TF Serving's gRPC API takes it, and its answer: protobuf to arrays and back."""

from collections.abc import Iterable, Mapping

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.embedded.grpc_tensors import to_array, to_proto
from serving.embedded.status import Code, StatusError, invalid_argument
from serving.servable import Servable


def find_signature(servable: Servable, name: str) -> meta_graph_pb2.SignatureDef:
    """The signature that a request names.

    Raises:
        StatusError: There is none of that name, or it has no inputs.
    """
    if name not in servable.signatures:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    servable.input_dtypes(name)
    return servable.signatures[name]


def read_inputs(
    request: predict_pb2.PredictRequest, signature: meta_graph_pb2.SignatureDef, most: int
) -> dict[str, np.ndarray]:
    """The tensors of a request.

    Args:
        request: The request.
        signature: What it asks for.
        most: Elements of a tensor, at most.

    Returns:
        An array for each input.

    Raises:
        StatusError: They do not fit the signature.
    """
    sent, expected = sorted(request.inputs), sorted(signature.inputs)
    if len(sent) != len(expected):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} len({_set(sent)}) !="
            f" len({_set(expected)}). Sent extra: {_set(sorted({*sent} - {*expected}))}."
            f" Missing but required: {_set(sorted({*expected} - {*sent}))}."
        )
    arrays = {}
    for alias in expected:
        if alias not in sent:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and no"
                f" default value provided. Inputs expected to be in the request {_set(sent)}, or default input alias"
                " set: "
            )
        try:
            arrays[alias] = to_array(request.inputs[alias], most)
        except ValueError:
            raise invalid_argument(f"tensor parsing error: {alias}") from None
    for place, alias in enumerate(expected):
        dtype, received = signature.inputs[alias].dtype, request.inputs[alias].dtype
        if dtype != received:
            raise invalid_argument(
                f"Expects arg[{place}] to be {_dtype_name(dtype)} but {_dtype_name(received)} is provided"
            )
    return arrays


def read_output_filter(request: predict_pb2.PredictRequest, signature: meta_graph_pb2.SignatureDef) -> list[str]:
    """The names of the outputs that a request wants; without a filter, all.

    Raises:
        StatusError: A name is not known, or given twice.
    """
    wanted = list(request.output_filter)
    for place, alias in enumerate(wanted):
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set"
                f" {_set(sorted(signature.outputs))}."
            )
        if alias in wanted[:place]:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
    return wanted or sorted(signature.outputs)


def write_response(
    outputs: Mapping[str, np.ndarray],
    wanted: Iterable[str],
    signature: meta_graph_pb2.SignatureDef,
    model: str,
    signature_name: str,
    version: int,
) -> predict_pb2.PredictResponse:
    """The answer to a request.

    Args:
        outputs: An array for each output of the signature, by name.
        wanted: The names of those to send.
        signature: Tells their dtypes.
        model: The model's name, as are the next two for what has answered.
        signature_name: The signature's name.
        version: The number of the version.
    """
    response = predict_pb2.PredictResponse()
    response.model_spec.name = model
    response.model_spec.signature_name = signature_name
    response.model_spec.version.value = version
    for alias in wanted:
        response.outputs[alias].CopyFrom(to_proto(outputs[alias], signature.outputs[alias].dtype))
    return response


def _set(names: Iterable[str]) -> str:
    return f"{{{','.join(names)}}}"


def _dtype_name(dtype: int) -> str:
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()
