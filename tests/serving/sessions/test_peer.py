import asyncio
import types

import pytest

from pipeline.errors import UserError
from serving.sessions import peer
from serving.sessions.peer import LARGEST_BODY, Peer


def make(**changes):
    return Peer(**{"url": "http://a", "timeout": 30.0, "retries": 1, "backoff": 0.1, "api_key": None} | changes)


def test_a_connection_is_waited_for_no_longer_than_an_answer():
    assert (make().connect_timeout, make(timeout=2.0).connect_timeout) == (10, 2)


def test_the_key_is_that_of_the_environment_if_none_is_given(monkeypatch):
    monkeypatch.delenv("NMT_API_KEY", raising=False)
    assert make().authorization == {}
    monkeypatch.setenv("NMT_API_KEY", "s3cret")
    assert make().authorization == {"authorization": "Bearer s3cret"}
    assert make(api_key="other").authorization == {"authorization": "Bearer other"}
    assert make(api_key="").authorization == {}
    monkeypatch.setenv("NMT_API_KEY", "s3 cret")
    with pytest.raises(UserError, match=r"^api_key, NMT_API_KEY: expected printable ASCII"):
        make()


def test_an_error_is_one_line_without_the_key():
    assert str(make(api_key="s3cret").error("answered\n  s3cret")) == "http://a answered ***"


@pytest.mark.parametrize(
    ("attempt", "asked", "least", "most"),
    [(0, 0.0, 0.05, 0.1), (3, 0.0, 0.4, 0.8), (3, 5.0, 5, 5), (10, 0.0, 15, 30), (10_000, 0.0, 15, 30)],
)
def test_pauses_double_up_to_half_a_minute(monkeypatch, attempt, asked, least, most):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    # The module's own: servers of other tests sleep, too.
    monkeypatch.setattr(peer, "asyncio", types.SimpleNamespace(sleep=sleep))
    for _ in range(50):
        asyncio.run(make().pause(attempt, asked))
    assert least <= min(pauses) <= max(pauses) <= most
    # Chance keeps clients that were refused together from coming back together.
    assert len(set(pauses)) == (50 if least < most else 1)


def test_the_largest_request():
    make().check_size(LARGEST_BODY, "JSON")
    with pytest.raises(UserError, match=r"^text: expected at most 16777216 bytes of JSON, received 16777217; divide"):
        make().check_size(LARGEST_BODY + 1, "JSON")
