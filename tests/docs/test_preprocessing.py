import dataclasses
import re
from pathlib import Path

from pipeline.cleaning.config import RULES, CleaningConfig

PAGE = Path(__file__).parents[2].joinpath("docs/preprocessing.md").read_text("utf-8")


def test_the_table_of_rules_is_in_order_and_tells_the_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|[^|]*\|$", PAGE, re.MULTILINE)
    assert [rule for rule, _ in rows] == list(RULES)
    told = dict(re.findall(r"`(\w+)` ([\w.]+)", " ".join(settings for _, settings in rows)))
    thresholds = [field for field in dataclasses.fields(CleaningConfig) if field.name.startswith(("min_", "max_"))]
    assert told == {field.name: str(field.default).lower() for field in thresholds}
