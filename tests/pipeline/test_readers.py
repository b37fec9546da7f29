import gzip

import pytest

from pipeline.errors import UserError
from pipeline.readers import PairFiles, RawPair, align, count_lines, read_lines, read_pairs

TEXTS = {
    b"": [],
    b"\n": [b""],
    b"a\nb": [b"a", b"b"],
    b"a\nb\n": [b"a", b"b"],
    b"a\r\nb\r\r\n": [b"a", b"b\r"],
    b"a\rb\n": [b"a\rb"],
    b"a\xe2\x80\xa8b\xc2\x85c\x0bd\x0ce\x1cf\n": [b"a\xe2\x80\xa8b\xc2\x85c\x0bd\x0ce\x1cf"],
    b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n": [b"a", b"\xef\xbb\xbfb"],
    b"\xff\xfe\x00\n": [b"\xff\xfe\x00"],
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("text", TEXTS)
def test_lines_end_at_newlines_alone(tmp_path, text, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(text))
    assert list(read_lines(str(path))) == TEXTS[text]
    assert count_lines("source", str(path)) == len(TEXTS[text])


def test_pairs_tell_where_they_stand(write_lines):
    files = PairFiles(7, write_lines("a.en", ["x", "y"]), write_lines("a.de", ["u", "v"]))
    assert list(read_pairs(files)) == [RawPair(7, 0, b"x", b"u"), RawPair(7, 1, b"y", b"v")]


def test_several_files_are_matched_in_their_order(write_lines):
    sources = [write_lines("a.en", ["x"]), write_lines("b.en", ["y", "z"])]
    targets = [write_lines("a.de", ["u"]), write_lines("b.de", ["v", "w"])]
    assert align("", sources, targets) == (
        [PairFiles(0, sources[0], targets[0]), PairFiles(1, sources[1], targets[1])],
        3,
    )


def test_unequal_counts_name_both(write_lines):
    source, target = write_lines("a.en", ["x", "y", "z"]), write_lines("a.de", ["u"])
    with pytest.raises(UserError, match=r"--valid-source, --valid-target: .*a\.en' with 3 and .*a\.de' with 1;"):
        align("valid-", [source], [target])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--exclude: .*gone\.txt"):
        count_lines("exclude", str(tmp_path / "gone.txt"))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:10] + b"\xff" * 20])
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(b"text\n" * 1000)))
    with pytest.raises(UserError, match=r"--source: .*a\.gz"):
        count_lines("source", str(path))
