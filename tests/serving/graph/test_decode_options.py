import pytest

from pipeline.errors import UserError
from serving.graph.decode_options import OPTIONS, filled


def test_what_is_not_given_is_as_exported():
    assert filled({}) == dict.fromkeys(OPTIONS, -1)
    assert list(OPTIONS) == [
        *("beam_size", "length_penalty", "coverage_penalty", "min_length", "max_length", "no_repeat_ngram"),
        *("temperature", "top_k", "top_p", "seed"),
    ]
    # A whole number is a number, too.
    assert filled({"seed": 2**31 - 1, "top_p": 1, "temperature": 0.5}) == dict.fromkeys(OPTIONS, -1) | {
        "seed": 2**31 - 1,
        "top_p": 1,
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 3}, r"^beam: expected one of the options beam_size, length_penalty, .*, seed, received another; "),
        ({"beam_size": 2.0}, r"^beam_size: expected a whole number, received 2\.0; correct it$"),
        ({"beam_size": True}, r"^beam_size: expected a whole number, received True"),
        ({"top_p": "0.5"}, r"^top_p: expected a number, received '0\.5'"),
        ({"seed": 2**31}, r"^seed: expected at most 2147483647, received 2147483648; choose a smaller one$"),
    ],
)
def test_what_is_no_option(options, message):
    with pytest.raises(UserError, match=message):
        filled(options)
