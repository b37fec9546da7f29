import pytest

from pipeline.errors import UserError
from serving.exports.release_config import SIGNATURES, ReleaseConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "float16"}, "--weights: expected one of float32, bfloat16, int8, received 'float16'; choose one"),
        (
            {"signatures": ("nbest", "rank")},
            "--signatures: expected some of serving_default, nbest, score, prefix, decode, align, received 'rank';",
        ),
        ({"keep": 0}, "--keep: expected at least 1, received 0"),
        ({"margin": -1.0}, "--margin: expected at least 0, received -1.0"),
        ({"compare_source": "x"}, "--compare-source, --compare-target: expected both or none"),
        ({"compare_target": "x"}, "--compare-source, --compare-target: expected both or none"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        ReleaseConfig(**options)


def test_what_is_taken():
    assert ReleaseConfig() == ReleaseConfig((), "float32", SIGNATURES, None, False, None, None, None, 1.0)
    for options in ({"keep": 1}, {"margin": 0.0}, {"compare_source": "x", "compare_target": "y"}):
        ReleaseConfig(**options)
    for kind in ("float32", "bfloat16", "int8"):
        assert ReleaseConfig(weights=kind).weights == kind
