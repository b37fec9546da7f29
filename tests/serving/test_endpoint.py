import dataclasses
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models.run import RunConfig
from pipeline.errors import UserError
from serving.endpoint import open_model
from serving.exports.check import read_graph
from serving.graph.translator import Translator


@pytest.fixture(scope="module")
def endpoints(run, export, urls):
    return {
        "run": open_model(str(run)),
        "export": open_model(str(export)),
        "url": open_model(urls[0]),
        "grpc": open_model(urls[1]),
    }


def test_a_run_an_export_and_a_server_translate_alike(endpoints, sentences, hostile):
    texts = [*sentences[:90], *(line.decode(errors="replace") for line in hostile if len(line) < 1_000)]
    expected = endpoints["run"](texts)
    assert len(expected) == len(texts) and len(set(expected)) > 60
    assert endpoints["export"](texts) == expected
    assert endpoints["url"](texts) == expected
    assert endpoints["grpc"](texts) == expected


@pytest.mark.parametrize("kind", ["run", "export", "url", "grpc"])
def test_no_texts(endpoints, kind):
    assert endpoints[kind]([]) == []


@pytest.mark.parametrize("kind", ["run", "export", "url", "grpc"])
def test_a_text_above_the_limit_is_a_users_mistake(endpoints, kind):
    with pytest.raises(
        UserError, match="text: expected at most 20000 pieces, received more; divide the text"
    ) as caught:
        endpoints[kind](["one", "red " * 20_001])
    assert "\n" not in str(caught.value)
    assert endpoints[kind](["one"]) == endpoints["run"](["one"])


def test_the_settings_of_search_are_told(endpoints, run, urls):
    decoding = dataclasses.asdict(RunConfig.read_from(run).recipe.decoding)
    assert endpoints["run"].decoding == endpoints["export"].decoding == decoding
    for kind, url in zip(("url", "grpc"), urls, strict=True):
        assert endpoints[kind].decoding == {"url": url}
        assert endpoints[kind].fingerprint() == f"{url} version 1"


def test_the_beam_of_a_run_can_be_chosen(run, other_run, endpoints):
    for ensemble in ([], [str(other_run)]):
        greedy = open_model(str(run), beam_size=1, ensemble=ensemble)
        assert greedy.decoding == endpoints["run"].decoding | {"beam_size": 1}
    with pytest.raises(UserError, match=r"^--beam-size: expected at least 1, received 0"):
        open_model(str(run), beam_size=0)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"beam_size": 10}, {"temperature": 20.0, "seed": 2}], ids=str)
def test_a_run_an_export_and_a_server_search_and_draw_alike(run, export, url, endpoints, sentences, settings):
    models = {"run": str(run), "export": str(export), "url": url}
    found = {kind: open_model(model, **settings) for kind, model in models.items()}
    for kind, model in found.items():
        assert model.decoding == endpoints[kind].decoding | settings
    expected = found["run"](sentences[:40])
    # A wider beam finds nothing better in so small a language.
    assert (expected == endpoints["run"](sentences[:40])) == (settings == {"beam_size": 10})
    assert found["export"](sentences[:40]) == found["url"](sentences[:40]) == expected
    assert found["export"]([]) == found["url"]([]) == []


def test_the_exported_settings_can_be_named(export, endpoints):
    same = open_model(str(export), beam_size=3, temperature=0.0)
    assert same.decoding == endpoints["export"].decoding
    assert same(["one two"]) == endpoints["export"](["one two"])


def test_the_widest_beam_is_that_of_the_export(export, url):
    with pytest.raises(UserError, match=r"^--beam-size: expected at most 10, as MODEL is an export made for that, rec"):
        open_model(str(export), beam_size=11)
    with pytest.raises(UserError, match=r"answered 400: .*beam_size: expected 1 to 10, or -1 .* received 11") as caught:
        open_model(url, beam_size=11)(["one"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["export", "url"])
def test_an_option_that_the_graph_refuses(kind, export, url):
    told = "temperature: expected 0 or 0.001 to 1000, or -1 for the exported setting, received 5000"
    with pytest.raises(UserError, match=told):
        open_model({"export": str(export), "url": url}[kind], temperature=5000.0)(["one"])


def test_an_export_of_before_knows_no_options(export, tmp_path):
    graph = read_graph(export / "1")
    shutil.copytree(export, tmp_path / "old")
    saved_model = saved_model_pb2.SavedModel(meta_graphs=[graph])
    del saved_model.meta_graphs[0].signature_def["decode"]
    (tmp_path / "old" / "1" / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    with pytest.raises(
        UserError, match=r"^--beam-size: expected none, as MODEL is an export without the signature dec"
    ):
        open_model(str(tmp_path / "old"), beam_size=2)


def test_a_run_can_draw(run, endpoints, sentences):
    drawn = [open_model(str(run), temperature=20.0, seed=seed) for seed in (1, 2)]
    assert drawn[0].decoding == endpoints["run"].decoding | {"temperature": 20.0, "seed": 1}
    first, other = (model(sentences[:8]) for model in drawn)
    assert first == drawn[0](sentences[:8]) != other
    assert drawn[0](sentences[3:4]) == first[3:4]
    with pytest.raises(UserError, match=r"^--temperature: expected at least 0, received -1"):
        open_model(str(run), temperature=-1.0)


def test_a_run_takes_others_along(run, other_run, endpoints, sentences):
    together = open_model(str(run), ensemble=[str(other_run)])
    assert together.decoding == endpoints["run"].decoding
    short = min(sentences, key=len)
    translator = Translator.from_run(run, [other_run])
    assert together([short]) == [translator.translate(tf.constant([short]))["translation"].numpy()[0].decode()]


def test_an_export_and_a_server_take_no_others_along(export, url, other_run):
    for model, named in ((str(export), "an export"), (url, "the URL of a served model")):
        told = rf"expected none, as MODEL is {named}, received {other_run}; give a run, or export one with --ensemble"
        with pytest.raises(UserError, match=rf"^--ensemble: {told}$"):
            open_model(model, ensemble=[str(other_run)])


def test_no_model(tmp_path, export, small_export):
    for folder in (tmp_path / "nothing-here", tmp_path):
        with pytest.raises(UserError, match=rf"received '{folder}'"):
            open_model(str(folder))
    with pytest.raises(UserError, match=rf"a version's own folder: give its parent, '{export}'"):
        open_model(str(export / "1"))
    with pytest.raises(UserError, match=r"^EXPORT: expected a version made by `nmt export`, received .*export\.json"):
        open_model(str(small_export))


@pytest.mark.parametrize("bad", ["http://127.0.0.1:8501", "https://127.0.0.1/v1"])
def test_a_url_of_no_model(bad):
    with pytest.raises(UserError, match=rf"received '{bad}'"):
        open_model(bad)


def test_a_url_needs_no_tensorflow(url, endpoints):
    code = (
        "import sys; from serving.endpoint import open_model\n"
        "print(open_model(sys.argv[1])(['one two']))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    translation, modules = done.stdout.splitlines()
    assert translation == str(endpoints["run"](["one two"]))
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert "httpx" in loaded
    assert not {"tensorflow", "tensorflow_text", "keras", "numpy", "apache_beam"} & loaded
