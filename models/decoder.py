"""The decoder: the target so far and the source's memory to the next token's logits."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from models.attention.base import Attention
from models.attention.kinds import make_attention
from models.bridge import Bridge
from models.config import ModelConfig
from models.decoder_state import DecoderState, Source, Steps
from models.embedding import Embedding
from models.encoder import Encoded
from models.readout import Readout
from models.recurrent.loops import linear, scan, stack, take
from models.side import Side
from pipeline.schema import PAD_ID, START_ID


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
        if self.config.steps_together or own is not None:
            steps = self.steps(ops.transpose(decoder_input_ids)[:, :, None], training, own)
            _, hidden = self.run_together(source, self.first_carry(state, steps), steps, training)
        else:
            embedded = self.embedding(ops.transpose(decoder_input_ids)[:, :, None])
            lengths = ops.count_nonzero(ops.not_equal(decoder_input_ids, PAD_ID), axis=1)
            hidden = self._run_by_layer(embedded, source, state, lengths, training)
        return ops.transpose(hidden[:, :, 0], (1, 0, 2))

    def _run_by_layer(self, embedded: Any, source: Source, state: DecoderState, lengths: Any, training: bool) -> Any:
        embedded = self.drop(embedded, training)
        inputs, contexts = self._inputs(embedded, source), ()
        for depth, (recurrence, initial) in enumerate(zip(self.recurrences, state.layers, strict=True)):
            below = self.dropout(inputs, training=training) if depth else inputs
            below = self._with_context(below, contexts) if depth else below
            if recurrence.attention:
                states, contexts = recurrence(below, initial, source.memory, training=training, lengths=lengths)
            else:
                states, _ = recurrence(below, initial, training=training, lengths=lengths)
            inputs = states[0] + inputs if self.config.residual and depth else states[0]
        return self.dropout(self._hidden(inputs, contexts, embedded, source), training=training)

    def steps(self, ids: Any, training: bool, own: Any = None) -> Steps:
        """What the steps over `ids (tgt_len, batch, n)` read; see `call`.

        What is dropped is drawn here, outside any loop, as not every backend can draw in one.
        """
        if not training or not (self.config.dropout or self.config.word_dropout):
            return Steps(ids, () if own is None else own)
        ones = ops.ones_like(ids[..., None], dtype=self.compute_dtype)
        widths = [self.config.decoder_units] * (len(self.recurrences) - 1) + [self.readout.units]
        embedded, *rest = (ones * ops.ones((width,), ones.dtype) for width in (self.embedding.units, *widths))
        masks = [self.drop(embedded, True), *(self.dropout(mask, training=True) for mask in rest)]
        return Steps(ids, () if own is None else own, masks)

    def first_carry(self, state: DecoderState, steps: Steps) -> tuple[DecoderState, Any]:
        """What `run_together` starts from: a state of `start`, and the last choice, where any is read."""
        last = () if isinstance(steps.own, tuple) else ops.full_like(steps.ids[0], START_ID, dtype="int32")
        return state, last

    def run_together(
        self, source: Source, carry: tuple[DecoderState, Any], steps: Steps, training: bool = False
    ) -> tuple[tuple[DecoderState, Any], Any]:
        """Takes each step with all layers, the step of search.

        Args:
            source: From `start`.
            carry: From `first_carry`, or from the steps before.
            steps: From `steps`, or some of them.
            training: Whether to drop weights; what else is dropped stands in `steps`.

        Returns:
            What goes on to the next steps, and what the output layer reads, `(tgt_len, batch, n, width)`.
        """
        step, reads_own = self._step(training), not isinstance(steps.own, tuple)
        logits_of = self._logits() if reads_own else None

        def run(carry: tuple[DecoderState, Any], row: Any) -> tuple[tuple[DecoderState, Any], Any]:
            (state, last), (embedded, is_own, masks) = carry, row
            if logits_of:
                embedded = ops.where(is_own, self.embedding(last), embedded)
            if masks:
                embedded, masks = embedded * masks[0], masks[1:]
            hidden, state, _ = step(embedded, source, state, masks)
            return (state, ops.argmax(logits_of(hidden), axis=-1) if logits_of else ()), hidden

        carry, hidden = scan(run, carry, (self.embedding(steps.ids), steps.own, steps.masks))
        return carry, stack(hidden)

    def attend(self, decoder_input_ids: Any, source: Source, state: DecoderState) -> Any:
        """What attention reads over a whole target; the arguments are those of `call`.

        Returns:
            The weights `(batch, tgt_len, src_len)`; an empty tuple without attention.
        """
        step = self._step()

        def run(state: DecoderState, embedded: Any) -> tuple[DecoderState, Any]:
            _, state, weights = step(embedded, source, state)
            return state, weights

        weights = stack(scan(run, state, self.embedding(ops.transpose(decoder_input_ids)[:, :, None]))[1])
        return () if isinstance(weights, tuple) else ops.transpose(weights[:, :, 0], (1, 0, 2))

    def _step(self, training: bool = False) -> Callable[..., tuple[Any, DecoderState, Any]]:
        """Makes the step of all layers: from embeddings, source, state and masks.

        It gives what the output layer reads, the state, and the weights of attention, an empty tuple without it. The
        masks are those of what enters each layer but the lowest, and of what the output layer reads; none drops
        nothing.
        """
        steps = [recurrence.stepper(training) for recurrence in self.recurrences]

        def run(embedded: Any, source: Source, state: DecoderState, masks: Any = ()) -> tuple[Any, DecoderState, Any]:
            inputs, context, noted, layers = self._inputs(embedded, source, state.fed), (), (), []
            weights: Any = ()
            for depth, (recurrence, step) in enumerate(zip(self.recurrences, steps, strict=True)):
                below = inputs * masks[depth - 1] if depth and masks else inputs
                below = self._with_context(below, context) if depth else below
                after, attended = step(below, state.layers[depth], source.memory if recurrence.attention else ())
                if recurrence.attention:
                    weights, context = attended, ops.matmul(attended, source.memory.values)
                layers.append(after)
                inputs = after[0] + inputs if self.config.residual and depth else after[0]
            if self.attention_above:
                weights, noted = self.attention_above.look(source.memory, inputs, state.noted)
                context = ops.matmul(weights, source.memory.values)
            hidden = self._hidden(inputs, context, embedded, source)
            hidden = hidden * masks[-1] if masks else hidden
            return hidden, DecoderState(tuple(layers), noted, hidden if self.config.input_feeding else ()), weights

        return run

    def stepper(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any]]:
        """Makes the step of search, for which the weights are put together once.

        Args:
            choices: Ids of the tokens that may be chosen, `(choices,)`; by default the whole vocabulary.

        Returns:
            From the last token of each hypothesis `(batch, n)`, the source and the state, each part `(batch, n, ...)`,
            to logits `(batch, n, choices)`, minus infinity for PAD and START, and the new state.
        """
        watch = self.watcher(choices)
        return lambda ids, source, state: watch(ids, source, state)[:2]

    def watcher(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any, tuple[Any, ...]]]:
        """Makes a step as `stepper` does, which returns the weights of attention, too.

        They are the mean of all heads', `(batch, n, src_len)`, the only ones; none without attention.
        """
        logits_of, step = self._logits(choices), self._step()

        def run(ids: Any, source: Source, state: DecoderState) -> tuple[Any, DecoderState, tuple[Any, ...]]:
            hidden, state, weights = step(self.embedding(ids), source, state)
            return logits_of(hidden), state, () if isinstance(weights, tuple) else (self._mean_of_heads(weights),)

        return run

    def _mean_of_heads(self, weights: Any) -> Any:
        if self.config.attention != "multi-head":
            return weights
        heads = self.config.attention_heads
        return ops.mean(ops.reshape(weights, (ops.shape(weights)[0], weights.shape[1], heads, -1)), axis=2)

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
