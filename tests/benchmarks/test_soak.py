import itertools
import json
import random

import pytest

from benchmarks.soak import Sample, draw_requests, memory_growth, soak
from pipeline.errors import UserError


def test_growth_is_from_the_second_fifth_to_the_last() -> None:
    memory = [1, 5, 90, 100, 120, 999, 0, 110, 121, 200]
    assert memory_growth([Sample(i, each, 0) for i, each in enumerate(memory)]) == pytest.approx(160.5 / 95 - 1)
    with pytest.raises(UserError, match=r"^--minutes: expected time for 5 samples, received 4 of them; give more"):
        memory_growth([Sample(i, 1, 0) for i in range(4)])


def test_requests_are_of_all_kinds() -> None:
    requests = list(itertools.islice(draw_requests(random.Random(1), ["a b", "c"], "/v1/models/nmt"), 400))
    assert {request.status for request in requests} == {200, 400, 404}
    counted = [(json.loads(request.body), request.rows) for request in requests if request.rows and request.body]
    assert len(counted) == 300
    assert all(len(body["instances"]) == rows for body, rows in counted)
    assert {body["signature_name"] for body, _ in counted} == {"serving_default", "nbest", "score"}
    assert max(rows for _, rows in counted) == 40
    assert max(len(row["text"]) for body, _ in counted for row in body["instances"]) > 30
    assert {request.path for request in requests if request.body is None} >= {"/healthz", "/openapi.json"}


@pytest.mark.parametrize("wrong", [{"minutes": 0.0}, {"clients": 0}])
def test_no_load(wrong: dict) -> None:
    with pytest.raises(UserError, match=r"^--minutes, --clients: expected more than 0"):
        soak("export", **wrong)


@pytest.mark.slow
def test_no_export(tmp_path) -> None:
    with pytest.raises(UserError, match=r"holds no <version>/saved_model.pb"):
        soak(str(tmp_path), log=str(tmp_path / "log"))


@pytest.mark.slow
def test_failures_are_told_and_end_it(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a model that lacks one of the signatures that are asked for."""
    import tensorflow as tf

    class Upper(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def upper(self, text):
            return {"translation": tf.strings.upper(tf.ensure_shape(text, [None]))}

    module = Upper()
    signatures = {"serving_default": module.upper, "nbest": module.upper}
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=signatures)
    with pytest.raises(SystemExit, match=r"^soak: expected no failures and at most 900% growth, received \d+ and"):
        soak(str(tmp_path), minutes=0.1, clients=2, growth=9.0, log=str(tmp_path / "log"))
    *table, row = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["minutes", "requests", "MiB"] and 1 < len(table) <= 11
    told = json.loads(row)
    assert told["failures"]
    assert all('Serving signature name: \\"score\\" not found' in failure for failure in told["failures"])
    assert told["memory_mib"] > 100
