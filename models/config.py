"""The settings of a training: one frozen dataclass for each section of a recipe, checked when made."""

import dataclasses
from typing import Any, Literal

from pipeline.errors import UserError


def _require(holds: bool, setting: str, expected: str, received: Any) -> None:
    if not holds:
        raise UserError(
            f"{setting}: expected {expected}, received {received!r}; change the recipe or override --{setting}"
        )


def _require_choice(setting: str, received: Any, *choices: str) -> None:
    _require(received in choices, setting, f"one of {', '.join(choices)}", received)


@dataclasses.dataclass(frozen=True)
class BatchingConfig:
    """How records become batches.

    Attributes:
        unit: What `size` counts: sentence pairs, or tokens of the padded longer side.
        size: The size of a batch, in `unit`.
        max_source_length: Longest source used for training, in pieces, END included; longer pairs are left out.
        max_target_length: The same for the target.
        shuffle_buffer: Count of pairs that are shuffled, and divided into batches of like length, together.
    """

    unit: Literal["sentences", "tokens"] = "sentences"
    size: int = 64
    max_source_length: int = 100
    max_target_length: int = 100
    shuffle_buffer: int = 100_000

    def __post_init__(self) -> None:
        _require_choice("batching.unit", self.unit, "sentences", "tokens")
        for name in ("size", "max_source_length", "max_target_length", "shuffle_buffer"):
            _require(getattr(self, name) >= 1, f"batching.{name}", "at least 1", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The parts of an encoder-decoder and their sizes.

    Attributes:
        cell: `simple` (Elman 1990), `lstm` (Hochreiter and Schmidhuber 1997, Gers 1999) or `gru` (Cho 2014, the
            form that resets after the recurrent product).
        encoder: `unidirectional`, or `bidirectional` (Schuster and Paliwal 1997): each direction has half the units.
        encoder_units: Width of the encoder's output, both directions together.
        encoder_layers: Depth of the encoder.
        decoder_units: Width of the decoder's state.
        decoder_layers: Depth of the decoder; attention and context enter the lowest layer.
        embedding_size: Width of the source and of the target embeddings.
        attention: `none`, or how a query is scored: `additive` (Bahdanau 2015), `dot`, for encoder and decoder of one
            width, or `general`, after a matrix (Luong 2015).
        attention_units: Of additive attention, the width of the layer in which query and key are added.
        attention_query: What attention is asked with before each step: `state-and-input`, the decoder's last state and
            the embedding of the last target token, which that state has not seen yet, or the `state` alone (Bahdanau
            2015).
        context: Without attention, where the encoder's last state enters the decoder: as its `initial` state
            (Sutskever 2014), at `every-step`, or `both` (Cho 2014). With attention the initial state is always used.
        readout: What lies between the decoder's state and context and the output layer: nothing (`linear`), one linear
            layer (`projection`), a `tanh` layer (Luong 2015, equation 5) or a `maxout` layer (Bahdanau 2015, section
            A.2.2).
        readout_units: Width of that layer.
        readout_reads_input: Whether it sees the embedding of the last target token too (Pascanu 2014).
        tie_embeddings: `two-way`: the target embedding is the output layer's table too; `three-way`: and the source
            embedding, for joint subwords (Press and Wolf 2017). Both need a readout as wide as the embedding.
        forget_bias: Initial bias of the LSTM's forget gate (Gers 1999).
        dropout: Share of units dropped of embeddings, between layers and before the output layer (Zaremba 2014).
    """

    cell: Literal["simple", "lstm", "gru"] = "lstm"
    encoder: Literal["unidirectional", "bidirectional"] = "bidirectional"
    encoder_units: int = 512
    encoder_layers: int = 1
    decoder_units: int = 512
    decoder_layers: int = 1
    embedding_size: int = 256
    attention: Literal["none", "additive", "dot", "general"] = "additive"
    attention_units: int = 512
    attention_query: Literal["state", "state-and-input"] = "state-and-input"
    context: Literal["initial", "every-step", "both"] = "initial"
    readout: Literal["linear", "projection", "tanh", "maxout"] = "projection"
    readout_units: int = 256
    readout_reads_input: bool = True
    tie_embeddings: Literal["none", "two-way", "three-way"] = "none"
    forget_bias: float = 1.0
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _require_choice("model.cell", self.cell, "simple", "lstm", "gru")
        _require_choice("model.encoder", self.encoder, "unidirectional", "bidirectional")
        _require_choice("model.attention", self.attention, "none", "additive", "dot", "general")
        _require_choice("model.attention_query", self.attention_query, "state", "state-and-input")
        _require_choice("model.context", self.context, "initial", "every-step", "both")
        _require_choice("model.readout", self.readout, "linear", "projection", "tanh", "maxout")
        _require_choice("model.tie_embeddings", self.tie_embeddings, "none", "two-way", "three-way")
        sizes = (
            "encoder_units",
            "encoder_layers",
            "decoder_units",
            "decoder_layers",
            "embedding_size",
            "attention_units",
            "readout_units",
        )
        for name in sizes:
            _require(getattr(self, name) >= 1, f"model.{name}", "at least 1", getattr(self, name))
        halves = self.encoder == "unidirectional" or self.encoder_units % 2 == 0
        _require(halves, "model.encoder_units", "an even number for two directions", self.encoder_units)
        _require(0 <= self.dropout < 1, "model.dropout", "at least 0 and below 1", self.dropout)
        is_as_wide = self.readout != "linear" and self.readout_units == self.embedding_size
        tied = self.tie_embeddings == "none" or is_as_wide
        readout = "none, or a model.readout other than linear with model.readout_units as model.embedding_size"
        _require(tied, "model.tie_embeddings", readout, self.tie_embeddings)
        dot = self.attention != "dot" or self.encoder_units == self.decoder_units
        width = f"{self.encoder_units}, as model.encoder_units, for model.attention: dot (general takes any)"
        _require(dot, "model.decoder_units", width, self.decoder_units)
        context = self.attention == "none" or self.context == "initial"
        _require(
            context, "model.context", "initial beside attention, which gives a context at every step", self.context
        )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found.

    Attributes:
        epochs: Passes over the training pairs, at most.
        learning_rate: Adam's step size at its highest.
        schedule: `constant`, or `cosine`: from `learning_rate` down to nothing at the last step.
        warmup_steps: Steps over which the step size rises from nothing to `learning_rate`.
        clip_norm: Highest global norm of the gradient (Pascanu 2013).
        label_smoothing: Share of probability spread over the whole vocabulary (Szegedy 2016).
        seed: Decides initial weights, dropout and the order of pairs.
        best_by: Which validation figure decides the weights that are kept, `bleu` or `loss`.
        patience: Epochs without a better one after which training stops; 0 never stops.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_steps: int = 0
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    seed: int = 1
    best_by: Literal["bleu", "loss"] = "bleu"
    patience: int = 0

    def __post_init__(self) -> None:
        _require_choice("training.schedule", self.schedule, "constant", "cosine")
        _require_choice("training.best_by", self.best_by, "bleu", "loss")
        _require(self.epochs >= 1, "training.epochs", "at least 1", self.epochs)
        _require(self.learning_rate > 0, "training.learning_rate", "above 0", self.learning_rate)
        _require(self.clip_norm > 0, "training.clip_norm", "above 0", self.clip_norm)
        smoothing = 0 <= self.label_smoothing < 1
        _require(smoothing, "training.label_smoothing", "at least 0 and below 1", self.label_smoothing)
        _require(self.seed < 2**32, "training.seed", "below 2 ** 32", self.seed)
        for name in ("warmup_steps", "seed", "patience"):
            _require(getattr(self, name) >= 0, f"training.{name}", "at least 0", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class DecodingConfig:
    """How a translation is searched.

    Attributes:
        beam_size: Hypotheses kept; 1 is greedy search.
        length_penalty: The exponent alpha of GNMT's length normalization (Wu 2016, equation 14); 0 turns it off.
        lookahead: A sentence is done when no hypothesis could pass the best finished one by ending within so many
            steps. With a length penalty a longer one may pass later: a lookahead as large as the longest translation
            waits for it, and takes more time.
        shortlist: Count of frequent target tokens to choose among, beside those that a source's own tokens bring; 0
            chooses among all. A training learns what a token brings if its recipe has a shortlist.
        max_source_length: Longest source translated in one part, in pieces, END included; a longer text is divided.
        max_length_factor: A translation has at most factor * source pieces + offset pieces, END included.
        max_length_offset: See `max_length_factor`.
        max_text_pieces: Longest text accepted, in pieces; a longer one is an error, never cut.
    """

    beam_size: int = 5
    length_penalty: float = 1.0
    lookahead: int = 1
    shortlist: int = 0
    max_source_length: int = 100
    max_length_factor: float = 2.0
    max_length_offset: int = 10
    max_text_pieces: int = 100_000

    def __post_init__(self) -> None:
        for name in ("beam_size", "lookahead", "max_length_offset", "max_text_pieces"):
            _require(getattr(self, name) >= 1, f"decoding.{name}", "at least 1", getattr(self, name))
        _require(self.max_source_length >= 2, "decoding.max_source_length", "at least 2", self.max_source_length)
        for name in ("shortlist", "length_penalty", "max_length_factor"):
            _require(getattr(self, name) >= 0, f"decoding.{name}", "at least 0", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The complete settings of one training."""

    batching: BatchingConfig = dataclasses.field(default_factory=BatchingConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    decoding: DecodingConfig = dataclasses.field(default_factory=DecodingConfig)
