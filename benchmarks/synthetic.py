"""A training without a data set: the `attention` recipe's model, untied, at any size, on random ids (no Keras)."""

import dataclasses

import numpy as np

from models.config import ModelConfig
from pipeline.schema import DECODER_INPUT_IDS, END_ID, SOURCE_IDS, START_ID


@dataclasses.dataclass(frozen=True)
class Synthetic:
    """What is trained, and for how long.

    Attributes:
        units: Width of the encoder, of the decoder and of attention; embeddings are half as wide.
        layers: Depth of the encoder and of the decoder.
        pairs: Pairs of a batch.
        length: Pieces of a source and of a target, END included; there is no padding.
        vocab_size: Count of source ids and of target ids.
        steps: Steps that are measured.
        warmup_steps: Steps before them.
    """

    units: int = 512
    layers: int = 1
    pairs: int = 64
    length: int = 16
    vocab_size: int = 8000
    steps: int = 50
    warmup_steps: int = 10

    @property
    def model(self) -> ModelConfig:
        """The settings of the model."""
        return ModelConfig(
            encoder_units=self.units,
            encoder_layers=self.layers,
            decoder_units=self.units,
            decoder_layers=self.layers,
            embedding_size=self.units // 2,
            attention_units=self.units,
            readout_units=self.units // 2,
        )

    @property
    def tokens(self) -> int:
        """Source and target tokens of a batch."""
        return 2 * self.pairs * self.length

    def options(self) -> list[str]:
        """As words of a command line."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(self).items()]

    def batch(self, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Draws a batch.

        Args:
            seed: Decides the ids.

        Returns:
            `({"source_ids": (pairs, length), "decoder_input_ids": (pairs, length)}, target_ids (pairs, length))`,
            int32.
        """
        shape = (2, self.pairs, self.length)
        source, target = np.random.default_rng(seed).integers(END_ID + 1, self.vocab_size, shape, np.int32)
        source[:, -1] = target[:, -1] = END_ID
        decoder_input = np.concatenate([np.full_like(target[:, :1], START_ID), target[:, :-1]], axis=1)
        return {SOURCE_IDS: source, DECODER_INPUT_IDS: decoder_input}, target
