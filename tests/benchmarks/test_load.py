from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import apply_load, rate


@pytest.fixture(scope="module")
def url(upper_export: Path) -> Iterator[str]:
    from serving.embedded.server import running

    with running(str(upper_export)) as url:
        yield url


@pytest.mark.parametrize("clients", [1, 5])
def test_every_sentence_gets_its_translation(url: str, clients: int) -> None:
    sentences = [f"é{number}" for number in range(40)]
    measured = apply_load(url, sentences, clients)
    assert measured.translations == [f"É{number}" for number in range(40)]
    assert len(measured.seconds) == 40
    assert min(measured.seconds) > 0
    assert measured.rate > 0


def test_a_refusal_ends_it(url: str) -> None:
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 404 Not Found: .*Servable not found"):
        apply_load(f"{url}2", ["a", "b"], 1)


def test_the_rate_is_that_of_the_time_with_work_for_all() -> None:
    # Two clients; from 1.0 to 4.0, when the last is sent, two are answered, and one in that moment.
    assert rate([(1.0, 2.5), (1.0, 3.0), (2.5, 4.0), (3.0, 5.0), (4.0, 9.0)]) == 1.0
