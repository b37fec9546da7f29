import json
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks.preprocess_loop import preprocess_loop
from pipeline.config import PreprocessConfig
from pipeline.preprocess import preprocess

PAIRS = [(f"the cat number {n} sat on the mat", f"die Katze Nummer {n} sass auf der Matte") for n in range(200)]
VALID = [(f"a dog number {n} barks", f"ein Hund Nummer {n} bellt") for n in range(20)]
# A duplicate, one without a target, one of a sentence of validation, one that is too long in pieces.
BAD = [PAIRS[3], ("nothing", ""), (VALID[0][0], "ein anderer Satz"), ("x y " * 90, "z w " * 90)]


def records(folder: str | Path, split: str) -> list[bytes]:
    files = sorted(map(str, Path(folder).glob(f"{split}*.tfrecord")))
    return list(tf.data.TFRecordDataset(files).as_numpy_iterator())


@pytest.mark.slow
def test_the_loop_makes_the_records_of_the_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {}
    for prefix, pairs in (("", [*PAIRS, *BAD]), ("valid_", VALID)):
        for side, name in enumerate(("source", "target")):
            path = tmp_path / f"{prefix}{name}"
            path.write_text("".join(f"{pair[side]}\n" for pair in pairs))
            files[f"{prefix}{name}"] = str(path)
    languages = {"source_language": "en", "target_language": "de"}
    job = {name: (path,) for name, path in files.items()} | languages | {"max_pieces": 80, "vocab_size": 300}
    manifest = preprocess(PreprocessConfig(**job, output=str(tmp_path / "job")))
    capsys.readouterr()
    loop = files | languages | {"subwords": str(tmp_path / "job" / "joint.spm"), "output": str(tmp_path / "loop")}
    preprocess_loop(**loop, max_pieces=80)
    assert records(tmp_path / "loop", "valid") == records(tmp_path / "job", "valid")
    assert sorted(records(tmp_path / "loop", "train")) == sorted(records(tmp_path / "job", "train"))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["read"], told["train"], told["valid"]) == (len(PAIRS) + len(BAD) + len(VALID), 200, 20)
    rejected = {rule: count for rule, count in manifest.rejected.items() if count}
    assert rejected == {"duplicate": 1, "empty": 1, "leaked": 1, "too_many_pieces": 1}
    assert {rule: told.get(rule, 0) for rule in rejected} == rejected
