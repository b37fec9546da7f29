import gzip

import numpy as np
import pytest

from models.embedding import Embedding
from models.training.word_vectors import put_vectors
from pipeline.errors import UserError

# "is" stands twice, at the beginning of a word and within one.
PIECES = ["<pad>", "\u2581the", "is", "\u2581is", "\u2581cat"]
OPTION = "training.source_vectors"


def embedding() -> Embedding:
    made = Embedding(len(PIECES), 2)
    made.build()
    return made


@pytest.mark.parametrize("header", ["", "3 2\n"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_piece_gets_the_vector_of_its_word(tmp_path, capsys, header, zipped):
    made, path = embedding(), tmp_path / "vectors.txt"
    before = made.table.numpy()
    text = f"{header}the 4 0\nis 0 4 \n\u2581is -4 0\nunknown 9 9\n".encode()
    path.write_bytes(gzip.compress(text) if zipped else text)
    put_vectors(OPTION, str(path), made, PIECES)
    table = made.table.numpy()
    np.testing.assert_array_equal(table[[0, 4]], before[[0, 4]])
    vectors = np.array([[4, 0], [0, 4], [-4, 0]], "float32")
    # The spread of a new table is 2 ** -0.5.
    np.testing.assert_allclose(table[1:4], vectors * 2**-0.5 / vectors.std(), rtol=1e-6)
    assert capsys.readouterr().err == "vectors.txt: vectors of 3 of 5 pieces\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the 1 2 3\n", r"line 1 of .*: expected 2 numbers, as model\.embedding_size, received 3"),
        ("3 2\nthe 1 x\n", "line 2 of .*: expected numbers after the word, received '1 x'"),
        ("a 1 2\n", "expected vectors of the data set's pieces, received none"),
        ("", "expected vectors of the data set's pieces, received none"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, told):
    made, path = embedding(), tmp_path / "vectors.txt"
    before = made.table.numpy()
    path.write_text(text)
    with pytest.raises(UserError, match=rf"^training\.source_vectors: {told}"):
        put_vectors(OPTION, str(path), made, PIECES)
    np.testing.assert_array_equal(made.table, before)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^training\.source_vectors: expected a readable text or compressed file"):
        put_vectors(OPTION, str(tmp_path / "none"), embedding(), PIECES)
