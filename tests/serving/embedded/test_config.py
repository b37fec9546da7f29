import math

import pytest

from pipeline.errors import UserError
from serving.embedded.config import BatcherConfig, ServerConfig


@pytest.mark.parametrize(
    ("settings", "name", "least", "most"),
    [
        (BatcherConfig, "max_batch_size", 1, 65_536),
        (BatcherConfig, "parallel_runs", 1, 256),
        (BatcherConfig, "max_queued_rows", 1, 1_000_000),
        (ServerConfig, "request_timeout", 0.001, 3600),
        (ServerConfig, "max_body_bytes", 1, 1_073_741_824),
        (ServerConfig, "max_rows", 1, 1_000_000),
        (ServerConfig, "max_characters", 1, 1_073_741_824),
        (ServerConfig, "max_connections", 1, 1_000_000),
        (ServerConfig, "poll_interval", 0, 86_400),
    ],
)
def test_ranges(settings, name, least, most):
    assert getattr(settings(**{name: least}), name) == least
    assert getattr(settings(**{name: most}), name) == most
    for value in (least - 1, most + 1, math.nan):
        with pytest.raises(UserError, match=f"^{name}: expected {least} to {most}, received {value}; choose"):
            settings(**{name: value})


@pytest.mark.parametrize(("given", "missing"), [("certificate", "key"), ("key", "certificate")])
def test_a_certificate_goes_with_its_key(given, missing):
    with pytest.raises(UserError, match=f"expected both or none, received the {given} alone; give the {missing} too"):
        ServerConfig(**{f"tls_{given}": "file"})


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/page", "", "https://"])
def test_an_origin_that_no_browser_sends(origin):
    with pytest.raises(UserError, match=f"--cors-origin: expected an origin .*, received '{origin}'"):
        ServerConfig(cors_origin=(origin,))


@pytest.mark.parametrize("origin", ["*", "https://example.org", "http://localhost:8080"])
def test_an_origin(origin):
    assert ServerConfig(cors_origin=(origin,)).cors_origin == (origin,)
