"""A request for other models, as TF Serving's gRPC API takes it."""

from pathlib import Path

from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

from pipeline.errors import UserError
from serving.embedded.models_config import ModelSource
from serving.embedded.status import Code, StatusError, invalid_argument
from serving.exports.export_folder import complete_versions

_TENSORFLOW = "tensorflow"


def read_sources(request: model_management_pb2.ReloadConfigRequest) -> list[ModelSource]:
    """The models that a request wants to be served.

    Raises:
        StatusError: It does not say them as TF Serving asks for, or wants what this server does not do.
    """
    if request.config.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently"
            " supported"
        )
    sources: dict[str, ModelSource] = {}
    for config in request.config.model_config_list.config:
        if config.name in sources:
            raise invalid_argument(f"Illegal to list model {config.name} multiple times in config list")
        sources[config.name] = _source(config)
    return list(sources.values())


def _source(config: model_server_config_pb2.ModelConfig) -> ModelSource:
    if not Path(config.base_path).is_absolute():
        raise invalid_argument(
            f"Expected model {config.name} to have an absolute path or URI; got base_path()={config.base_path}"
        )
    if not config.model_platform:
        raise invalid_argument("Illegal setting: no ModelServerConfig::model_platform")
    if config.model_platform != _TENSORFLOW:
        raise invalid_argument(f"Model {config.name} requests unsupported platform {config.model_platform}")
    _check_supported(config)
    for version in config.version_labels.values():
        if version not in complete_versions(config.base_path):
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {config.name}, which is not currently available"
                " for inference",
            )
    try:
        return ModelSource(config.name, config.base_path, dict(config.version_labels))
    except UserError as error:
        raise invalid_argument(str(error)) from None


def _check_supported(config: model_server_config_pb2.ModelConfig) -> None:
    policy = config.model_version_policy
    if policy.WhichOneof("policy_choice") not in (None, "latest") or policy.latest.num_versions > 1:
        raise invalid_argument(
            f"Model {config.name}: expecting the version policy `latest` with num_versions 1, as the newest version and"
            " those with version_labels are served; label what else is wanted"
        )
    for name in ("model_type", "logging_config"):
        if name in {field.name for field, _ in config.ListFields()}:
            raise invalid_argument(f"Model {config.name}: {name} is not supported")
