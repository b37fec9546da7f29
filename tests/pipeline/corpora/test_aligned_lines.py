import bz2
import gzip
import lzma
import pickle

import pytest
from backports import zstd

from pipeline.corpora.corpus import aligned
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import first, read, units
from pipeline.corpora.units import RawPair
from pipeline.errors import UserError

PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}


@pytest.fixture
def write_pair(tmp_path):
    """Writes two parallel files, packed each by the ending of its name, and gives the corpora of them."""

    def write(source: list[bytes], target: list[bytes], endings: tuple[str, str] = ("", "")):
        paths = []
        for name, lines, ending in (("a.en", source, endings[0]), ("a.de", target, endings[1])):
            path = tmp_path / f"{name}{ending}"
            path.write_bytes(PACK[ending](b"".join(line + b"\n" for line in lines)))
            paths.append(str(path))
        return aligned(paths[:1], paths[1:])

    return write


SOURCE = [b"s%d" % at for at in range(40)]
TARGET = [b"a longer t%d" % at for at in range(40)]


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_plain_files_are_blocks_of_lines(write_pair, block_bytes):
    cut = units(inputs(write_pair(SOURCE, TARGET)), block_bytes)
    assert len(cut) == {1: 40, 100: 7, 1 << 20: 1}[block_bytes]
    assert [pair for unit in pickle.loads(pickle.dumps(cut)) for pair in read(unit)] == [
        RawPair(0, at, *lines) for at, lines in enumerate(zip(SOURCE, TARGET, strict=True))
    ]


@pytest.mark.parametrize("endings", [(one, "") for one in PACK if one] + [(one, one) for one in PACK if one])
def test_a_compressed_pair_is_one_unit(write_pair, endings):
    [unit] = units(inputs(write_pair(SOURCE, TARGET, endings)), 1)
    assert (unit.first, unit.pairs, unit.parts) == (0, 40, ())
    assert [(pair.source, pair.target) for pair in read(unit)] == list(zip(SOURCE, TARGET, strict=True))


@pytest.mark.parametrize("ending", PACK)
def test_unequal_counts_name_both(write_pair, ending):
    with pytest.raises(UserError, match=r"^--source, --target: .*a\.en.* with 3 and .*a\.de.* with 1;"):
        units(inputs(write_pair([b"x", b"y", b"z"], [b"u"], (ending, ending))))


@pytest.mark.parametrize("ending", [ending for ending in PACK if ending])
@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-9], lambda packed: packed[:20] + b"\xff" * 20 + packed[40:]]
)
def test_a_damaged_file_is_named(tmp_path, write_lines, ending, damage):
    path = tmp_path / f"a{ending}"
    path.write_bytes(damage(PACK[ending](b"".join(b"text %d\n" % at for at in range(1000)))))
    with pytest.raises(UserError, match=rf"^--source, --target: .*a{ending}'"):
        units(inputs(aligned([str(path)], [write_lines("a.de", ["x"] * 1000)])))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_that_change_while_they_are_read_are_an_error(write_pair, ending):
    cut = units(inputs(write_pair(SOURCE, TARGET, (ending, ending))))
    write_pair(SOURCE[:30], TARGET[:30], (ending, ending))
    with pytest.raises(UserError, match=r"expected 40 pairs from line 1 on, received .* with 30; leave"):
        [*read(cut[0])]


def test_a_line_of_fifty_megabytes_is_a_line(write_pair):
    long = b"x" * 50_000_000
    cut = units(inputs(write_pair([b"a", long, b"c"], [b"u", b"v", b"w"])), 1 << 20)
    assert [len(pair.source) for unit in cut for pair in read(unit)] == [1, 50_000_000, 1]


def test_an_empty_pair_of_files_has_no_unit(write_pair):
    assert units(inputs(write_pair([], []))) == []


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_unequal_counts_tell_where_the_files_go_apart(write_pair, ending):
    lines = [b"x" * (at * 7919 % 97) + b" %d." % at for at in range(500)]
    corpora = write_pair(lines, lines[:200] + lines[203:], (ending, ending))
    message = r"a\.en.* with 500 and .*a\.de.* with 497, which do not fit from about line 20\d on; align them"
    with pytest.raises(UserError, match=message):
        units(inputs(corpora))
    # Those who look at the first pairs alone are told where the shorter one ends.
    assert len([*first(inputs(corpora), 497)]) == 497
    with pytest.raises(UserError, match=message):
        [*first(inputs(corpora), 498)]


def test_the_first_pairs_alone_are_read(write_pair):
    corpora = write_pair(SOURCE, TARGET) + write_pair([b"x", b"y"], [b"u", b"v"], (".gz", ".gz"))
    read_pairs = [*first(inputs(corpora), 41)]
    assert [pair.source for pair in read_pairs] == [*SOURCE, b"x"]
    assert [(pair.file, pair.line) for pair in read_pairs] == [*((0, at) for at in range(40)), (1, 0)]
    assert len([*first(inputs(corpora), 100)]) == 42
