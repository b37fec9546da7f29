"""The decoder: the target so far and the source's memory to the next token's logits."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from models.attention import Attention
from models.attentions import make_attention
from models.bridge import Bridge
from models.cell import State
from models.config import ModelConfig
from models.embedding import Embedding
from models.encoder import Encoded
from models.loops import linear, scan, stack, take
from models.readout import Readout
from models.side import Side
from pipeline.schema import PAD_ID, START_ID


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


@keras.saving.register_keras_serializable(package="keras_nmt")
class Decoder(Side):
    """Recurrent layers over the target.

    Attention is read `inside` the lowest layer, before its cell's step (Bahdanau 2015, section A.2.2), or `above` the
    top one, after its step (Luong 2015). What is read inside is known before the layers above run: they run one after
    the other over all steps. With input feeding, or attention above, all layers take one step together, the step of
    search.
    """

    leading_axes = 3

    def __init__(self, embedding: Embedding, config: ModelConfig, **kwargs: Any):
        super().__init__(embedding, config, **kwargs)
        self.is_tied = config.tie_embeddings != "none"
        attention = make_attention(config)
        is_inside = config.attention_place == "inside"
        self.attention_above: Attention | None = None if is_inside else attention
        self.recurrences = [
            self.recurrence(
                config.decoder_units, f"layer_{depth}", attention=attention if is_inside and not depth else None
            )
            for depth in range(config.decoder_layers)
        ]
        self.steps_together = config.input_feeding or not is_inside
        self.bridge = Bridge(config.bridge, config.decoder_layers, config.decoder_units, name="bridge")
        self.readout = Readout(config.readout, config.readout_units, name="readout")
        self._never_chosen = np.zeros(embedding.vocab_size, "float32")
        self._never_chosen[[PAD_ID, START_ID]] = -np.inf

    def build(self, ids_shape: Any = None) -> None:
        """Makes the weights."""
        config = self.config
        encoder_units, units = config.encoder_units, config.decoder_units
        self.embedding.build_once()
        summary_units = encoder_units if config.summary_at_every_step else 0
        context_units = encoder_units if config.attention != "none" else summary_units
        self.readout.build(units + context_units + (self.embedding.units if config.readout_reads_input else 0))
        width = self.embedding.units + summary_units + (self.readout.units if config.input_feeding else 0)
        for recurrence in self.recurrences:
            recurrence.build(width, encoder_units)
            width = units + (encoder_units if config.context_to_all_layers else 0)
        self.bridge.build(encoder_units, self.recurrences[0].cell.state_parts)
        if self.attention_above:
            self.attention_above.build(units, encoder_units)
        if not self.is_tied:
            self.output_table = self.add_weight(
                name="output_table", shape=(self.embedding.vocab_size, self.readout.units)
            )
        self.output_bias = self.add_weight(name="output_bias", shape=(self.embedding.vocab_size,), initializer="zeros")
        self.built = True

    def start(self, encoded: Encoded) -> tuple[Source, DecoderState]:
        """What is computed once a sentence: the source, and the first state, each part `(batch, 1, ...)`."""
        if self.attention_above:
            memory: Any = self.attention_above.remember(encoded.values, encoded.mask)
        else:
            memory = self.recurrences[0].remember(encoded.values, encoded.mask)
        layers = tuple(
            recurrence.first_state(state, memory)
            for recurrence, state in zip(self.recurrences, self.bridge(encoded.states), strict=True)
        )
        source = Source(memory, encoded.summary if self.config.summary_at_every_step else ())
        noted = self.attention_above.first_memo(memory) if self.attention_above else ()
        fed = ()
        if self.config.input_feeding:
            fed = ops.zeros_like(encoded.summary[:, None, :1]) + ops.zeros((self.readout.units,), self.compute_dtype)
        return source, DecoderState(layers, noted, fed)

    def call(
        self, decoder_input_ids: Any, source: Source, state: DecoderState, training: bool = False, own: Any = None
    ) -> Any:
        """Runs over a whole target.

        Args:
            decoder_input_ids: START and the target without its last id, `(batch, tgt_len)`.
            source: From `start`.
            state: From `start`.
            training: Whether to drop units.
            own: In which steps to read the likeliest token of the step before instead, `(tgt_len, batch, 1, 1)` bool;
                by default in none.

        Returns:
            What the output layer reads, `(batch, tgt_len, width)`.
        """
        embedded = self.embedding(ops.transpose(decoder_input_ids)[:, :, None])
        if self.steps_together or own is not None:
            hidden = self._run_together(embedded, source, state, training, own)
        else:
            hidden = self._run_by_layer(self.drop(embedded, training), source, state, training)
        return ops.transpose(hidden[:, :, 0], (1, 0, 2))

    def _run_by_layer(self, embedded: Any, source: Source, state: DecoderState, training: bool) -> Any:
        inputs, contexts = self._inputs(embedded, source), ()
        for depth, (recurrence, initial) in enumerate(zip(self.recurrences, state.layers, strict=True)):
            below = self.dropout(inputs, training=training) if depth else inputs
            below = self._with_context(below, contexts) if depth else below
            if recurrence.attention:
                states, contexts = recurrence(below, initial, source.memory, training=training)
            else:
                states, _ = recurrence(below, initial, training=training)
            inputs = states[0] + inputs if self.config.residual and depth else states[0]
        return self.dropout(self._hidden(inputs, contexts, embedded, source), training=training)

    def _run_together(self, embedded: Any, source: Source, state: DecoderState, training: bool, own: Any) -> Any:
        step, masks = self._step(training), self._masks(embedded, training)
        logits_of = None if own is None else self._logits()

        def run(carry: tuple[DecoderState, Any], row: Any) -> tuple[tuple[DecoderState, Any], Any]:
            (state, last), (embedded, is_own, masks) = carry, row
            if logits_of:
                embedded = ops.where(is_own, self.embedding(last), embedded)
            if masks:
                embedded, masks = embedded * masks[0], masks[1:]
            hidden, state = step(embedded, source, state, masks)
            return (state, ops.argmax(logits_of(hidden), axis=-1) if logits_of else ()), hidden

        first = () if own is None else ops.full_like(embedded[0, :, :, 0], START_ID, dtype="int32")
        return stack(scan(run, (state, first), (embedded, () if own is None else own, masks))[1])

    def _masks(self, embedded: Any, training: bool) -> list[Any]:
        """What is left, in each step, of the embedding, of each layer's input but the lowest's, and of the readout.

        They are drawn outside the loop, as not every backend can draw in it; an empty list drops nothing.
        """
        if not training or not (self.config.dropout or self.config.word_dropout):
            return []
        ones = ops.ones_like(embedded[..., :1])
        widths = [self.config.decoder_units] * (len(self.recurrences) - 1) + [self.readout.units]
        kept = [ones * ops.ones((width,), ones.dtype) for width in widths]
        return [self.drop(ops.ones_like(embedded), True), *(self.dropout(mask, training=True) for mask in kept)]

    def _step(self, training: bool = False) -> Callable[..., tuple[Any, DecoderState]]:
        """Makes the step of all layers: embeddings, source, state and masks to what the output layer reads, and state.

        The masks are those of what enters each layer but the lowest, and of what the output layer reads; none drops
        nothing.
        """
        steps = [recurrence.stepper(training) for recurrence in self.recurrences]

        def run(embedded: Any, source: Source, state: DecoderState, masks: Any = ()) -> tuple[Any, DecoderState]:
            inputs, context, noted, layers = self._inputs(embedded, source, state.fed), (), (), []
            for depth, (recurrence, step) in enumerate(zip(self.recurrences, steps, strict=True)):
                below = inputs * masks[depth - 1] if depth and masks else inputs
                below = self._with_context(below, context) if depth else below
                after, attended = step(below, state.layers[depth], source.memory if recurrence.attention else ())
                context = attended if recurrence.attention else context
                layers.append(after)
                inputs = after[0] + inputs if self.config.residual and depth else after[0]
            if self.attention_above:
                context, noted = self.attention_above.look(source.memory, inputs, state.noted)
            hidden = self._hidden(inputs, context, embedded, source)
            hidden = hidden * masks[-1] if masks else hidden
            return hidden, DecoderState(tuple(layers), noted, hidden if self.config.input_feeding else ())

        return run

    def stepper(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any]]:
        """Makes the step of search, for which the weights are put together once.

        Args:
            choices: Ids of the tokens that may be chosen, `(choices,)`; by default the whole vocabulary.

        Returns:
            From the last token of each hypothesis `(batch, n)`, the source and the state, each part `(batch, n, ...)`,
            to logits `(batch, n, choices)`, minus infinity for PAD and START, and the new state.
        """
        logits_of, step = self._logits(choices), self._step()

        def run(ids: Any, source: Source, state: DecoderState) -> tuple[Any, DecoderState]:
            hidden, state = step(self.embedding(ids), source, state)
            return logits_of(hidden), state

        return run

    def _logits(self, choices: Any = None) -> Callable[[Any], Any]:
        """Makes the output layer of search, for some tokens `(choices,)` or all; see `stepper`."""
        table, bias = self.output_weights()
        bias = bias + self._never_chosen
        if choices is not None:
            table, bias = take(table, choices), take(bias, choices)
        kernel = ops.transpose(table)
        return lambda hidden: linear(hidden, kernel, bias)

    def output_weights(self) -> tuple[Any, Any]:
        """Table `(vocab, width)`, a row a token, and bias `(vocab,)` of the output layer."""
        table = self.embedding.table if self.is_tied else self.output_table
        return ops.convert_to_tensor(table), ops.convert_to_tensor(self.output_bias)

    def _inputs(self, embedded: Any, source: Source, fed: Any = ()) -> Any:
        """The lowest layer's inputs: embeddings `(..., batch, n, embedding_size)`, the summary and what is fed."""
        parts = [embedded]
        if not isinstance(source.summary, tuple):
            parts.append(self._spread(source.summary, embedded))
        if not isinstance(fed, tuple):
            parts.append(fed)
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else embedded

    def _with_context(self, inputs: Any, context: Any) -> Any:
        """The inputs of a layer but the lowest: with the context, where all layers get it (Wu 2016, section 3)."""
        return ops.concatenate([inputs, context], axis=-1) if self.config.context_to_all_layers else inputs

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
