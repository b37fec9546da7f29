"""What goes through the job: a unit of work, the raw pairs that it holds, and how its input is called."""

from typing import NamedTuple


class RawPair(NamedTuple):
    """Two parallel lines as they stand in the files, with the numbers of the input and of the line, from 0 on."""

    file: int
    line: int
    source: bytes
    target: bytes


class InputName(NamedTuple):
    """What reports call an input: its corpus's name, and its files' as `Input.name` has them."""

    corpus: str
    file: str


class Unit(NamedTuple):
    """What one worker reads at once: a block of lines of plain files, a row group, or a whole compressed file.

    Attributes:
        file: The number of the input, see `pipeline.corpora.inputs.Input`.
        weight: How often its pairs are trained on.
        format: The input's format.
        paths: The input's files.
        fields: Where the two sides stand in them.
        first: The number of the first line.
        pairs: Count of pairs.
        parts: Of each file where the block begins and ends, in bytes (Parquet: the row group and the next one); empty
            if the whole file is read.
        option: What named the files, for messages.
        size: About how many bytes its text has, unpacked.
    """

    file: int
    weight: float
    format: str
    paths: tuple[str, ...]
    fields: tuple[str, str]
    first: int
    pairs: int
    parts: tuple[tuple[int, int], ...]
    option: str
    size: int = 0
