"""The options of the signature `decode`, by which each text of a request is searched, or drawn, in a way of its own."""

from collections.abc import Mapping

from pipeline.errors import UserError

# What each is a number of, by the name of its input.
OPTIONS: dict[str, type[int] | type[float]] = {
    "beam_size": int,
    "length_penalty": float,
    "coverage_penalty": float,
    "min_length": int,
    "max_length": int,
    "no_repeat_ngram": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "seed": int,
}
LARGEST = 2**31 - 1
# Stands for the exported setting, as does NaN, which not every JSON can hold.
DEFAULT = -1


def filled(options: Mapping[str, float]) -> dict[str, float]:
    """All options, with what stands for the exported setting for those that are not given.

    Raises:
        UserError: There is no option of a name, or it is another kind of number.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise UserError(f"{name}: expected one of the options {', '.join(OPTIONS)}, received another; correct it")
        if isinstance(value, bool) or not isinstance(value, (int, OPTIONS[name])):
            kind = "a whole number" if OPTIONS[name] is int else "a number"
            raise UserError(f"{name}: expected {kind}, received {value!r}; correct it")
        if OPTIONS[name] is int and not -1 <= value <= LARGEST:
            raise UserError(f"{name}: expected at most {LARGEST}, received {value}; choose a smaller one")
    return {name: options.get(name, DEFAULT) for name in OPTIONS}
