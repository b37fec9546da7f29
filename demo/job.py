"""The main job in little: a synthetic corpus, all stages on it, and what came out."""

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from tqdm import tqdm

import nmt
from demo.analysis import Row, by_length, by_phenomenon, score, table
from demo.baselines import learn_word_table, nearest_translations, translate_by_words
from demo.corpus import Corpus, read_phenomena, write_corpus
from pipeline.errors import UserError
from pipeline.lines import read_lines
from serving.client import Client

SHOWN, AT_ONCE = 3, 64


def run_demo(output: str, pairs: int = 20_000, overrides: Sequence[str] = ()) -> None:
    """Makes the synthetic corpus and takes it the whole way, saying at each step what is done and what came out.

    Args:
        output: Folder for all that is made; it must not exist yet, or be empty.
        pairs: Distinct clean training pairs.
        overrides: Options of `nmt train` after those of the recipe.

    Raises:
        UserError: `output` holds something, or a stage refused its work.
    """
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"--output: expected a new or empty folder, received {output!r}; remove it or choose another one"
        )
    corpus, data, run, export = (str(folder / name) for name in ("corpus", "data", "run", "export"))

    _heading("1. A synthetic corpus, English to German, from a grammar")
    written = write_corpus(corpus, pairs=pairs)
    _describe(written)

    _heading("2. Cleaning, subwords, tokenization")
    _nmt("preprocess", *_preprocess_options(written.folder), "--output", data)
    print(f"\nPut into the corpus on purpose: {', '.join(f'{n} {kind}' for kind, n in written.dirt.items())}.")

    _heading("3. Training")
    _nmt("train", "demo", "--data", data, "--output", run, *overrides)

    _heading("4. Evaluation on held-out pairs")
    test = [str(written.folder / f"test.{language}") for language in ("en", "de")]
    _nmt("evaluate", run, "--source", test[0], "--target", test[1])

    _heading("5. Export")
    _nmt("export", run, "--output", export)

    _heading("6. Service")
    _serve(written.folder, export)

    _heading("7. Where everything lies")
    _close(corpus, data, run, export)


def _heading(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def _nmt(*words: str) -> None:
    """Shows a command line of `nmt` and runs it."""
    print(f"$ nmt {shlex.join(words)}", flush=True)
    nmt.run(words)


def _describe(corpus: Corpus) -> None:
    english, german = corpus.words
    print(
        f"{corpus.train:,} clean training pairs, {corpus.valid:,} for validation, {corpus.test:,} for testing;"
        f" {english:.1f} English and {german:.1f} German words a sentence."
    )
    print("Every validation and test pair joins a verb and a noun that training never shows together.")
    for source, target in zip(*(_texts(corpus.folder / f"test.{side}")[:SHOWN] for side in ("en", "de")), strict=True):
        print(f"  {source}\n    {target}")


def _preprocess_options(corpus: Path) -> Iterator[str]:
    for option, part in (("source", "train.en"), ("target", "train.de")):
        yield from (f"--{option}", str(corpus / part))
    for option, part in (("valid-source", "valid.en"), ("valid-target", "valid.de")):
        yield from (f"--{option}", str(corpus / part))
    yield from ("--exclude", str(corpus / "test.en"), str(corpus / "test.de"))
    yield from ("--vocab-size", "2000", "--character-coverage", "1.0")


def _texts(path: Path) -> list[str]:
    return [line.decode() for line in read_lines(str(path))]


def _serve(corpus: Path, export: str) -> None:
    """Serves the export, asks it over REST, and takes its translations of the test set apart."""
    from serving.embedded.server import running

    sources, references = _texts(corpus / "test.en"), _texts(corpus / "test.de")
    with running(export) as url:
        body = json.dumps({"instances": sources[:SHOWN]})
        port = httpx.URL(url).port
        print(f"$ nmt serve {export} --port {port}\n$ curl --data {shlex.quote(body)} {url}:predict")
        print(httpx.post(f"{url}:predict", content=body).raise_for_status().text)
        with Client(url) as client:
            chunks = tqdm(range(0, len(sources), AT_ONCE), desc="translate the test set", unit="request")
            hypotheses = [text for first in chunks for text in client.translate(sources[first : first + AT_ONCE])]
    print("\nThe test set, translated by the service:\n")
    print(table("length in words", by_length(sources, references, hypotheses)), end="\n\n")
    print(table("phenomenon", by_phenomenon(read_phenomena(corpus), references, hypotheses)), end="\n\n")
    print(table("beside baselines", _baselines(corpus, sources, references, hypotheses)))
    print("\nThe corpus is synthetic: its BLEU compares with nothing else.")


def _baselines(corpus: Path, sources: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]) -> list[Row]:
    """The model, and two ways to translate without one, which show that the test set is no lookup."""
    pairs = zip(_texts(corpus / "train.en"), _texts(corpus / "train.de"), strict=True)
    leaked = {*sources}
    train_sources, train_targets = zip(*(pair for pair in pairs if all(pair) and pair[0] not in leaked), strict=True)
    words = translate_by_words(learn_word_table(train_sources, train_targets), sources)
    nearest = nearest_translations(train_sources, train_targets, sources)
    return [
        score("model", references, hypotheses),
        score("word table", references, words),
        score("nearest sentence", references, nearest),
    ]


def _close(corpus: str, data: str, run: str, export: str) -> None:
    print(
        f"""{corpus:<24} the synthetic sentences
{data:<24} records, subwords, manifest.json
{run:<24} report.html, best.keras, TensorBoard's logs (tensorboard --logdir {run})
{export:<24} SavedModel for TensorFlow Serving

With files of your own, one sentence a line (prefix .venv/bin/ unless the environment is active):
$ nmt preprocess --source train.en --target train.de --valid-source valid.en --valid-target valid.de --output DATA
$ nmt train attention --data DATA --output RUN
$ nmt evaluate RUN --source test.en --target test.de
$ nmt export RUN --output EXPORT
$ nmt serve EXPORT"""
    )
