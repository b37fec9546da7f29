import random

from pipeline.report.examples import Examples


def reject(line, rule="empty", **texts):
    return {"rule": rule, "file": "a|b", "line": line, **texts}


def lines(examples, rule="empty"):
    return [row["line"] for row in examples.by_rule()[rule]]


def test_the_same_examples_in_any_order_and_from_any_parts():
    rows = [reject(line, rule) for line in range(200) for rule in ("empty", "ratio")]
    whole, shuffled, gathered = Examples(3), Examples(3), Examples(3)
    for row in rows:
        whole.add(row)
    for row in random.Random(1).sample(rows, len(rows)):
        shuffled.add(row)
    for start in (300, 0, 100, 200):
        part = Examples(3)
        for row in rows[start : start + 100]:
            part.add(row)
        gathered.add_all(part.by_rule())
    assert whole.by_rule() == shuffled.by_rule() == gathered.by_rule()
    assert len(lines(whole)) == 3 and lines(whole) == sorted(lines(whole)) == lines(whole, "ratio")
    # Not just the first ones.
    assert max(lines(whole)) > 20


def test_fewer_than_wanted_are_all_kept():
    examples = Examples(5)
    examples.add(reject(7))
    assert examples.by_rule() == {"empty": [reject(7)]}


def test_of_long_texts_the_beginning_is_kept():
    examples = Examples()
    examples.add(reject(1, source="x" * 241, target="y" * 240, value=3.5))
    assert examples.by_rule()["empty"] == [reject(1, source="x" * 239 + "…", target="y" * 240, value=3.5)]


def test_a_line_that_two_corpora_read_may_be_rejected_twice():
    rows = [reject(line, source="a", target=target) for line in range(20) for target in ("x", "y", "x")]
    found = []
    for order in (rows, rows[::-1], random.Random(1).sample(rows, len(rows))):
        examples = Examples(4)
        for row in order:
            examples.add(row)
        found.append(examples.by_rule()["empty"])
    assert found[0] == found[1] == found[2]
    # All three of one line, and one of another.
    assert sorted(row["target"] for row in found[0] if row["line"] == found[0][1]["line"]) == ["x", "x", "y"]
    assert len({row["line"] for row in found[0]}) == 2
