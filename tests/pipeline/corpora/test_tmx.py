import bz2
import tracemalloc

import pytest

from pipeline import lines
from pipeline.corpora import tmx
from pipeline.corpora.corpus import paired
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import first, read, units
from pipeline.errors import UserError

HEAD = """<?xml version="1.0" encoding="{}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en" datatype="plaintext"><note>words in a note</note></header><body>
"""
UNITS = """<tu tuid="1"><prop type="x">no text</prop>
  <tuv xml:lang="en-US"><note>no text</note>
    <seg>Fish &amp; chips <bpt i="1">&lt;b></bpt><hi>now</hi><ept i="1">&lt;/b></ept>.</seg></tuv>
  <tuv xml:lang="DE"><seg>Fisch<ph>code<sub>in code</sub></ph> und Fritten</seg></tuv>
  <tuv xml:lang="fr"><seg>poisson</seg></tuv>
</tu>
<tu><tuv xml:lang="de"><seg>nur Deutsch</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>one</seg></tuv>
  <tuv xml:lang="en_GB"><seg>two</seg></tuv><tuv lang="de"><seg>eins\nü\u2028</seg></tuv></tu>
<tu></tu>
"""
PAIRS = [
    (0, b"Fish & chips now.", b"Fisch und Fritten"),
    (1, b"", b"nur Deutsch"),
    (2, b"one", "eins\nü\u2028".encode()),
    (3, b"", b""),
]
TAIL = "</body></tmx>"


@pytest.fixture
def write(tmp_path):
    def write_file(text: bytes, name="a.tmx", fields=("en", "de")):
        (tmp_path / name).write_bytes(text)
        return inputs(paired([str(tmp_path / name)], *fields))

    return write_file


# One byte, so that every event stands at the edge of a block, a prime, and all at once.
@pytest.mark.parametrize("block", [1, 17, 1 << 18])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_translation_units_are_pairs(monkeypatch, write, block, encoding):
    monkeypatch.setattr(tmx, "_BLOCK", block)
    [unit] = units(write((HEAD.format(encoding) + UNITS + TAIL).encode(encoding)))
    assert unit.pairs == 4
    assert [tuple(pair[1:]) for pair in read(unit)] == PAIRS


def test_an_encoding_of_one_byte_a_character_is_read(write):
    text = (HEAD + UNITS + TAIL).format("koi8-r").replace("Fritten", "чипсы").replace("ü\u2028", "")
    [unit] = units(write(text.encode("koi8-r")))
    assert next(read(unit)).target.decode() == "Fisch und чипсы"


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "klingon"])
def test_another_encoding_is_refused(write, encoding):
    found = write((HEAD.format(encoding) + TAIL).encode())
    message = r"^--pairs: expected a TMX file in UTF-8, UTF-16 or .*, received '.*a\.tmx' \(.*encoding.*\); write it in"
    for read_file in (units, lambda found: [*first(found, 1)]):
        with pytest.raises(UserError, match=message):
            read_file(found)


def test_languages_are_chosen(write):
    text = (HEAD.format("utf-8") + UNITS + TAIL).encode()
    [unit] = units(write(bz2.compress(text), "a.tmx.bz2", ("fr", "en-us")))
    assert [(pair.source, pair.target) for pair in read(unit)][:2] == [(b"poisson", b"Fish & chips now."), (b"", b"")]


def test_the_closest_language_is_meant(write):
    tuvs = "".join(f"<tuv xml:lang='{tag}'><seg>{tag}</seg></tuv>" for tag in ("pt-BR", "pt-PT", "pt", "en"))
    text = f"<tmx><body><tu>{tuvs}</tu></body></tmx>".encode()
    for fields, sides in (
        (("pt", "pt-BR"), (b"pt-PT", b"pt-BR")),
        (("pt_br", "pt"), (b"pt-BR", b"pt-PT")),
        (("en", "pt"), (b"en", b"pt-BR")),
    ):
        [unit] = units(write(text, fields=fields))
        assert [(pair.source, pair.target) for pair in read(unit)] == [sides]


def test_a_missing_language_is_named(write):
    text = (HEAD.format("utf-8") + UNITS + TAIL).encode()
    with pytest.raises(
        UserError, match=r"^--pairs: expected texts in 'it', received '.*a\.tmx' with de, en, en-gb, en-us, fr;"
    ):
        units(write(text, fields=("en", "it")))


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "</body>",
        "</body></tm>",
        "\x01" + TAIL,
    ],
)
def test_a_file_that_is_not_well_formed_at_the_end_is_refused(write, tail):
    found = write((HEAD.format("utf-8") + UNITS * 1000 + tail).encode())
    with pytest.raises(UserError, match=r"^--pairs: expected a well-formed TMX file, received '.*a\.tmx' \(.*line \d+"):
        units(found)
    # What comes before can be looked at.
    assert [tuple(pair[1:]) for pair in first(found, 2)] == PAIRS[:2]


def test_an_empty_file_is_not_well_formed(write):
    with pytest.raises(UserError, match=r"\(no element found: line 1"):
        units(write(b""))


def test_a_file_without_units_has_no_unit(write):
    assert units(write((HEAD.format("utf-8") + TAIL).encode())) == []


def test_an_entity_of_another_file_stays_as_it_is_written(write):
    text = (
        HEAD.format("utf-8")
        + '<tu><tuv lang="en"><seg>a&nbsp;b</seg></tuv><tuv lang="de"><seg>c</seg></tuv></tu>'
        + TAIL
    )
    [unit] = units(write(text.encode()))
    assert [pair.source for pair in read(unit)] == [b"a&nbsp;b"]
    with pytest.raises(UserError, match=r"\(undefined entity"):
        units(write(text.replace('<!DOCTYPE tmx SYSTEM "tmx14.dtd">', "").encode()))


def test_entities_that_grow_are_refused(write):
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    tu = '<tu><tuv xml:lang="en"><seg>&e11;</seg></tuv></tu>'
    text = f'<!DOCTYPE tmx [<!ENTITY e0 "0123456789">{entities}]><tmx><body>{tu}</body></tmx>'
    with pytest.raises(UserError, match=r"\(limit on input amplification factor"):
        units(write(text.encode()))


def test_memory_does_not_grow_with_the_file(monkeypatch, write):
    monkeypatch.setattr(tmx, "_BLOCK", 4096)
    monkeypatch.setattr(lines, "_BUFFER", 4096)

    def peak(times: int) -> int:
        [unit] = units(write((HEAD.format("utf-8") + UNITS * times + TAIL).encode()))
        tracemalloc.start()
        for _ in read(unit):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(1000) < 1.2 * peak(100)
