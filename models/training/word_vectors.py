"""Embeddings that start from vectors learned elsewhere."""

import sys
from pathlib import Path

import numpy as np

from models.embedding import Embedding
from pipeline.errors import UserError
from pipeline.lines import read_lines, readable

_SPACE = "\u2581"


def put_vectors(option: str, path: str, embedding: Embedding, pieces: list[str]) -> None:
    """Puts the vectors of a file into the rows of the pieces that it has; the others stay as they are.

    The file is text as word2vec and GloVe write it, plain or gzip: a line a word, the word and its numbers with spaces
    between, with or without a first line of two counts. A piece is looked up as it is, and one that begins a word also
    without its mark. The vectors are scaled to the spread of the rows that they replace.

    Args:
        option: The setting that names the file.
        path: The file.
        embedding: A built embedding.
        pieces: The piece of each row.

    Raises:
        UserError: The file cannot be read, a line is of another width or no numbers, or no piece has a vector.
    """
    rows = {piece.removeprefix(_SPACE): row for row, piece in enumerate(pieces) if piece.startswith(_SPACE)}
    rows |= {piece: row for row, piece in enumerate(pieces)}
    found: dict[int, np.ndarray] = {}
    with readable(option, path):
        for number, line in enumerate(read_lines(path), 1):
            word, *numbers = line.decode(errors="replace").rstrip().split(" ")
            if number == 1 and len(numbers) == 1:
                continue
            if word in rows:
                found[rows[word]] = _vector(numbers, embedding.units, f"{option}: line {number} of {path}")
    if not found:
        raise UserError(
            f"{option}: expected vectors of the data set's pieces, received none in {path}; give another file"
        )
    vectors = np.stack(list(found.values()))
    # An initializer's, whatever scale the vectors were learned at.
    vectors *= embedding.units**-0.5 / max(vectors.std(), 1e-12)
    table = np.array(embedding.table)
    table[list(found)] = vectors
    embedding.table.assign(table)
    print(f"{Path(path).name}: vectors of {len(found)} of {len(pieces)} pieces", file=sys.stderr)


def _vector(numbers: list[str], units: int, place: str) -> np.ndarray:
    try:
        vector = np.array(numbers, "float32")
    except ValueError:
        raise UserError(
            f"{place}: expected numbers after the word, received {' '.join(numbers)[:40]!r}; mend it"
        ) from None
    if vector.shape != (units,):
        raise UserError(
            f"{place}: expected {units} numbers, as model.embedding_size, received {len(numbers)}; set"
            " --model.embedding_size to that"
        )
    return vector
