"""The import rule: who may know whom, and what stays light."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BEAM_MODULES = {
    *(f"pipeline.corpora.{name}" for name in ("filesystems", "s3_session")),
    *(f"pipeline.job.{name}" for name in ("near_duplicates", "graph", "counters", "storage", "credentials")),
    *(f"pipeline.job.{name}" for name in ("runners", "local_workers", "beam_worker")),
}
# They read corpora or the job's own files wherever Beam can, are steps of `counters.CountingDoFn`, or the job.
USE_BEAM = {
    "pipeline.preprocess",
    "pipeline.fetch",
    *(f"pipeline.corpora.{name}" for name in ("inputs", "readers", "intake", "newlines", "slip")),
    *(f"pipeline.corpora.{name}" for name in ("aligned_lines", "field_lines", "parquet", "sentence_lines", "tmx")),
    *(
        f"pipeline.job.{name}"
        for name in (
            "clean_unit",
            "deciding",
            "transforms",
            "encode_shard",
            "dry_run",
            "text_shards",
            "work_folder",
            "store_lock",
        )
    ),
}
# On JAX too, TensorFlow reads the data of a training.
READ_DATA = {"models.training.train", "models.training.validation", "models.training.failures"}
# Without the extra, REST is served and asked.
GRPC_MODULES = {"calls", "predict", "server", "services", "session"}
HEAVY = {
    *("tensorflow", "tensorflow_text", "keras", "jax", "apache_beam", "numpy", "sentencepiece", "sacrebleu"),
    *("matplotlib", "jinja2", "rich"),
}
MAY_KNOW = {
    "pipeline": {"pipeline"},
    "models": {"models", "pipeline"},
    "serving": {"serving", "models", "pipeline"},
    "demo": {"demo", "serving", "models", "pipeline", "nmt", "recipes"},
    "recipes": {"recipes"},
}


def modules(package: str) -> list[str]:
    """Every module of a package but `__init__`, by its full name."""
    found = [name_of(path) for path in sorted((ROOT / package).rglob("*.py")) if path.stem != "__init__"]
    assert found
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def loaded_by(names: list[str], backend: str = "tensorflow") -> set[str]:
    """The modules that a fresh process holds after it has imported `names`."""
    return loaded_in_turn([names], backend)[0]


def loaded_in_turn(stages: list[list[str]], backend: str = "tensorflow") -> list[set[str]]:
    """The modules that one fresh process holds after it has imported the names of each stage."""
    code = (
        f"import importlib, sys\nfor names in {stages!r}:\n    for name in names: importlib.import_module(name)\n"
        "    print(*sys.modules)"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = [set(line.split()) for line in done.stdout.splitlines()]
    assert all(modules.issuperset(names) for modules, names in zip(loaded, stages, strict=True))
    return loaded


def packages(loaded: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded}


def written_imports(path: Path) -> set[str]:
    """The packages that a file's import statements name, wherever in the file they stand."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(str(node.module))
    return packages(names)


@pytest.mark.parametrize("package", MAY_KNOW)
def test_a_package_names_only_packages_below_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        own = written_imports(path) & {*MAY_KNOW, "nmt", "nmt_arguments"}
        assert own <= MAY_KNOW[package], path


def test_beam_is_named_by_few_modules_alone() -> None:
    paths = [*ROOT.glob("*.py"), *(path for folder in MAY_KNOW for path in (ROOT / folder).rglob("*.py"))]
    names = {name_of(path): written_imports(path) for path in paths}
    assert {name for name, imported in names.items() if "apache_beam" in imported} == BEAM_MODULES


def test_what_the_extra_grpc_brings_is_named_by_few_modules_alone() -> None:
    extra = {"tensorflow_serving", "grpc"}
    named = {path.stem for path in (ROOT / "serving").rglob("*.py") if written_imports(path) & extra}
    assert named == {*(f"grpc_{name}" for name in GRPC_MODULES), "reload_request", "warmup"}
    for path in (ROOT / folder for folder in MAY_KNOW if folder != "serving"):
        assert not any(written_imports(file) & extra for file in path.rglob("*.py"))


@pytest.mark.parametrize(
    "name", ["pipeline.errors", "pipeline.files", "pipeline.schema", "pipeline.config", "pipeline.protected"]
)
def test_what_the_stages_agree_on_needs_the_standard_library_alone(name: str) -> None:
    assert packages(loaded_by([name])) - packages(loaded_by(["json"])) <= sys.stdlib_module_names | {"pipeline"}


def test_settings_of_a_model_cost_no_heavy_import() -> None:
    assert not packages(loaded_by(["models.config"])) & HEAVY


def test_the_command_costs_no_heavy_import() -> None:
    assert not packages(loaded_by(["nmt"])) & (HEAVY | {"httpx", "starlette", "uvicorn", "tqdm", "babel"})


def test_client_needs_no_framework() -> None:
    assert not packages(loaded_by(["serving.client"])) & {"tensorflow", "keras", "jax", "apache_beam", "numpy"}


@pytest.mark.slow
def test_models_on_jax_load_no_tensorflow() -> None:
    names = [name for name in modules("models") if name not in READ_DATA]
    loaded = packages(loaded_by(names, backend="jax"))
    assert "jax" in loaded
    assert not loaded & {"tensorflow", "tensorflow_text", "apache_beam", "serving"}


@pytest.mark.slow
def test_training_loads_neither_beam_nor_serving_and_serving_no_beam() -> None:
    training, serving = loaded_in_turn([modules("models"), modules("serving")])
    assert not packages(training) & {"apache_beam", "serving"}
    assert "apache_beam" not in packages(serving)


@pytest.mark.slow
def test_reading_and_tokenizing_load_no_beam_and_pipeline_neither_models_nor_serving() -> None:
    names = [name for name in modules("pipeline") if name not in BEAM_MODULES | USE_BEAM]
    assert {"pipeline.reading.dataset", "pipeline.tokenizer"} <= set(names)
    reading, pipeline = loaded_in_turn([names, modules("pipeline")])
    assert "apache_beam" not in packages(reading)
    assert not packages(pipeline) & {"models", "serving"}
