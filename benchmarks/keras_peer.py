"""The `attention` recipe's model out of Keras's own layers, written the obvious way."""

from typing import Any

import keras
from keras import layers, ops

from models.config import ModelConfig
from pipeline.schema import DECODER_INPUT_IDS, PAD_ID, SOURCE_IDS


class AttentionCell(layers.Layer):
    """An LSTM cell that reads the source before each step (Bahdanau 2015).

    Keras's `RNN` hands nothing but states from step to step, so the memory travels with them.

    Args:
        units: Width of the LSTM's state.
        attention_units: Width of the query.
        memory_units: Width of the memory and of its keys.
    """

    def __init__(self, units: int, attention_units: int, memory_units: int):
        super().__init__()
        self.cell = layers.LSTMCell(units)
        self.query = layers.Dense(attention_units)
        self.attention = layers.AdditiveAttention()
        self.state_size = [units, units, memory_units, attention_units, 1]
        self.output_size = units + memory_units
        self.memory_units, self.attention_units, self.units = memory_units, attention_units, units

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the weights for inputs `(batch, embedding_size)`."""
        self.cell.build((None, input_shape[-1] + self.memory_units))
        self.query.build((None, self.units + input_shape[-1]))
        self.attention.build([(None, 1, self.attention_units), (None, None, self.memory_units)])
        self.built = True

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        """One step.

        Args:
            inputs: `(batch, embedding_size)`.
            states: Hidden and cell state, `(batch, units)`; memory and keys, `(batch, src_len, ...)`; mask
                `(batch, src_len)`.
            training: Passed on.

        Returns:
            Hidden state and context `(batch, units + memory_units)`, and the states.
        """
        hidden, carry, memory, keys, mask = states
        query = ops.expand_dims(self.query(ops.concatenate([hidden, inputs], axis=-1)), 1)
        context = ops.squeeze(self.attention([query, memory, keys], mask=[None, mask]), 1)
        _, (hidden, carry) = self.cell(ops.concatenate([inputs, context], axis=-1), [hidden, carry], training=training)
        return ops.concatenate([hidden, context], axis=-1), [hidden, carry, memory, keys, mask]


def build_keras_model(config: ModelConfig, vocab_size: int) -> keras.Model:
    """Makes the model.

    Args:
        config: Sizes; the parts are those of the `attention` recipe.
        vocab_size: Count of ids, which both languages share.

    Returns:
        From `source_ids (batch, src_len)` and `decoder_input_ids (batch, tgt_len)` to logits
        `(batch, tgt_len, vocab_size)`.
    """
    source_ids = keras.Input((None,), dtype="int32", name=SOURCE_IDS)
    target_ids = keras.Input((None,), dtype="int32", name=DECODER_INPUT_IDS)
    size = config.embedding_size
    initializer = keras.initializers.RandomNormal(stddev=size**-0.5)
    embedding = layers.ReversibleEmbedding(vocab_size, size, embeddings_initializer=initializer)
    source_mask = ops.not_equal(source_ids, PAD_ID)
    source = layers.Dropout(config.dropout)(embedding(source_ids) * size**0.5)
    encoder = layers.Bidirectional(layers.LSTM(config.encoder_units // 2, return_sequences=True, return_state=True))
    memory, forward_h, forward_c, backward_h, backward_c = encoder(source, mask=source_mask)
    keys = layers.Dense(config.attention_units, use_bias=False)(memory)
    bridges = [
        layers.Dense(config.decoder_units, activation="tanh", use_bias=False)(layers.Concatenate()(pair))
        for pair in ((forward_h, backward_h), (forward_c, backward_c))
    ]
    # No mask over the target: it is padded at its end alone, which the loss leaves out.
    target = layers.Dropout(config.dropout)(embedding(target_ids) * size**0.5)
    cell = AttentionCell(config.decoder_units, config.attention_units, config.encoder_units)
    states = [*bridges, memory, keys, source_mask]
    outputs = layers.RNN(cell, return_sequences=True)(target, initial_state=states)
    outputs = layers.Concatenate()([outputs, target])
    hidden = layers.Dense(config.readout_units)(outputs)
    logits = embedding(layers.Dropout(config.dropout)(hidden), reverse=True)
    return keras.Model({SOURCE_IDS: source_ids, DECODER_INPUT_IDS: target_ids}, logits)
