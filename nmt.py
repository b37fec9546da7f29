"""The command `nmt`: parallel text in, a translation service out; one verb a stage.

Each verb is a function, from which its command line is derived; it imports what it needs when it is called.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import itertools
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from json import dumps
from typing import Literal

from models.config import Recipe
from nmt_arguments import bind, nearest, summary
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.lines import split_lines
from serving.embedded.config import ServerConfig
from serving.exports.release_config import ReleaseConfig

# Four requests to a server, which are in flight together.
LINES_AT_ONCE = 256


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Silences Beam, which on its import warns of cloud libraries that are not installed and not needed."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def preprocess(
    settings: PreprocessConfig, /, *beam_flags: str, dry_run: bool = False, limit: int | None = None
) -> None:
    """Cleans parallel text, learns subwords and writes a data set.

    Beam's own flags follow `--`: `-- --runner=FlinkRunner --flink_master=host:8081`.

    Args:
        dry_run: Tell what the rules reject of some pairs, with examples, and write nothing.
        limit: How many pairs these are, as many of each file; 10,000 if it is not given.
    """
    if limit is not None and not dry_run:
        raise UserError(
            f"--limit: expected --dry-run beside it, received {limit} alone; give --dry-run, or leave it out"
        )
    with _without_warnings():
        from pipeline.job.dry_run import dry_run as try_out
        from pipeline.preprocess import preprocess
        from pipeline.report.page import REPORT_FILE
        from pipeline.report.tables import examples, notes, outcome, show, summary

    if dry_run:
        tried = try_out(settings, 10_000 if limit is None else limit, beam_flags)
        outcomes = outcome(tried.read, tried.kept, tried.rejected)
        show([outcomes, *notes(tried.copies), *examples(tried.examples)])
        return
    show(summary(preprocess(settings, beam_flags)))
    print(f"\n{os.path.join(settings.output, REPORT_FILE)} tells more.")


def fetch(data: str, /, *beam_flags: str, output: str) -> None:
    """Copies a data set from an object store to this machine, and compares its files with the manifest.

    Beam's own flags follow `--`: `-- --s3_endpoint_url=http://host:9000`.

    Args:
        data: Folder of a data set in a store, such as `s3://bucket/data`.
        output: Folder to make; it must not exist yet, or be empty.
    """
    with _without_warnings():
        from pipeline.fetch import fetch

        files = fetch(data, output, beam_flags)
    print(f"{output}: {files} files")


def train(
    recipe: str,
    settings: Recipe,
    /,
    *,
    data: str,
    output: str,
    resume: bool = False,
    overwrite: bool = False,
    reverse: bool = False,
) -> None:
    """Trains a model as a recipe says; `--section.key value` overrides one of its settings.

    Args:
        recipe: A YAML file, or the name of a shipped recipe.
        data: Folder of the data set, made by `nmt preprocess`.
        output: Folder of the run to be made.
        resume: Go on with the run that lies in the output folder.
        overwrite: Begin anew in place of the run that lies in the output folder.
        reverse: Translate from the data set's target language to its source language.
    """
    from models.training.train import train

    train(settings, data, output, resume, overwrite, reverse)


def evaluate(
    model: str,
    /,
    *,
    source: str,
    target: str,
    ensemble: tuple[str, ...] = (),
    beam_size: int | None = None,
    json: bool = False,
) -> None:
    """Translates a source file and compares with a target file: BLEU and chrF by sacreBLEU.

    Args:
        model: Folder of a run or of an export, or the URL of a served model.
        source: File of sentences to translate, one a line.
        target: File of reference translations, line for line.
        ensemble: Folders of other runs with the same subwords, which translate together with a run.
        beam_size: Hypotheses kept in the search, 1 for greedy search; by default the model's own setting.
        json: Print one JSON object.
    """
    from serving.evaluate import evaluate

    result = evaluate(model, source, target, beam_size, ensemble)
    if json:
        print(dumps(dataclasses.asdict(result), indent=2))
        return
    print(f"BLEU {result.bleu:.2f}  {result.bleu_signature}")
    print(f"chrF {result.chrf:.2f}  {result.chrf_signature}")
    print("decoding: " + ", ".join(f"{name} {value}" for name, value in result.decoding.items()))
    print(f"{result.sentences} sentences in {result.seconds:.1f} s")


def export(run: str, settings: ReleaseConfig, /, *, output: str) -> None:
    """Writes a run's best model as the next version of a SavedModel, from text to text.

    What is checked or compared is so before the version's folder appears: if it fails, there is none.

    Args:
        run: Folder of a run, made by `nmt train`.
        output: Folder of the export; the version's folder is made in it.
    """
    from serving.exports.release import release

    print(release(run, output, settings))


def rollback(export: str, /) -> None:
    """Makes the version before the newest one of an export the newest, by a copy under the next number.

    Args:
        export: Folder of an export, made by `nmt export`.
    """
    from serving.exports.export_folder import rollback

    before, new = rollback(export)
    print(f"{new}: a copy of {before}")


def translate(
    model: str,
    /,
    *,
    ensemble: tuple[str, ...] = (),
    beam_size: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    input: str | None = None,
    output: str | None = None,
    overwrite: bool = False,
) -> None:
    r"""Translates lines from stdin to as many lines on stdout, in order.

    A line ends with \n alone or \r\n; every other separator is text. Invalid UTF-8 is replaced by U+FFFD.
    With --input and --output, from a file to another, which is there once it is whole: a job that was killed goes on
    where it was, by OUTPUT.partial and OUTPUT.partial.json, when it is started again. To a served model the
    environment's NMT_API_KEY is sent as a bearer token.

    Args:
        model: Folder of a run or of an export, or the URL of a served model.
        ensemble: Folders of other runs with the same subwords, which translate together with a run.
        beam_size: Hypotheses kept in the search, 1 for greedy search; by default the model's own setting.
        temperature: Above 0, draws a translation instead of searching the best; below 1, likely tokens more often.
        seed: Decides what is drawn.
        input: File to translate, plain or gzip, instead of stdin.
        output: File to write, instead of stdout.
        overwrite: Begin anew in place of the output, whole or partial, that there is.
    """
    from tqdm import tqdm

    from serving.endpoint import open_model
    from serving.translate_file import to_line, translate_file

    if (input is None) != (output is None) or (overwrite and output is None):
        raise UserError("--input, --output: expected both or, without --overwrite, none; give the missing one")
    translator = open_model(model, beam_size, temperature, seed, ensemble)
    if input is not None and output is not None:
        translate_file(translator, input, output, overwrite)
        return
    lines = (line.decode(errors="replace") for line in split_lines(sys.stdin.buffer))
    lines_at_once = 1 if sys.stdin.isatty() else LINES_AT_ONCE
    with tqdm(unit=" lines", disable=None) as progress:
        while batch := list(itertools.islice(lines, lines_at_once)):
            for translation in translator(batch):
                sys.stdout.buffer.write(to_line(translation))
            sys.stdout.buffer.flush()
            progress.update(len(batch))


def average(run: str, /, *, output: str, by: Literal["last", "best"] = "last", count: int | None = None) -> None:
    """Makes a run whose weights are the mean of those of some epochs of another, which `training.keep` has kept.

    Args:
        run: Folder of a run, made by `nmt train`.
        output: Folder of the run to be made.
        by: Which epochs, the last ones or the best.
        count: How many; by default as many as the run's `training.keep`.
    """
    from models.training.averaging import average

    print(f"{output}: mean of epochs {', '.join(map(str, average(run, output, by, count)))}")


def inspect(
    folder: str,
    /,
    *,
    text: str | None = None,
    output: str = "inspection.html",
    samples: int = 5,
    split: Literal["train", "valid"] = "train",
    seed: int = 1,
    verify: bool = False,
) -> None:
    """Shows what is in a data set, or, on a page, what a model does over a sentence.

    Of a data set prints what became of the pairs, splits, subwords and settings as tables, and some pairs with their
    pieces. Of a run, with --text, shows single cells, gate openings and attention.

    Args:
        folder: Folder of a data set, made by `nmt preprocess`, or of a run, made by `nmt train`.
        text: The sentence, for a run.
        output: The page for a run, an HTML file that needs no other.
        samples: How many pairs of a data set are drawn.
        split: From which of its splits.
        seed: Decides which.
        verify: Read a data set's files and compare them with the hashes in its manifest.
    """
    from pipeline.report.inspection import inspect, is_data_set

    if not is_data_set(folder):
        if text is None:
            raise UserError(
                f"FOLDER: expected a data set, or a run and --text, received {folder!r}, which is no data set; for a"
                " run give --text"
            )
        from serving.inspection import inspect as inspect_run

        print(inspect_run(folder, text, output))
        return
    if text is not None:
        raise UserError(f"--text: expected a run, received the data set {folder!r}; leave out --text, or name a run")
    inspect(folder, split, samples, seed, verify)


def serve(
    settings: ServerConfig,
    export: str | None = None,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    grpc_port: int | None = None,
    no_grpc: bool = False,
    model_name: str = "nmt",
    models_config: str | None = None,
) -> None:
    """Serves the newest version of an export, with TensorFlow Serving's REST and gRPC interfaces.

    gRPC needs the extra `grpc`; without it, REST alone is served, and the log says so. Prints the model's URLs when it
    is ready; the page at `/` of the server translates as one types. A newer version that appears in the folder takes
    the place of the one before, without a request being lost.

    Args:
        export: Folder of an export, made by `nmt export`.
        host: Address to listen on.
        port: Port to listen on for REST; 0 takes a free one.
        grpc_port: Port to listen on for gRPC; 0 takes a free one. By default the one before --port, which is 8500
            beside 8501, and a free one beside a free one.
        no_grpc: Serve REST alone.
        model_name: Name of the model in the URL `/v1/models/NAME:predict`.
        models_config: YAML file of several models instead of EXPORT: a list `models` of `name`, `path` and perhaps
            `labels`, which map labels to versions that are served beside the newest one.
    """
    if (export is None) == (models_config is None):
        received = "neither" if export is None else "both"
        raise UserError(f"EXPORT, --models-config: expected one of them, received {received}; give one")
    if no_grpc and grpc_port is not None:
        raise UserError("--grpc-port, --no-grpc: expected at most one of them, received both; leave out one")
    from serving.embedded.models_config import ModelSource, read_models_config
    from serving.embedded.server import default_grpc_port, serve_models

    if grpc_port is None and not no_grpc:
        grpc_port = default_grpc_port(port)
    sources = read_models_config(models_config) if models_config else [ModelSource(model_name, str(export))]
    serve_models(sources, host, port, settings, grpc_port)


def demo(*, output: str = "demo-output") -> None:
    """Runs the whole way on a small synthetic corpus: preprocess, train, evaluate, export, serve, translate.

    Args:
        output: Folder for all that is made.
    """
    from demo.job import run_demo

    run_demo(output)


VERBS = {
    verb.__name__: verb
    for verb in (preprocess, fetch, train, average, evaluate, inspect, export, rollback, translate, serve, demo)
}


def _verb(argv: Sequence[str]) -> str:
    """The verb that `argv` starts with; without one, prints what was asked for, and exits."""
    if argv and argv[0] in VERBS:
        return argv[0]
    if argv and not argv[0].startswith("-"):
        raise UserError(f"unknown verb {argv[0]}, the nearest known one is {nearest(argv[0], VERBS)}; see `nmt --help`")
    parser = argparse.ArgumentParser(prog="nmt", description=summary(sys.modules[__name__]), allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"nmt {importlib.metadata.version('keras-nmt')}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, prog="nmt")
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=summary(verb))
    raise SystemExit(parser.parse_args(argv))


def run(argv: Sequence[str]) -> None:
    """Runs one verb; `argv` is the words after `nmt`.

    Raises:
        UserError: The words are wrong, or what they name is.
    """
    verb = _verb(argv)
    bind(VERBS[verb], f"nmt {verb}", argv[1:])()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and turns a user's mistake into one line.

    Args:
        argv: The words after `nmt`; by default those of the process.

    Returns:
        The exit status: 0, or 2 for a mistake of the user or a failure of a file, 130 for an interrupt, 141 for a
        reader that went away.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv[1:] if argv is None else argv
    try:
        run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    # A folder that may not be written, a full disk: told by the system in its own words.
    except (UserError, OSError) as error:
        print("nmt: error:", " ".join(str(error).splitlines()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
