import json

from pipeline.corpora.units import InputName
from pipeline.report.findings import ShardFindings, gather
from pipeline.report.statistics import Vocabulary
from pipeline.schema import END_ID

VOCABULARY = Vocabulary.of(["<pad>", "<unk>", "<s>", "</s>", "▁a", "▁b"])
INPUTS = (InputName("news", "a.en|a.de"), InputName("web", "b.tsv"), InputName("web", "c.tmx"))


def shard(kept, rejected=()):
    found = ShardFindings((VOCABULARY, VOCABULARY), INPUTS)
    if kept:
        found.add(kept, *([[4] * len(row[side].split()) + [END_ID] for row in kept] for side in (2, 3)))
    found.add_rejected(rejected)
    return json.loads(json.dumps(found.to_json()))


def test_shards_add_up_and_a_copy_is_no_pair():
    parts = [
        ("train", shard([(0, 0, "a a", "a", 0), (0, 0, "a a", "a", 1)], [(0, 1, "empty", None, None, "", "a", None)])),
        ("train", shard([])),
        ("train", shard([(1, 7, "a", "a a a", 0)], [(1, 2, "words", 300, 250, None, None, None)] * 2)),
        ("valid", shard([(0, 2, "a", "a", 0)])),
    ]
    findings = gather(parts, INPUTS)
    # In the order of the inputs, those without a pair too.
    assert findings.inputs == {
        "news": {"a.en|a.de": {"kept": 2, "empty": 1}},
        "web": {"b.tsv": {"kept": 1, "words": 2}, "c.tmx": {}},
    }
    assert [*findings.inputs] == ["news", "web"] and [*findings.inputs["web"]] == ["b.tsv", "c.tmx"]
    assert findings.splits["train"].source.sentences == 3 and findings.splits["train"].target.words == 1 + 1 + 3
    assert findings.splits["valid"].source.tokens == 2
    told = {"rule": "empty", "corpus": "news", "file": "a.en|a.de", "line": 2, "value": None, "threshold": None}
    assert findings.examples["empty"] == [told | {"source": "", "target": "a"}]
    assert [example["line"] for example in findings.examples["words"]] == [3, 3]
    assert "source" not in findings.examples["words"][0]
    again = gather(reversed(parts), INPUTS)
    assert (again.inputs, again.examples) == (findings.inputs, findings.examples)
    assert again.splits["train"].to_json() == findings.splits["train"].to_json()


def test_a_file_of_two_corpora_is_told_of_each_and_twice_in_one_once():
    names = [InputName(corpus, "x") for corpus in ("a", "b", "b")]
    found = ShardFindings((VOCABULARY, VOCABULARY), names)
    found.add([(file, 0, "a", "a", 0) for file in range(3)], *[[[4, END_ID]] * 3] * 2)
    assert gather([("train", found.to_json())], names).inputs == {"a": {"x": {"kept": 1}}, "b": {"x": {"kept": 2}}}
