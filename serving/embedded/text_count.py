"""How much text goes through a model, in characters: pieces are known to the graph alone."""

import threading
from collections.abc import Iterable

import numpy as np

from serving.embedded.batcher import Run, Tensors

# By the names that an export gives them; of an n-best list, the best counts.
_SOURCE, _TARGETS = "text", ("translation", "translations")


class TextCount:
    """Counts the characters of texts and of their translations; for several threads at once.

    Attributes:
        source: Characters of texts to translate.
        target: Characters of translations.
    """

    def __init__(self) -> None:
        self.source = 0
        self.target = 0
        self._lock = threading.Lock()

    def counting(self, run: Run) -> Run:
        """The same function, whose texts are counted when it has run."""

        def run_and_count(signature: str, inputs: Tensors) -> Tensors:
            outputs = run(signature, inputs)
            source = _characters(inputs.get(_SOURCE))
            target = sum(_characters(outputs.get(name)) for name in _TARGETS)
            with self._lock:
                self.source += source
                self.target += target
            return outputs

        return run_and_count


def _characters(texts: np.ndarray | None) -> int:
    """Characters of UTF-8 `(rows,)`, or of the first column of `(rows, columns)`; nothing else has any."""
    if texts is None or texts.dtype != object or not texts.size:
        return 0
    first = texts if texts.ndim < 2 else texts.reshape(len(texts), -1)[:, 0]
    return count_characters(first.ravel())


def count_characters(texts: Iterable[bytes]) -> int:
    """Characters of texts in UTF-8; what is none in it counts as what stands for it, U+FFFD."""
    return sum(len(text.decode(errors="replace")) for text in texts)
