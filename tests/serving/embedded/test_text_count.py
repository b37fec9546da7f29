import concurrent.futures

import numpy as np
import pytest

from serving.embedded.status import Code, StatusError
from serving.embedded.text_count import TextCount


def texts(*lines):
    return np.array([line.encode() for line in lines], object)


def test_characters_of_both_sides():
    count = TextCount()
    answers = {
        # 5 and 3 characters, in 7 and 3 bytes.
        "serving_default": {"translation": texts("größe", "abc")},
        # The best of each list: 2 and 1 characters.
        "nbest": {"translations": np.array([[b"ab", b"abcd"], [b"a", b""]], object), "scores": np.zeros([2, 2])},
        # A JSON string is no text.
        "score": {"log_probability": np.zeros(2), "pieces": texts("[1, 2]", "[3]")},
    }
    run = count.counting(lambda signature, inputs: answers[signature])
    assert run("serving_default", {"text": texts("a b", "")}) is answers["serving_default"]
    assert (count.source, count.target) == (3, 8)
    run("nbest", {"text": texts("日本", "x")})
    assert (count.source, count.target) == (6, 11)
    run("score", {"text": texts("abc", "d"), "target": texts("efghij", "k")})
    assert (count.source, count.target) == (10, 11)


@pytest.mark.parametrize(
    "text", [np.array([], object), np.zeros(3, np.int32), np.array(b"alone", object), np.array([b"\xff"], object)]
)
def test_odd_inputs(text):
    count = TextCount()
    count.counting(lambda signature, inputs: {})("serving_default", {"text": text})
    expected = {(): 5, (1,): 1}.get(text.shape, 0)
    assert (count.source, count.target) == (expected, 0)


def test_a_run_that_fails_counts_nothing():
    def fail(signature, inputs):
        raise StatusError(Code.INTERNAL, "no")

    count = TextCount()
    with pytest.raises(StatusError):
        count.counting(fail)("serving_default", {"text": texts("abc")})
    assert (count.source, count.target) == (0, 0)


def test_several_threads():
    count = TextCount()
    run = count.counting(lambda signature, inputs: {"translation": inputs["text"]})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run("serving_default", {"text": texts("abc")}), range(2000)))
    assert (count.source, count.target) == (6000, 6000)
