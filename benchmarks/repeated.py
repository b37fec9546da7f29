"""A corpus of any size: Multi30k's training text over and over, each pair with a number of its own at its end."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import corpus
from benchmarks.corpus import SOURCE, TARGET
from benchmarks.places import Places
from pipeline.files import write_beside

# Of so many pairs, one is that of the round before, number included: an exact duplicate.
DUPLICATE_EVERY = 10


def write_repeated(places: Places, pairs: int) -> Path:
    """Writes the corpus as two plain files, `train.en` and `train.de`, if the work folder does not hold it yet.

    Args:
        places: Where Multi30k and the work folder are.
        pairs: The count of its pairs.

    Returns:
        The folder.
    """
    folder = places.below("repeated") / str(pairs)
    if folder.exists():
        return folder
    with write_beside(folder) as beside:
        beside.mkdir()
        for language in (SOURCE, TARGET):
            lines = corpus.lines(places, "train", language)
            with open(beside / f"train.{language}", "w", encoding="utf-8", newline="") as file:
                file.writelines(f"{line}\n" for line in itertools.islice(repeated(lines), pairs))
    return folder


def repeated(lines: Sequence[str]) -> Iterator[str]:
    """Yields the lines, round after round without end, each followed by its number in the whole.

    In each round but the first, one line of `DUPLICATE_EVERY` has the number that it had in the round before, another
    one in each round.
    """
    for round_ in itertools.count():
        for place, line in enumerate(lines):
            again = round_ > 0 and (place + round_) % DUPLICATE_EVERY == 0
            yield f"{line} {(round_ - again) * len(lines) + place}"
