import dataclasses
import html.parser
import itertools
import re
from collections import defaultdict

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.report.findings import STATISTICS_FILE, Findings
from pipeline.report.page import REPORT_FILE, write_report
from pipeline.report.statistics import Sentences, Vocabulary, count_pairs
from pipeline.schema import END_ID, Manifest, Shard, Split, Subwords

EVIL = '<script>alert("1")</script> & Söhne'
VOCABULARY = Vocabulary.of(["<pad>", "<unk>", "<s>", "</s>", "<0x41>", "▁a", "b", "▁c"])
JOINT = Subwords("joint.spm", "ab", 8)
MANIFEST = Manifest(
    source=JOINT,
    target=JOINT,
    splits={
        "train": Split((Shard("train-0", 2, "cd"), Shard("train-1", 0, "ef")), 2, 6, 5),
        "valid": Split((Shard("valid-0", 1, "01"),), 1, 2, 2),
    },
    read=20_000,
    rejected={"empty": 5_000, "leaked": 1, "words": 0, "letters": 0},
    settings={"source_language": "en", "target_language": "de", "cleaning": {"max_ratio": 3.0, "off": ["letters"]}},
    versions={"sentencepiece": "0.2.1"},
)


def statistics(*pairs: tuple[list[int], list[int]]):
    sides = [Sentences.of(["x" * len(ids) for ids in rows], rows) for rows in zip(*pairs, strict=True)]
    return count_pairs(*sides, VOCABULARY, VOCABULARY)


FINDINGS = Findings(
    splits={
        "train": statistics(([5, 6, 7, END_ID], [5, END_ID]), ([7, END_ID], [1, 4, END_ID])),
        "valid": statistics(([5, END_ID], [5, END_ID])),
    },
    inputs={"web": {"web.en|web.de": {"kept": 14_999, "empty": 5_000, "leaked": 1}}, "news": {"news.tsv": {}}},
    examples={
        "empty": [
            {"rule": "empty", "corpus": "web", "file": "web.en|web.de", "line": 1234, "value": None, "threshold": None}
            | {"source": EVIL, "target": ""}
        ],
        "leaked": [
            {"rule": "leaked", "corpus": "web", "file": "web.en|web.de", "line": 7, "value": 4.5, "threshold": 3}
            | {"of": {"corpus": "news", "file": "a|b", "line": 2_000}}
        ],
    },
)


