import gzip
import itertools
from pathlib import Path

from benchmarks.places import Places
from benchmarks.repeated import repeated, write_repeated


def test_lines_come_round_after_round_with_numbers_of_their_own() -> None:
    lines = [f"line {place}" for place in range(20)]
    found = [*itertools.islice(repeated(lines), 60)]
    assert found[:20] == [f"{line} {number}" for number, line in enumerate(lines)]
    # In round 1 it is places 9 and 19 that repeat round 0, in round 2 places 8 and 18 that repeat round 1.
    assert found[20:30] == [*(f"line {place} {20 + place}" for place in range(9)), "line 9 9"]
    assert [number for number, line in enumerate(found) if line in found[:number]] == [29, 39, 48, 58]
    assert found[48] == found[28] == "line 8 28"


def test_both_files_have_as_many_lines_and_the_same_numbers(tmp_path: Path) -> None:
    for language in ("en", "de"):
        text = "".join(f"{language} {place}\n" for place in range(3))
        (tmp_path / f"train.{language}.gz").write_bytes(gzip.compress(text.encode()))
    folder = write_repeated(Places(multi30k=str(tmp_path), work=str(tmp_path / "work")), 7)
    assert (folder / "train.en").read_text().split("\n") == [
        *(f"en {place} {place}" for place in range(3)),
        *(f"en {place} {3 + place}" for place in range(3)),
        "en 0 6",
        "",
    ]
    assert (folder / "train.de").read_text() == (folder / "train.en").read_text().replace("en", "de")
