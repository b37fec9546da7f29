"""The decoder: the target so far and the source's memory to the next token's logits."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from models.attention import Memory, make_attention
from models.cells import State
from models.config import ModelConfig
from models.embedding import Embedding
from models.encoder import Encoded
from models.loops import linear, take
from models.readout import Readout
from models.recurrence import Recurrence
from models.side import Side
from pipeline.schema import PAD_ID, START_ID


class Source(NamedTuple):
    """What every step of the decoder knows of a source; each part is an empty tuple where the model has none.

    Attributes:
        memory: What attention reads.
        summary: The encoder's last state, for a decoder that sees it at every step, `(batch, encoder_units)`.
    """

    memory: Memory | tuple[()]
    summary: Any

    def take(self, rows: Any) -> "Source":
        """That of the sentences `rows (m,)`."""
        return Source(
            self.memory.take(rows) if self.memory else (),
            () if isinstance(self.summary, tuple) else take(self.summary, rows),
        )


@keras.saving.register_keras_serializable(package="keras_nmt")
class Decoder(Side):
    """Recurrent layers over the target; the lowest reads the source (Bahdanau 2015, section A.2.2)."""

    def __init__(self, embedding: Embedding, config: ModelConfig, **kwargs: Any):
        super().__init__(embedding, config, **kwargs)
        self.is_tied = config.tie_embeddings != "none"
        asks_with_input = config.attention_query == "state-and-input"
        self.attention = make_attention(config.attention, config.attention_units, asks_with_input)
        cell, units, bias = config.cell, config.decoder_units, config.forget_bias
        self.recurrences = [
            Recurrence(cell, units, None if depth else self.attention, bias, name=f"layer_{depth}")
            for depth in range(config.decoder_layers)
        ]
        self.readout = Readout(config.readout, config.readout_units, name="readout")
        self._never_chosen = np.zeros(embedding.vocab_size, "float32")
        self._never_chosen[[PAD_ID, START_ID]] = -np.inf

    def build(self, ids_shape: Any = None) -> None:
        """Makes the weights."""
        encoder_units, units = self.config.encoder_units, self.config.decoder_units
        self.embedding.build_once()
        context_units = encoder_units if self.attention or self.config.context != "initial" else 0
        width = self.embedding.units + (0 if self.attention else context_units)
        for recurrence in self.recurrences:
            recurrence.build(width, encoder_units)
            width = units
        parts = self.recurrences[0].cell.state_parts
        if self.config.context != "every-step":
            bridges = (encoder_units, len(self.recurrences) * units)
            self.bridge_kernel = [self.add_weight(name=f"bridge_kernel_{part}", shape=bridges) for part in range(parts)]
        self.readout.build(width + context_units + (self.embedding.units if self.config.readout_reads_input else 0))
        if not self.is_tied:
            self.output_table = self.add_weight(
                name="output_table", shape=(self.embedding.vocab_size, self.readout.units)
            )
        self.output_bias = self.add_weight(name="output_bias", shape=(self.embedding.vocab_size,), initializer="zeros")
        self.built = True

    def start(self, encoded: Encoded) -> tuple[Source, tuple[State, ...]]:
        """What is computed once a sentence.

        Returns:
            The source, and the state of each layer, each part `(batch, 1, units)`. The bridge is one tanh layer for
            each part of the state (Bahdanau 2015, section A.2.2).
        """
        memory = self.recurrences[0].remember(encoded.values, encoded.mask)
        summary = () if self.attention or self.config.context == "initial" else encoded.state[0]
        if self.config.context == "every-step":
            units = self.config.decoder_units
            zeros = ops.zeros_like(encoded.state[0][:, None, :1]) + ops.zeros((units,), self.compute_dtype)
            state = tuple((zeros,) * recurrence.cell.state_parts for recurrence in self.recurrences)
            return Source(memory, summary), state
        bridged = [
            ops.split(ops.tanh(linear(part, kernel))[:, None], len(self.recurrences), axis=-1)
            for part, kernel in zip(encoded.state, self.bridge_kernel, strict=True)
        ]
        return Source(memory, summary), tuple(zip(*bridged, strict=True))

    def call(self, decoder_input_ids: Any, source: Source, state: tuple[State, ...], training: bool = False) -> Any:
        """Runs over a whole target, layer by layer.

        Args:
            decoder_input_ids: START and the target without its last id, `(batch, tgt_len)`.
            source: From `start`.
            state: From `start`.
            training: Whether to drop units.

        Returns:
            What the output layer reads, `(batch, tgt_len, width)`.
        """
        embedded = self.embedding(ops.transpose(decoder_input_ids)[:, :, None])
        embedded = self.dropout(embedded, training=training)
        inputs, contexts = self._inputs(embedded, source), ()
        for depth, (recurrence, initial) in enumerate(zip(self.recurrences, state, strict=True)):
            inputs = self.dropout(inputs, training=training) if depth else inputs
            if recurrence.attention:
                states, contexts = recurrence(inputs, initial, source.memory)
            else:
                states, _ = recurrence(inputs, initial)
            inputs = states[0]
        hidden = self.dropout(self._hidden(inputs, contexts, embedded, source), training=training)
        return ops.transpose(hidden[:, :, 0], (1, 0, 2))

    def stepper(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any]]:
        """Makes the step of search, for which the weights are put together once.

        Args:
            choices: Ids of the tokens that may be chosen, `(choices,)`; by default the whole vocabulary.

        Returns:
            From the last token of each hypothesis `(batch, n)`, the source and the state of each layer, each part
            `(batch, n, units)`, to logits `(batch, n, choices)`, minus infinity for PAD and START, and the new state.
        """
        table, bias = self.output_weights()
        bias = bias + self._never_chosen
        if choices is not None:
            table, bias = take(table, choices), take(bias, choices)
        kernel = ops.transpose(table)
        steps = [recurrence.stepper() for recurrence in self.recurrences]

        def run(ids: Any, source: Source, state: tuple[State, ...]) -> tuple[Any, tuple[State, ...]]:
            embedded = self.embedding(ids)
            inputs, context, new_state = self._inputs(embedded, source), (), []
            for recurrence, step, before in zip(self.recurrences, steps, state, strict=True):
                after, attended = step(inputs, before, source.memory if recurrence.attention else ())
                context = attended if recurrence.attention else context
                new_state.append(after)
                inputs = after[0]
            return linear(self._hidden(inputs, context, embedded, source), kernel, bias), tuple(new_state)

        return run

    def output_weights(self) -> tuple[Any, Any]:
        """Table `(vocab, width)`, a row a token, and bias `(vocab,)` of the output layer."""
        table = self.embedding.table if self.is_tied else self.output_table
        return ops.convert_to_tensor(table), ops.convert_to_tensor(self.output_bias)

    def _inputs(self, embedded: Any, source: Source) -> Any:
        """The lowest layer's inputs: embeddings `(..., batch, n, embedding_size)` and the summary, if any."""
        if isinstance(source.summary, tuple):
            return embedded
        return ops.concatenate([embedded, self._spread(source.summary, embedded)], axis=-1)

    @staticmethod
    def _spread(summary: Any, like: Any) -> Any:
        """The summary `(batch, encoder_units)` for every hypothesis and step of `like (..., batch, n, units)`."""
        return summary[:, None] + ops.zeros_like(like[..., :1])

    def _hidden(self, state: Any, context: Any, embedded: Any, source: Source) -> Any:
        """What the output layer sees of state, context and embedding."""
        if not isinstance(source.summary, tuple):
            context = self._spread(source.summary, embedded)
        parts = [state] if isinstance(context, tuple) else [state, context]
        return self.readout([*parts, embedded] if self.config.readout_reads_input else parts)
