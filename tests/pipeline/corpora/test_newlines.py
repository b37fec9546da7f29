import gzip
import random

import pytest

from pipeline.corpora import newlines
from pipeline.corpora.filesystems import read_lines
from pipeline.corpora.newlines import Block, cut, index_newlines, read_part

TEXTS = {
    b"": [],
    b"\n": [b""],
    b"\n\n\n": [b"", b"", b""],
    b"a\nb": [b"a", b"b"],
    b"a\r\nb\r\r\n": [b"a", b"b\r"],
    b"a\nb\r": [b"a", b"b"],
    b"a\xe2\x80\xa8b\xc2\x85c\x0bd\x0ce\x1cf\n": [b"a\xe2\x80\xa8b\xc2\x85c\x0bd\x0ce\x1cf"],
    b"\xef\xbb\xbf": [b""],
    b"\xef\xbb\xbf\n": [b""],
    b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n": [b"a", b"\xef\xbb\xbfb"],
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_whole_file_is_its_lines(tmp_path, text):
    path = tmp_path / "file"
    path.write_bytes(text)
    index = index_newlines(str(path))
    assert (index.lines, index.size) == (len(TEXTS[text]), len(text))
    assert read_part(str(path), (0, index.offset(index.lines))) == TEXTS[text] == list(read_lines(str(path)))


# Smaller than a line, than the file, and larger than it.
@pytest.mark.parametrize("block", [1, 7, 64, 4096])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_every_line_is_found(tmp_path, monkeypatch, block, end):
    monkeypatch.setattr(newlines, "_BLOCK", block)
    draw = random.Random(1)
    lines = [bytes(draw.choices(b"ab\r\x85", k=draw.choice([0, 0, 1, 9, 40]))) + b"x" for _ in range(50)]
    path = tmp_path / "file"
    path.write_bytes(b"\n".join(lines) + end)
    index = index_newlines(str(path))
    assert index.lines == 50
    for number, line in enumerate(lines):
        assert read_part(str(path), (index.offset(number), index.offset(number + 1))) == [line]


@pytest.mark.parametrize("block", [1, 2, 5, 4096])
def test_marks_are_counted_on_the_way(tmp_path, monkeypatch, block):
    monkeypatch.setattr(newlines, "_BLOCK", block)
    path = tmp_path / "file"
    path.write_bytes(b'{"abc": "c"}\n{"abcd": 1, "abc": 2}}\t\n"ab')
    assert index_newlines(str(path), [b'"abc"', b"}", b"\t", b'"c', b"none"]).marks == (2, 3, 1, 1, 0)
    assert index_newlines(str(path)).marks == ()


@pytest.mark.parametrize("block_bytes", [1, 20, 33, 1 << 20])
def test_blocks_hold_the_same_lines_of_all_files(tmp_path, block_bytes):
    sides = [[b"s%d" % at for at in range(23)], [b"longer%d" % at * (at % 3) for at in range(23)]]
    indexes = []
    for name, lines in zip("ab", sides, strict=True):
        (tmp_path / name).write_bytes(b"\n".join(lines) + b"\n")
        indexes.append(index_newlines(str(tmp_path / name)))
    blocks = cut(indexes, block_bytes)
    read = [[line for block in blocks for line in read_part(indexes[at].path, block.parts[at])] for at in (0, 1)]
    assert read == sides
    assert sum(block.lines for block in blocks) == 23
    assert [block.first for block in blocks] == [sum(block.lines for block in blocks[:at]) for at in range(len(blocks))]
    assert len(blocks) == {1: 23, 20: 12, 33: 8, 1 << 20: 1}[block_bytes]


def test_a_header_is_in_no_block(tmp_path):
    (tmp_path / "a").write_bytes(b"head\nx\ny\n")
    index = index_newlines(str(tmp_path / "a"))
    assert cut([index], 1 << 20, header=1) == [Block(1, 2, ((5, 9),), 4)]
    assert cut([index], 1 << 20, header=3) == []


def test_a_compressed_file_is_one_block(tmp_path):
    (tmp_path / "a").write_bytes(b"x\ny\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"u\nv\n"))
    indexes = [index_newlines(str(tmp_path / name)) for name in "ab"]
    assert cut(indexes, 1) == [Block(0, 2, (), 8)]
