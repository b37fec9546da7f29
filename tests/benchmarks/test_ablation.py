import pytest

from benchmarks import ablation
from benchmarks.ablation import CHANGES, Ablated, bench_ablation, page, read
from benchmarks.places import Places
from nmt_arguments import bind
from pipeline.errors import UserError


def row(change: str, bleu: float, epochs: int = 8) -> Ablated:
    return Ablated(change, epochs, 1, bleu, bleu + 1, "c" * 40, "2026-11-25T10:00:00+00:00", "CPU")


def test_the_page_holds_the_newest_rows_in_order(tmp_path) -> None:
    rows = tmp_path / "rows.jsonl"
    for each in (row("beam 10", 30.0), row("the recipe", 10.0), row("the recipe", 31.0), row("GRU", 5.0, epochs=2)):
        ablation._append(each, rows)
    lines = page(read(rows)).splitlines()
    first, second = lines.index("## After 2 epochs"), lines.index("## After 8 epochs")
    assert first < second
    assert lines[first + 4].startswith("| GRU | 1 | 5.00 | 6.00 | `cccccccccc` | 2026-11-25 | CPU |")
    assert [line.split(" | ")[:3] for line in lines[second + 4 : second + 6]] == [
        ["| the recipe", "1", "31.00"],
        ["| beam 10", "1", "30.00"],
    ]
    assert sum(line.startswith("- ") for line in lines) == len(CHANGES)


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if change.train])
def test_every_change_is_one_that_the_recipe_takes(name: str) -> None:
    from nmt import train

    taken = bind(train, "nmt train", ["attention", "--data=D", "--output=O", *CHANGES[name].train])
    plain = bind(train, "nmt train", ["attention", "--data=D", "--output=O"])
    assert taken.args[1] != plain.args[1]


def test_an_unknown_change_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match=r"^--change: expected one of the recipe, no attention, .*, received 'none'"):
        bench_ablation(Places(work=str(tmp_path)), change="none")
