"""Multi30k for both sides: our data set, and the same pieces as text for the peer."""

import collections
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.places import Places
from benchmarks.rounds import ROOT, module
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.lines import read_lines, readable
from pipeline.schema import END_ID, MANIFEST_FILE, TRAIN, Manifest

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SOURCE, TARGET = "en", "de"
VALID_SPLIT, TEST_SPLIT = "val", "test_2016_flickr"
VOCABULARY = "vocabulary.txt"
VOCAB_SIZE = 8000


def prepare(places: Places) -> None:
    """Makes the data set and the peer's files, if the work folder does not hold them yet.

    Raises:
        UserError: A file of the corpus is missing.
    """
    if not (places.data / MANIFEST_FILE).exists():
        _preprocess(places)
    if not places.pieces.exists():
        with write_beside(places.pieces) as folder:
            folder.mkdir()
            _write_training_pieces(places, folder)
            for split in (VALID_SPLIT, TEST_SPLIT):
                _write_pieces(folder / split, _tokenized(places, lines(places, split, SOURCE)), subwords(places))


def lines(places: Places, split: str, language: str) -> list[str]:
    """The lines of a file of the corpus.

    Raises:
        UserError: The file cannot be read.
    """
    path = str(places.corpus(split, language))
    with readable("--multi30k", path):
        return [line.decode() for line in read_lines(path)]


def subwords(places: Places) -> "SentencePieceProcessor":
    """The joint SentencePiece model of the data set."""
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str(places.data / Manifest.read_from(places.data).source.file))


def detokenize(places: Places, lines_of_pieces: Iterable[str]) -> list[str]:
    """The texts that lines of pieces spell."""
    model = subwords(places)
    return [model.decode_pieces(line.split(" ")) for line in lines_of_pieces]


def _preprocess(places: Places) -> None:
    options: list[object] = []
    for split, option in (("train", ""), (VALID_SPLIT, "valid-")):
        for side, language in (("source", SOURCE), ("target", TARGET)):
            options += [f"--{option}{side}", places.corpus(split, language)]
    command = module("nmt", "preprocess", *options, "--vocab-size", VOCAB_SIZE, "--output", places.data)
    if status := subprocess.run(command, cwd=ROOT).returncode:
        raise UserError(f"--multi30k: expected files that `nmt preprocess` takes, received its exit status {status}")


def _write_training_pieces(places: Places, folder: Path) -> None:
    """Writes the pairs of the data set, and the vocabulary: every piece that they hold, the most frequent first."""
    from pipeline.reading.dataset import pairs

    counts: collections.Counter[int] = collections.Counter()
    for ids, language in zip(zip(*pairs(places.data, TRAIN), strict=True), (SOURCE, TARGET), strict=True):
        ids = [row.tolist() for row in ids]
        _write_pieces(folder / f"train.{language}", ids, subwords(places))
        counts.update(piece for row in ids for piece in row if piece != END_ID)
    pieces = subwords(places).id_to_piece([piece for piece, _ in counts.most_common()])
    (folder / VOCABULARY).write_text("".join(f"{piece}\n" for piece in pieces))


def _tokenized(places: Places, texts: list[str]) -> list[list[int]]:
    import tensorflow as tf

    from pipeline.tokenizer import Tokenizer

    tokenizer = Tokenizer.read(places.data / Manifest.read_from(places.data).source.file)
    return tokenizer.tokenize(tf.constant(texts, tf.string)).to_list()


def _write_pieces(path: Path, ids: Iterable[list[int]], model: "SentencePieceProcessor") -> None:
    """Writes a line of pieces for each row of ids, without its END, which the peer adds itself where it wants it."""
    with open(path, "w", encoding="utf-8") as file:
        for row in ids:
            file.write(" ".join(model.id_to_piece(row[:-1])) + "\n")
