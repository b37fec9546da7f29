"""Requests that chance makes: whatever is sent, the server answers, and with no error of its own."""

import base64
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

chance = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIGNATURES = ["serving_default", "nbest", "score", "align"]
KEYS = ["instances", "inputs", "signature_name", "text", "target", "b64"]
# Half surrogate pairs too, which JSON can hold and UTF-8 cannot.
words = st.text(st.characters(), max_size=20) | st.sampled_from(SIGNATURES)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner),
    max_leaves=12,
)
texts = st.text(max_size=60) | st.text("ab .!?\n\t", max_size=200)
rows = texts | st.fixed_dictionaries({"b64": st.binary(max_size=60).map(lambda text: base64.b64encode(text).decode())})


@pytest.fixture(scope="module")
def http():
    with httpx.Client(timeout=60) as client:
        yield client


@chance
@given(body=st.binary(max_size=100) | st.binary(max_size=50).map(lambda end: b'{"instances": ["a"' + end))
def test_bytes(http, url, body):
    response = http.post(f"{url}:predict", content=body)
    assert response.status_code in (200, 400), body
    assert response.json().keys() == {"predictions" if response.status_code == 200 else "error"}


@chance
@given(
    document=st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
    | st.fixed_dictionaries({"signature_name": st.sampled_from(SIGNATURES), "instances": st.lists(values, max_size=3)})
    | st.fixed_dictionaries({"inputs": values})
)
def test_documents(http, url, document):
    response = http.post(f"{url}:predict", content=json.dumps(document))
    assert response.status_code in (200, 400), document
    expected = {"error"} if response.status_code == 400 else {"predictions"} if "instances" in document else {"outputs"}
    assert response.json().keys() == expected


@chance
@given(rows=st.lists(rows, min_size=1, max_size=6), by_row=st.booleans())
def test_texts(http, url, rows, by_row):
    """Any text has one translation."""
    response = http.post(f"{url}:predict", json={"instances" if by_row else "inputs": rows})
    assert response.status_code == 200
    (translations,) = response.json().values()
    assert [type(each) for each in translations] == [str] * len(rows)
