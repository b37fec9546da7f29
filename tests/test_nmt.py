"""The command line: what it tells, accepts and refuses."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

import nmt
import nmt_arguments
from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from pipeline.config import PreprocessConfig

RECIPES = Path(nmt_arguments.__file__).with_name("recipes")
FOLDERS = ["--data", "DATA", "--output", "RUN"]


def recipe_of(*argv: str) -> Recipe:
    """The settings that `nmt train` would train with."""
    _, settings = nmt_arguments.bind(nmt.train, "nmt train", argv).args
    return settings


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line with which `nmt` refuses a command line."""
    assert nmt.main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("nmt: error: ")
    assert printed.err.count("\n") == 1 and printed.err.endswith("\n")
    return printed.err.removeprefix("nmt: error: ").rstrip("\n")


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["train", "--help"], ["translate", "--modle"]])
def test_answers_without_a_heavy_import(argv: list[str]) -> None:
    code = "import sys, nmt\ntry: nmt.main(sys.argv[1:])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *argv], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "jsonargparse" in loaded
    assert not loaded & {"tensorflow", "keras", "jax", "apache_beam", "numpy", "httpx", "starlette", "uvicorn", "tqdm"}


def test_help_lists_the_verbs_with_their_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        nmt.main(["--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for verb in (
        "preprocess",
        "fetch",
        "train",
        "average",
        "evaluate",
        "export",
        "rollback",
        "translate",
        "serve",
        "demo",
    ):
        assert f" {verb} " in printed
    assert "Translates lines from stdin to as many lines on stdout, in order." in printed


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("preprocess", ["--source SOURCE [SOURCE ...]", "--valid-target", "--vocab-size", "default: 8000", "[-- BEAM"]),
        ("fetch", ["DATA", "--output OUTPUT", "[-- BEAM"]),
        ("train", ["RECIPE", "--data DATA", "--resume", "--training.epochs EPOCHS", "{simple,relu,lstm,"]),
        ("train", ["Highest global norm of the gradient (Pascanu 2013); 0 clips none. (type: float, default: 1.0)"]),
        ("average", ["RUN", "--output OUTPUT", "--by {last,best}", "default: last", "--count COUNT"]),
        ("evaluate", ["MODEL", "--source SOURCE", "--target TARGET", "--beam-size BEAM_SIZE", "--json"]),
        ("evaluate", ["--ensemble ENSEMBLE [ENSEMBLE ...]"]),
        ("export", ["RUN", "--output OUTPUT", "--ensemble ENSEMBLE [ENSEMBLE ...]"]),
        (
            "export",
            ["--keep KEEP", "--check ", "--check-source", "--compare-target", "--margin MARGIN", "default: 1.0"],
        ),
        ("export", ["--weights {float32,bfloat16,int8}", "default: float32"]),
        ("rollback", ["EXPORT"]),
        ("translate", ["--input INPUT", "--output OUTPUT", "--overwrite", "OUTPUT.partial", "NMT_API_KEY"]),
        ("translate", ["MODEL", "--beam-size BEAM_SIZE", "--seed SEED", r"A line ends with \n alone or \r\n"]),
        ("serve", ["--poll-interval", "--batching.max_batch_size MAX_BATCH_SIZE", "(type: int, default: 64)"]),
        ("serve", ["--cors-origin CORS_ORIGIN [CORS_ORIGIN ...]", "--log-text", "--api-key-file", "--tls-certificate"]),
        ("serve", ["EXPORT", "--host", "127.0.0.1", "--port", "8501", "--grpc-port", "--no-grpc", "default: nmt"]),
        ("demo", ["--output OUTPUT"]),
    ],
)
def test_help_of_a_verb_tells_its_arguments(verb: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        nmt.main([verb, "--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in expected:
        assert words in printed


@pytest.mark.parametrize("verb", nmt.VERBS)
def test_every_argument_is_described(verb: str) -> None:
    parser = nmt_arguments._parser(nmt.VERBS[verb], verb)
    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "unknown verb trian, the nearest known one is train; see `nmt --help`"),
        (["export", "RUN"], "the following arguments are required: output; see `nmt export --help`"),
        (
            ["export", "RUN", "--output", "x", "--weights", "int4"],
            "--weights: expected one of ['float32', 'bfloat16', 'int8'], received 'int4'; see `nmt export --help`",
        ),
        (
            ["export", "RUN", "--output", "x", "--signatures", "nbest", "rank"],
            "--signatures: expected one of ['serving_default', 'nbest', 'score', 'prefix', 'decode', 'align'], rec",
        ),
        (["export", "RUN", "--output", "x", "--keep", "0"], "--keep: expected at least 1, received 0; keep one"),
        (["serve", "a", "b"], "unrecognized arguments: b; see `nmt serve --help`"),
        (
            ["serve", "a", "--prot", "1"],
            "unknown option --prot, the nearest known one is --port; see `nmt serve --help`",
        ),
        (["serve", "a", "--port", "x"], "--port: expected int, received 'x'; see `nmt serve --help`"),
        (
            ["serve", "a", "--poll-interval", "-1"],
            "poll_interval: expected 0 to 86400, received -1.0; choose one within",
        ),
        (["serve", "a", "--tls-key", "k"], "expected both or none, received the key alone; give the certificate too"),
        (
            ["serve", "a", "--grpc-port", "1", "--no-grpc"],
            "--grpc-port, --no-grpc: expected at most one of them, received",
        ),
        (["translate", "a", "--beam_size=2"], "unknown option --beam_size, the nearest known one is --beam-size"),
        (["translate", "a", "--beam-size", "two"], "--beam-size: expected int, received 'two'"),
        (["translate", "a", "--input", "b"], "--input, --output: expected both or, without --overwrite, none"),
        (["translate", "a", "--output", "b"], "--input, --output: expected both or, without --overwrite, none"),
        (["translate", "a", "--overwrite"], "--input, --output: expected both or, without --overwrite, none"),
        (["train", "plain", *FOLDERS, "--training.epoch", "3"], "the nearest known one is --training.epochs"),
        (["train", "plain", *FOLDERS, "--trainin.epochs=3"], "the nearest known one is --training.epochs"),
        (["train", "plain", *FOLDERS, "--resum"], "unknown option --resum, the nearest known one is --resume"),
        (
            ["train", "plain", *FOLDERS, "--model.cell", "rnn"],
            "--model.cell: expected one of ['simple', 'relu', 'lstm', 'lstm-without-forget-gate', 'gru',",
        ),
        (["train", "plain", *FOLDERS, "--training.epochs", "0"], "training.epochs: expected at least 1, received 0"),
        (["train", "attenshun", *FOLDERS], "sutskever2014, sutskever2014-small, received 'attenshun'"),
        (["train", "attenshun", *FOLDERS], "the nearest known one is attention"),
        (["preprocess", "--source", "a", "b", "--target", "c", "--output", "d"], "expected as many files"),
    ],
)
def test_a_mistake_is_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(capsys, *argv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training:\n  epoch: 3\n", "unknown option --training.epoch, the nearest known one is --training.epochs"),
        ("trainig:\n  epochs: 3\n", "unknown option --trainig.epochs, the nearest known one is --training.epochs"),
        ("training:\n  epochs: many\n", "--training.epochs: expected int, received 'many'"),
        ("training:\n  epochs: 1.5\n", "--training.epochs: expected int, received '1.5'"),
        ("training:\n  epochs:\n", "--training.epochs: expected int"),
        ("training:\n  epochs: [1, 2]\n", "--training.epochs: expected int"),
        ("training:\n  epochs: 2026-01-01\n", "--training.epochs: expected int"),
        ("training: 3\n", "expected sections of settings"),
        ("- training\n", "expected sections of settings"),
        ("data: elsewhere\n", "expected sections of settings"),
        ("training: {epochs: 3\n", "expected YAML"),
        ("training:\n  epochs: 3\n  epochs: 4\n", "expected YAML, received the key 'epochs' stands twice in "),
    ],
)
def test_a_mistake_in_a_recipe_names_the_recipe(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    line = refusal(capsys, "train", str(path), *FOLDERS)
    assert line.startswith(f"{path}: ")
    assert message in line


def test_a_recipe_sets_and_an_option_wins_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("training:\n  learning_rate: 5e-4\n  epochs: 7\nmodel:\n  tie_embeddings: two-way\n  cell: gru\n")
    before = recipe_of("--training.epochs", "2", str(path), *FOLDERS)
    after = recipe_of(str(path), *FOLDERS, "--training.epochs=2")
    assert before == after
    assert after == Recipe(
        model=ModelConfig(cell="gru", tie_embeddings="two-way"), training=TrainingConfig(learning_rate=5e-4, epochs=2)
    )


def test_an_option_is_judged_together_with_the_recipe() -> None:
    assert recipe_of("plain", *FOLDERS, "--model.summary_at_every_step", "true").model.summary_at_every_step


def test_an_empty_recipe_is_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert recipe_of(str(path), *FOLDERS) == Recipe()


def test_shipped_recipes_differ_in_what_their_names_say() -> None:
    common = {"cell": "lstm", "encoder_units": 512, "decoder_units": 512, "embedding_size": 256, "dropout": 0.3}
    common |= {"tie_embeddings": "three-way"}
    parts = {
        "plain": {"encoder": "unidirectional", "attention": "none"},
        "bidirectional": {"encoder": "bidirectional", "attention": "none"},
        "attention": {"encoder": "bidirectional", "attention": "additive"},
    }
    for name, own in parts.items():
        recipe = recipe_of(name, *FOLDERS)
        assert recipe.model == ModelConfig(**common, **own)
        assert recipe.batching == BatchingConfig(unit="sentences", size=64)
        assert recipe.decoding == DecodingConfig(beam_size=5, length_penalty=1.3, shortlist=2000)


def test_shipped_recipes_go_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {path.stem for path in RECIPES.glob("*.yaml")}
    assert names >= {"plain", "bidirectional", "attention", "demo"}
    papers = {"sutskever2014", "cho2014", "bahdanau2015", "luong2015", "gnmt", "rnmt-plus"}
    assert names >= papers | {f"{name}-small" for name in papers}
    for name in names:
        assert recipe_of(name, *FOLDERS) == recipe_of(f"recipes/{name}.yaml", *FOLDERS)
        assert (RECIPES / f"{name}.yaml").read_text().startswith("# ")


def test_a_file_of_ones_own_wins_over_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text("training:\n  epochs: 4\n")
    assert recipe_of("plain", *FOLDERS) == Recipe(training=TrainingConfig(epochs=4))


def test_preprocess_takes_its_settings_and_leaves_what_follows_the_dashes_to_beam() -> None:
    own = ["--source", "a", "b", "--target", "c", "d", "--output", "e", "--joint-vocabulary", "false"]
    bound = nmt_arguments.bind(nmt.preprocess, "nmt preprocess", [*own, "--", "--runner=X", "--source", "y"])
    settings = PreprocessConfig("e", ("a", "b"), ("c", "d"), joint_vocabulary=False)
    assert bound.args == (settings, "--runner=X", "--source", "y")


def test_what_stands_in_several_places_is_joined() -> None:
    own = ["--source", "a", "--target=c", "--output", "e", "--source=b", "--target", "d", "--exclude=-x"]
    bound = nmt_arguments.bind(nmt.preprocess, "nmt preprocess", [*own, "--", "--x=1", "--x=2"])
    assert bound.args == (PreprocessConfig("e", ("a", "b"), ("c", "d"), exclude=("-x",)), "--x=1", "--x=2")
    files = ["--source", "s", "--target", "t"]
    bound = nmt_arguments.bind(nmt.evaluate, "nmt evaluate", ["--ensemble=a", "RUN", *files, "--ensemble", "b", "c"])
    assert (bound.args, bound.keywords["ensemble"]) == (("RUN",), ("a", "b", "c"))


@pytest.mark.parametrize("verb", nmt.VERBS)
def test_each_option_of_one_value_stands_once(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    actions = nmt_arguments._parser(nmt.VERBS[verb], verb)._actions
    single = [action for action in actions if action.option_strings and action.nargs != "+" and action.dest != "help"]
    # It has no option.
    assert single or verb == "rollback"
    for option in (action.option_strings[0] for action in single):
        line = refusal(capsys, verb, option, "1", f"{option}=2")
        assert line == f"{option}: expected once, received 2 times; leave all out but one"


def test_sections_of_a_dataclass_become_options() -> None:
    @dataclasses.dataclass(frozen=True)
    class Paint:
        """How it looks."""

        colour: Literal["red", "blue"] = "red"
        coats: int = 1

    @dataclasses.dataclass(frozen=True)
    class House:
        """A house."""

        paint: Paint

    def build(
        name: str,
        house: House,
        /,
        *,
        old_style: bool = False,
        floors: int | None = None,
        doors: tuple[int, ...] = (1, 2),
    ) -> None:
        """Builds."""

    bound = nmt_arguments.bind(build, "build", ["x", "--old-style", "--paint.coats=3"])
    assert bound.args == ("x", House(Paint(coats=3)))
    assert bound.keywords == {"old_style": True, "floors": None, "doors": (1, 2)}
    bound = nmt_arguments.bind(build, "build", ["x", "--floors", "2", "--doors", "3"])
    assert bound.keywords == {"old_style": False, "floors": 2, "doors": (3,)}
