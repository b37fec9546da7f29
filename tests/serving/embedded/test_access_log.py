import datetime
import json
import logging
import re

import httpx
import pytest

from serving.embedded.access_log import JsonFormatter, logging_to_stderr
from serving.embedded.config import ServerConfig
from serving.embedded.server import running


def logged(capsys):
    """The objects on stderr, a line each."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_is_a_line(small_export, capsys):
    with logging_to_stderr(), running(str(small_export)) as url:
        for method, target, body in (
            ("POST", f"{url}:predict", {"inputs": ["secret", "b"]}),
            ("POST", f"{url}:predict", {"inputs": 3}),
            ("GET", f"{url}?secret", None),
        ):
            httpx.request(method, target, json=body, headers={"X-Request-ID": "a-1"})
    lines = logged(capsys)
    keys = ["time", "level", "logger", "message", "request_id", "method", "path", "status", "rows", "milliseconds"]
    assert [list(line) for line in lines] == [keys] * 3
    told = [(line["request_id"], line["method"], line["path"], line["status"], line["rows"]) for line in lines]
    assert told == [
        ("a-1", "POST", "/v1/models/nmt:predict", 200, 2),
        ("a-1", "POST", "/v1/models/nmt:predict", 400, None),
        ("a-1", "GET", "/v1/models/nmt", 404, None),
    ]
    assert all(0 < line["milliseconds"] < 10_000 for line in lines)
    assert {line["logger"] for line in lines} == {"serving.embedded.access_log"}
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(lines[0]["time"])
    assert 0 <= age.total_seconds() < 60
    assert "secret" not in json.dumps(lines)


def test_the_text_is_logged_when_that_is_asked_for(small_export, capsys):
    with logging_to_stderr(), running(str(small_export), config=ServerConfig(log_text=True)) as url:
        httpx.post(f"{url}:predict", content='{"inputs": ["ä\u2028b"]}'.encode())
    (line,) = logged(capsys)
    assert line["text"] == '{"inputs": ["ä\u2028b"]}'


@pytest.mark.parametrize("given", ["a", "0b7c.d_e:f-9", "x" * 128])
def test_a_sane_id_is_kept(url_of_small, given):
    assert httpx.get(url_of_small, headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"', "ä".encode(), "a\tb"])
def test_any_other_id_is_replaced(url_of_small, given):
    answered = [httpx.get(url_of_small, headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in answered)
    assert answered[0] != answered[1]


@pytest.mark.parametrize("path", ["/healthz", "/elsewhere", "/v1/models/other"])
def test_every_answer_has_an_id(url_of_small, path):
    assert httpx.get(httpx.URL(url_of_small).join(path)).headers["X-Request-ID"]


@pytest.fixture(scope="module")
def url_of_small(small_export):
    with running(str(small_export)) as url:
        yield url


def test_an_error_is_one_line_too():
    try:
        raise ZeroDivisionError("a\nslip")
    except ZeroDivisionError as error:
        record = logging.LogRecord("a", logging.ERROR, "", 0, "while %s", ("b",), (type(error), error, None))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("ERROR", "while b")
    assert told["exception"].endswith("ZeroDivisionError: a\nslip")


def test_loggers_are_left_as_they_were():
    loggers = [logging.getLogger(name) for name in ("serving", "uvicorn")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    with logging_to_stderr():
        assert all(logger.handlers and not logger.propagate for logger in loggers)
    assert [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers] == before
