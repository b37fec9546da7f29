import bz2
import gzip
import lzma

import pytest
from backports import zstd

from pipeline.errors import UserError
from pipeline.lines import compression, read_lines, readable

PACKS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress}
# As pzstd writes it before a frame.
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("text", [b"", b"a\nb", b"a\r\n\n" * 100_000])
def test_compressions_are_told_by_their_first_bytes(tmp_path, kind, text):
    packed = PACKS[kind](text)
    assert compression(packed[:16]) == kind
    path = tmp_path / "no-ending"
    path.write_bytes(packed)
    assert list(read_lines(str(path))) == [line.removesuffix(b"\r") for line in text.splitlines()]


@pytest.mark.parametrize("kind", PACKS)
def test_files_that_were_put_one_after_the_other_are_one(tmp_path, kind):
    path = tmp_path / "file"
    path.write_bytes(PACKS[kind](b"a\nb") + PACKS[kind](b"c\n"))
    assert list(read_lines(str(path))) == [b"a", b"bc"]


def test_skippable_frames_are_skipped(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(SKIPPABLE + zstd.compress(b"a\n") + SKIPPABLE + zstd.compress(b"b\n"))
    assert list(read_lines(str(path))) == [b"a", b"b"]


@pytest.mark.parametrize("text", [b"BZh", b"BZh9 is no bzip2\n", b"P*M is text\n", b"\x1f\n", b"(\xb5\n"])
def test_text_is_no_compressed_file(tmp_path, text):
    assert compression(text[:16]) is None
    path = tmp_path / "file"
    path.write_bytes(text)
    assert list(read_lines(str(path))) == [text.removesuffix(b"\n")]


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("damage", [lambda packed: packed[:-5], lambda packed: packed[:20] + b"\xff" * 50])
def test_damage_is_a_users_mistake(tmp_path, kind, damage):
    path = tmp_path / "file"
    path.write_bytes(damage(PACKS[kind](b"".join(b"line %d\n" % at for at in range(2000)))))
    with (
        pytest.raises(UserError, match=r"^--source: expected a readable text or compressed file"),
        readable("--source", str(path)),
    ):
        list(read_lines(str(path)))


def test_other_errors_go_through():
    with pytest.raises(KeyError), readable("--source", "x"):
        raise KeyError("a bug")
    with pytest.raises(UserError, match=r"^--other: told$"), readable("--source", "x"):
        raise UserError("--other: told")
