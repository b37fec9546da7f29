"""The files as TensorFlow Serving reads them, in protocol buffers' text format."""

import shutil
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.embedded.config import BatcherConfig
from serving.exports.export_folder import next_version, remove_older, rollback, whole_versions
from serving.exports.tf_serving_configs import CONFIGS, write_configs
from serving.graph.chunks import ROWS_AT_ONCE

# Of messages that tensorflow-serving-api lacks, the fields that TensorFlow Serving 2.20 has, in their order in
# session_bundle_config.proto and monitoring_config.proto; the text format knows no numbers.
INT, BOOL, TEXT = (f".google.protobuf.{kind}Value" for kind in ("Int64", "Bool", "String"))
MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": INT,
        "batch_timeout_micros": INT,
        "max_enqueued_batches": INT,
        "num_batch_threads": INT,
        "thread_pool_name": TEXT,
        "allowed_batch_sizes": [int],
        "pad_variable_length_inputs": bool,
        "enable_large_batch_splitting": BOOL,
        "max_execution_batch_size": INT,
    },
    "PrometheusConfig": {"enable": bool, "path": str},
    "MonitoringConfig": {"prometheus_config": ".of_tests.PrometheusConfig"},
}


def build_messages():
    types = descriptor_pb2.FieldDescriptorProto
    scalars = {int: types.TYPE_INT64, bool: types.TYPE_BOOL, str: types.TYPE_STRING}
    file = descriptor_pb2.FileDescriptorProto(name="of_tests.proto", package="of_tests", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            label = types.LABEL_REPEATED if isinstance(kind, list) else types.LABEL_OPTIONAL
            scalar = scalars.get(kind[0] if isinstance(kind, list) else kind)
            named = {"type": scalar} if scalar else {"type": types.TYPE_MESSAGE, "type_name": kind}
            message.field.add(name=field, number=number, label=label, **named)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"of_tests.{name}")) for name in MESSAGES}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An export's folder with nothing but the files."""
    folder = tmp_path_factory.mktemp("written")
    assert write_configs(folder) == [folder / name for name in CONFIGS]
    return folder


@pytest.fixture(scope="module")
def read(written):
    """A function that reads one of the files, all of whose fields must be known."""
    messages = build_messages() | {"ModelServerConfig": model_server_config_pb2.ModelServerConfig}

    def read(name, message):
        return text_format.Parse((written / name).read_text(), messages[message]())

    return read


def test_batches_are_those_of_the_graph(read):
    batching, own = read("batching.config", "BatchingParameters"), BatcherConfig()
    assert batching.max_execution_batch_size.value == ROWS_AT_ONCE == own.max_batch_size
    assert batching.enable_large_batch_splitting.value
    assert batching.max_enqueued_batches.value == 16 * batching.num_batch_threads.value
    # Or a request of the largest size would never find room.
    assert batching.max_batch_size.value < batching.max_enqueued_batches.value * ROWS_AT_ONCE
    assert not batching.pad_variable_length_inputs and not batching.allowed_batch_sizes


def test_the_newest_version_of_one_model(read):
    (model,) = read("models.config", "ModelServerConfig").model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("nmt", "/models/nmt", "tensorflow")
    assert model.model_version_policy.latest.num_versions == 1
    assert not model.version_labels


def test_the_example_of_labels_can_be_used(written):
    """The lines that are commented out, in place of the policy above them."""
    lines = (written / "models.config").read_text().splitlines()
    example = [line.replace("#   ", "") for line in lines if "#   " in line]
    policy = next(line for line in lines if "latest {" in line)
    text = "\n".join(lines).replace(policy, "\n".join(example))
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert dict(model.version_labels) == {"stable": 1, "canary": 2}
    assert list(model.model_version_policy.specific.versions) == [1, 2]


def test_metrics_are_where_the_embedded_server_has_them(read):
    prometheus = read("monitoring.config", "MonitoringConfig").prometheus_config
    assert prometheus.enable and prometheus.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("text", ["max_batch_size: 64", "max_batch { value: 64 }", "prometheus_config { enable: 2 }"])
def test_what_tensorflow_serving_would_refuse(text):
    message = build_messages()["MonitoringConfig" if "prometheus" in text else "BatchingParameters"]
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, message())


def test_what_has_been_changed_stays(tmp_path):
    write_configs(tmp_path)
    (tmp_path / "batching.config").write_text("max_batch_size { value: 8 }\n")
    (tmp_path / "models.config").unlink()
    assert write_configs(tmp_path) == [tmp_path / "models.config"]
    assert (tmp_path / "batching.config").read_text() == "max_batch_size { value: 8 }\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(CONFIGS)


def test_the_files_are_no_versions(export, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    write_configs(folder)
    assert whole_versions(folder) == [] and next_version(folder) == folder / "1"
    for version in ("1", "2"):
        shutil.copytree(export / "1", folder / version)
    assert rollback(folder) == (folder / "1", folder / "3")
    assert remove_older(folder, 1) == [folder / "1", folder / "2"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["3", *CONFIGS])


def test_an_export_has_them(export):
    assert sorted(path.name for path in Path(export).iterdir()) == sorted(["1", *CONFIGS])
