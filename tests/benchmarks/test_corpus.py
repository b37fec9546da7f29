import collections
import gzip
from pathlib import Path

import pytest

from benchmarks import corpus
from benchmarks.places import Places
from pipeline.errors import UserError

PLACES, VERBS = ("garden", "harbour", "café", "forest", "kitchen"), ("waits", "sings", "reads", "sleeps")
SENTENCES = [f"Number {i} {verb} in the {place}." for i in range(20) for verb in VERBS for place in PLACES]


def write(folder: Path, split: str, sentences: list[str]) -> None:
    for language in ("en", "de"):
        text = "".join(f"{sentence}{' Ja.' * (language == 'de')}\n" for sentence in sentences)
        (folder / f"{split}.{language}.gz").write_bytes(gzip.compress(text.encode()))


@pytest.mark.slow
def test_the_peer_gets_the_pieces_of_the_data_set(tmp_path: Path) -> None:
    write(tmp_path, "train", SENTENCES[:380])
    write(tmp_path, "val", SENTENCES[380:390])
    write(tmp_path, "test_2016_flickr", [*SENTENCES[390:], "A naïve ☃."])
    places = Places(multi30k=str(tmp_path), work=str(tmp_path / "work"))
    corpus.prepare(places)
    sides = {name: (places.pieces / name).read_text().splitlines() for name in ("train.en", "train.de")}
    pairs = list(zip(*(corpus.detokenize(places, lines) for lines in sides.values()), strict=True))
    assert sorted(pairs) == sorted((sentence, f"{sentence} Ja.") for sentence in SENTENCES[:380])
    test = (places.pieces / "test_2016_flickr").read_text().splitlines()
    assert corpus.detokenize(places, test) == [*SENTENCES[390:], "A naïve ☃."]
    counts = collections.Counter(piece for lines in sides.values() for line in lines for piece in line.split(" "))
    vocabulary = (places.pieces / corpus.VOCABULARY).read_text().splitlines()
    assert sorted(vocabulary) == sorted(counts)
    assert [counts[piece] for piece in vocabulary] == sorted(counts.values(), reverse=True)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--multi30k: expected a readable text"):
        corpus.lines(Places(multi30k=str(tmp_path)), "val", "en")