class Reader(html.parser.HTMLParser):
    """A page's tags, its texts, those of each class, and the cells of its tables by row."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.texts, self.rows, self.open = [], [], [], []
        self.of_class = defaultdict(list)
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append((tag, dict(attrs).get("class", "")))
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        within = [tag for tag, _ in self.open]
        if (data := " ".join(data.split())) and "style" not in within:
            self.texts.append(data)
            if "td" in within or "th" in within:
                self.rows[-1].append(data)
            for _, name in self.open:
                self.of_class[name].append(data)


def page_of(folder, manifest=MANIFEST, findings=FINDINGS, max_ratio=3.0) -> Reader:
    write_report(folder, manifest, findings, max_ratio)
    return Reader((folder / REPORT_FILE).read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("data"))


def test_findings_come_back_from_their_file(tmp_path):
    FINDINGS.write(tmp_path)
    again = Findings.read_from(tmp_path)
    assert (again.inputs, again.examples) == (FINDINGS.inputs, FINDINGS.examples)
    assert {name: split.to_json() for name, split in again.splits.items()} == {
        name: split.to_json() for name, split in FINDINGS.splits.items()
    }
    for damage in ("{", "{}", '{"splits": {"train": 1}}'):
        (tmp_path / STATISTICS_FILE).write_text(damage)
        with pytest.raises(UserError, match=r"^DATA: expected statistics.json .* missing or damaged; make"):
            Findings.read_from(tmp_path)


def test_a_report_tells_what_became_of_the_pairs(page):
    told = dict(itertools.pairwise(page.texts))
    assert page.texts[0] == "Data set en to de"
    assert told["pairs read"] == "20,000"
    assert (told["records of train"], told["records of valid"]) == ("2", "1")
    assert (told["pairs rejected"], told["5,001"]) == ("5,001", "25.0 % of those read")
    assert (told["lost to leakage"], told["pieces of the vocabulary"]) == ("1", "8")
    assert {"kept 14,999, 75.0 %", "rejected 5,001, 25.0 %"} <= set(page.texts)
    assert any("1 pairs (< 0.01 %) have a sentence" in text for text in page.texts)
    # A rule that rejected nothing is only named.
    assert page.of_class["rules"][:4] == ["empty", "5,000", "25.0 %", "A side has no word."]
    assert (told["Rejected nothing:"], told["Off:"]) == ("words", "letters")


def test_examples_are_shown_with_their_place_as_text(page):
    assert page.of_class["examples"] == [
        "A side has no word.", EVIL, "web: web.en | web.de, line 1,234",
        "A side is a sentence of the validation pairs or of the excluded files.",
        "web: web.en | web.de, line 7: 4.5, limit 3; of news: a | b, line 2,000",
    ]  # fmt: skip
    assert "script" not in {tag for tag, _ in page.tags}
    # The one whose text was not kept has none.
    assert [tag for tag, _ in page.tags].count("q") == 2


def test_the_tables(page):
    assert ["web", "web.en", "web.de", "20,000", "14,999", "25.0 %", "empty"] in page.rows
    assert ["news", "news.tsv", "0", "0", "0 %"] in page.rows
    # Mean, median, 95 and 99 of 100, longest, characters.
    assert ["source", "3.0", "2", "4", "4", "4", "6"] in page.rows
    # Source: ab, c, c; target: a, unknown and byte in one word.
    assert ["pieces a word, mean", "1.333", "1.500", "1.400"] in page.rows
    assert ["unknown pieces", "0 %", "20.0 %", "9.09 %"] in page.rows
    assert ["byte pieces, of characters without a piece", "0 %", "20.0 %", "9.09 %"] in page.rows
    assert ["sentences with byte pieces", "0 %", "50.0 %", "25.0 %"] in page.rows
    assert ["vocabulary that occurs at all", "50.0 %", "50.0 %", "75.0 %"] in page.rows
    assert ["train", "2", "6", "5", "2"] in page.rows
    assert ["cleaning.max_ratio", "3.0"] in page.rows and ["cleaning.off", "letters"] in page.rows
    assert MANIFEST.fingerprint in page.texts


def test_a_page_needs_no_other_file_and_its_pictures_are_told(page):
    assert not {"link", "script", "iframe", "img"} & {tag for tag, _ in page.tags}
    attributes = [item for _, given in page.tags for item in given.items()]
    assert not [name for name, _ in attributes if re.fullmatch("(xlink:)?href|src", name)]
    # What a picture is clipped by is in it.
    clips = {target for _, value in attributes for target in re.findall(r"url\((.*?)\)", value or "")}
    assert clips and clips <= {f"#{value}" for name, value in attributes if name == "id"}
    pictures = [given for tag, given in page.tags if tag == "svg"]
    assert len(pictures) == 4 and all(given["role"] == "img" and given["aria-label"] for given in pictures)
    assert "Share of the pairs by characters of the target for one of the source, wide ones as two; dotted" in " ".join(
        page.texts
    )


def test_the_same_data_set_has_the_same_report_in_any_folder(page, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        page_of(tmp_path / name)
    one, other = ((tmp_path / name / REPORT_FILE).read_bytes() for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize("counts", [("identical", "kept", "empty"), ("empty", "identical", "kept")])
def test_the_first_of_equally_frequent_rules_is_told_whichever_came_first(tmp_path, counts):
    findings = dataclasses.replace(FINDINGS, inputs={"web": {"a.tsv": dict.fromkeys(counts, 30)}})
    assert ["web", "a.tsv", "90", "30", "66.7 %", "empty"] in page_of(tmp_path, findings=findings).rows


def test_a_data_set_of_which_nothing_is_left_or_told(tmp_path):
    nothing = statistics(([END_ID], [END_ID]))
    bare = Manifest(
        JOINT, Subwords("target.spm", "cd", 9), {"train": Split((), 0, 0, 0)}, 0, {}, {}, {"python": "3.11"}
    )
    page = page_of(tmp_path, bare, Findings({"train": nothing}, {}, {}), None)
    assert page.texts[0] == "Data set" and "source; 9 target" in page.texts
    assert not {"Inputs", "Off:", "Rejected nothing:"} & set(page.texts)
    assert any(text.startswith("No pair was lost") for text in page.texts)
    assert "dotted" not in " ".join(page.texts)
    assert np.array_equal(nothing.source.lengths, [0, 1])


@pytest.mark.parametrize(
    ("side", "told"), [("either", "none has a sentence that"), ("source", "none has a source sentence")]
)
def test_of_what_nothing_leaked(tmp_path, side, told):
    settings = {**MANIFEST.settings, "leak_side": side}
    page = page_of(tmp_path, dataclasses.replace(MANIFEST, rejected={}, settings=settings))
    assert any(told in text for text in page.texts)
