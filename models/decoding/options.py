"""The settings of search that may differ from sentence to sentence: each a number for all, or one for each."""

from typing import Any, NamedTuple

from keras import ops

from models.config import DecodingConfig


class Options(NamedTuple):
    """See `DecodingConfig` for what they mean; each a number, or `(batch,)`.

    Attributes:
        beam_size: int32.
        length_penalty: float32, as are the next one, `temperature` and `top_p`.
        coverage_penalty: Reads nothing in drawing, as do the two before.
        min_length: int32, as are those that are not float32.
        max_length: Most pieces of a translation, END not counted, if that is fewer than the source's length allows;
            -1 leaves it at that.
        no_repeat_ngram: 0 lets everything be repeated.
        temperature: Above 0 in drawing; search does not read it, nor the next three.
        top_k: 0 draws among all.
        top_p: 1 draws among all.
        seed: Decides what is drawn.
    """

    beam_size: Any
    length_penalty: Any
    coverage_penalty: Any
    min_length: Any
    max_length: Any
    no_repeat_ngram: Any
    temperature: Any
    top_k: Any
    top_p: Any
    seed: Any

    @classmethod
    def of(cls, decoding: DecodingConfig) -> "Options":
        """The numbers of a recipe."""
        return cls(**{name: getattr(decoding, name, -1) for name in cls._fields})


def is_number(value: Any) -> bool:
    """Whether an option is one for all, known as the graph is made."""
    return isinstance(value, int | float)


def is_on(value: Any, off: float = 0) -> bool:
    """Whether an option does anything; one for each sentence may."""
    return not is_number(value) or value != off


def for_each(value: Any, batch: Any, dtype: str) -> Any:
    """An option as one for each sentence, `(batch,)`."""
    return ops.broadcast_to(ops.cast(value, dtype), (batch,))
