"""What a decoder reads and carries: a source, a state, and the steps of a whole target."""

from typing import Any, NamedTuple

from models.recurrent.cell import State
from models.recurrent.loops import take


class Source(NamedTuple):
    """What every step of the decoder knows of a source; each part is an empty tuple where the model has none.

    Attributes:
        memory: What attention reads.
        summary: The encoder's last state, for a decoder that sees it at every step, `(batch, encoder_units)`.
    """

    memory: Any
    summary: Any

    def take(self, rows: Any) -> "Source":
        """That of the sentences `rows (m,)`."""
        return Source(
            self.memory.take(rows) if self.memory else (),
            () if isinstance(self.summary, tuple) else take(self.summary, rows),
        )


class DecoderState(NamedTuple):
    """What goes from step to step; a part is an empty tuple where the model has none.

    Attributes:
        layers: The state of each layer, each part `(batch, n, ...)`.
        noted: What attention above notes of its readings.
        fed: What the output layer read last, for input feeding, `(batch, n, width)`.
    """

    layers: tuple[State, ...]
    noted: tuple[Any, ...] = ()
    fed: Any = ()


class Steps(NamedTuple):
    """What the steps of a whole target read, time first.

    Attributes:
        ids: The tokens, `(tgt_len, batch, n)`.
        own: Where the likeliest token of the step before is read instead, `(tgt_len, batch, 1, 1)` bool; an empty tuple
            for nowhere.
        masks: What is left of the embedding, of each layer's input but the lowest's, and of the readout, each
            `(tgt_len, batch, n, width)`; an empty list drops nothing.
    """

    ids: Any
    own: Any = ()
    masks: Any = ()
