"""The settings of a training: one frozen dataclass for each section of a recipe, checked when made."""

import dataclasses
from typing import Any, Literal, get_args, get_origin

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
        cell: `simple` (Elman 1990), `relu` (Le 2015), `lstm` (Hochreiter and Schmidhuber 1997, Gers 1999) or
            `lstm-without-forget-gate` (1997 alone), `gru` or `gru-reset-before` (Cho 2014: the state is reset after or
            before the recurrent product), `scrn` (Mikolov 2015), `layer-norm-lstm` and `layer-norm-gru` (Ba 2016),
            `unitary` (Arjovsky 2016).
        recurrent_initializer: Of a recurrent kernel: `orthogonal`, `identity` (Le 2015) or `glorot`.
        forget_bias: Initial bias of the LSTM's forget gate (Gers 1999).
        encoder: `unidirectional`, `bidirectional` (Schuster and Paliwal 1997), or `first-bidirectional`: the lowest
            layer alone (Wu 2016).
        encoder_units: Width of the encoder's output, both directions together.
        encoder_layers: Depth of the encoder.
        encoder_merge: Two directions of half the width side by side (`concat`), or of the whole width, added (`sum`).
        source_order: Whether the source is read `forwards` or `backwards` (Sutskever 2014).
        decoder_units: Width of the decoder's state.
        decoder_layers: Depth of the decoder.
        residual: Whether the input of a layer but the lowest is added to its output (Wu 2016).
        embedding_size: Width of the source and of the target embeddings.
        bridge: The decoder's first state: of the encoder's last, a tanh layer for each part (`dense`, Bahdanau 2015),
            or each layer's own (`copy`, Sutskever 2014); or `zero`.
        summary_at_every_step: Whether the decoder sees the encoder's last state at every step, without attention (Cho
            2014).
        attention: `none`, or how a query is scored: `additive` (Bahdanau 2015; Luong's `concat` is the same),
            `normalized-additive` (Salimans and Kingma 2016), `coverage` (Tu 2016), `multi-head` (Chen 2018), `dot`,
            for encoder and decoder of one width, `scaled-dot` (Vaswani 2017), `general`, after a matrix, or `local`,
            in a window (Luong 2015).
        attention_units: Of the additive kinds, the width of the layer in which query and key are added.
        attention_heads: Of `multi-head`.
        attention_window: Of `local`, the tokens read on either side of the place that is foretold.
        attention_place: Whether the source is read `inside` the lowest layer, before its step (Bahdanau 2015), or
            `above` the top one, after its step (Luong 2015).
        attention_query: What attention inside is asked with before each step: `state-and-input`, the decoder's last
            state and its next input, the embedding of the last target token among it, or the `state` alone (Bahdanau
            2015). Above, the state has seen that input.
        context_to_all_layers: Whether the layers above the lowest get what attention inside reads, too (Wu 2016).
        input_feeding: Whether the lowest layer gets what the output layer read last (Luong 2015, section 3.3).
        readout: What lies between the decoder's state and context and the output layer: nothing (`linear`), one linear
            layer (`projection`), a `tanh` layer (Luong 2015, equation 5) or a `maxout` layer (Bahdanau 2015, section
            A.2.2).
        readout_units: Width of that layer.
        readout_reads_input: Whether it sees the embedding of the last target token too (Pascanu 2014).
        tie_embeddings: `two-way`: the target embedding is the output layer's table too; `three-way`: and the source
            embedding, for joint subwords (Press and Wolf 2017). Both need a readout as wide as the embedding.
        dropout: Share of units dropped of embeddings, between layers and before the output layer (Zaremba 2014).
        variational_dropout: Whether the same ones are dropped in all steps of a sequence (Gal and Ghahramani 2016; in
            place of their masks of recurrent connections there is `weight_drop`).
        word_dropout: Share of tokens whose embedding is dropped as a whole.
        weight_drop: Share of the recurrent kernels' entries that are dropped, the same in all steps (Merity 2018).
    """

    cell: Literal[
        "simple",
        "relu",
        "lstm",
        "lstm-without-forget-gate",
        "gru",
        "gru-reset-before",
        "scrn",
        "layer-norm-lstm",
        "layer-norm-gru",
        "unitary",
    ] = "lstm"
    recurrent_initializer: Literal["orthogonal", "identity", "glorot"] = "orthogonal"
    forget_bias: float = 1.0
    encoder: Literal["unidirectional", "bidirectional", "first-bidirectional"] = "bidirectional"
    encoder_units: int = 512
    encoder_layers: int = 1
    encoder_merge: Literal["concat", "sum"] = "concat"
    source_order: Literal["forwards", "backwards"] = "forwards"
    decoder_units: int = 512
    decoder_layers: int = 1
    residual: bool = False
    embedding_size: int = 256
    bridge: Literal["dense", "copy", "zero"] = "dense"
    summary_at_every_step: bool = False
    attention: Literal[
        "none",
        "additive",
        "normalized-additive",
        "coverage",
        "multi-head",
        "dot",
        "scaled-dot",
        "general",
        "local",
    ] = "additive"
    attention_units: int = 512
    attention_heads: int = 4
    attention_window: int = 10
    attention_place: Literal["inside", "above"] = "inside"
    attention_query: Literal["state", "state-and-input"] = "state-and-input"
    context_to_all_layers: bool = False
    input_feeding: bool = False
    readout: Literal["linear", "projection", "tanh", "maxout"] = "projection"
    readout_units: int = 256
    readout_reads_input: bool = True
    tie_embeddings: Literal["none", "two-way", "three-way"] = "none"
    dropout: float = 0.2
    variational_dropout: bool = False
    word_dropout: float = 0.0
    weight_drop: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            received = getattr(self, field.name)
            if field.type is int:
                _require(received >= 1, f"model.{field.name}", "at least 1", received)
            elif get_origin(field.type) is Literal:
                _require_choice(f"model.{field.name}", received, *get_args(field.type))
        for name in ("dropout", "word_dropout", "weight_drop"):
            _require(0 <= getattr(self, name) < 1, f"model.{name}", "at least 0 and below 1", getattr(self, name))
        self._check_widths()
        self._check_parts()

    def _check_widths(self) -> None:
        two = self.encoder != "unidirectional" and self.encoder_merge == "concat"
        even = not two or self.encoder_units % 2 == 0
        _require(even, "model.encoder_units", "an even number for two directions", self.encoder_units)
        a_direction = self.encoder_units // 2 if two else self.encoder_units
        for name, units in (("encoder_units", a_direction), ("decoder_units", self.decoder_units)):
            fits = self.cell not in ("unitary", "scrn") or (units >= 2 and (self.cell == "scrn" or units % 2 == 0))
            expected = "an even number" if self.cell == "unitary" else "at least 2"
            _require(fits, f"model.{name}", f"{expected} a direction for model.cell: {self.cell}", getattr(self, name))
        one_width = self.encoder_units == self.decoder_units
        width = f"{self.encoder_units}, as model.encoder_units, for"
        dot = self.attention not in ("dot", "scaled-dot") or one_width
        which = f"{width} model.attention: {self.attention} (general takes any)"
        _require(dot, "model.decoder_units", which, self.decoder_units)
        copies, of_copy = self.bridge == "copy", "model.bridge: copy (dense takes any)"
        _require(not copies or one_width, "model.decoder_units", f"{width} {of_copy}", self.decoder_units)
        as_deep = not copies or self.encoder_layers == self.decoder_layers
        depth = f"{self.encoder_layers}, as model.encoder_layers, for {of_copy}"
        _require(as_deep, "model.decoder_layers", depth, self.decoder_layers)
        divided = self.attention != "multi-head" or all(
            units % self.attention_heads == 0 for units in (self.encoder_units, self.attention_units)
        )
        heads = f"a divisor of model.encoder_units, {self.encoder_units}, and of model.attention_units"
        _require(divided, "model.attention_heads", f"{heads}, {self.attention_units}", self.attention_heads)
        is_as_wide = self.readout != "linear" and self.readout_units == self.embedding_size
        tied = self.tie_embeddings == "none" or is_as_wide
        readout = "none, or a model.readout other than linear with model.readout_units as model.embedding_size"
        _require(tied, "model.tie_embeddings", readout, self.tie_embeddings)

    def _check_parts(self) -> None:
        # These have recurrent kernels of their own kinds.
        is_usual = self.cell not in ("gru-reset-before", "scrn", "unitary")
        orthogonal = is_usual or self.recurrent_initializer == "orthogonal"
        whole = is_usual or not self.weight_drop
        of_cell = f"for model.cell: {self.cell}"
        _require(orthogonal, "model.recurrent_initializer", f"orthogonal {of_cell}", self.recurrent_initializer)
        _require(whole, "model.weight_drop", f"0 {of_cell}", self.weight_drop)
        merged = self.encoder_merge == "concat" or self.encoder != "unidirectional"
        _require(merged, "model.encoder_merge", "concat for one direction", self.encoder_merge)
        deep = not self.residual or max(self.encoder_layers, self.decoder_layers) > 1
        _require(deep, "model.residual", "false for one layer", self.residual)
        drops = not self.variational_dropout or self.dropout > 0
        _require(drops, "model.variational_dropout", "false for model.dropout: 0", self.variational_dropout)
        attends = self.attention != "none"
        summary = not (attends and self.summary_at_every_step)
        _require(summary, "model.summary_at_every_step", "false beside attention", self.summary_at_every_step)
        brought = attends or self.summary_at_every_step or self.bridge != "zero"
        _require(brought, "model.bridge", "dense or copy where nothing else brings the source", self.bridge)
        place = self.attention_place == "inside" or (attends and self.attention_query == "state")
        asked = "inside, or model.attention with model.attention_query: state"
        _require(place, "model.attention_place", asked, self.attention_place)
        reaches = attends and self.attention_place == "inside" and self.decoder_layers > 1
        all_layers = not self.context_to_all_layers or reaches
        expected = "false without attention inside and layers above"
        _require(all_layers, "model.context_to_all_layers", expected, self.context_to_all_layers)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found.

    Attributes:
        epochs: Passes over the training pairs, at most.
        learning_rate: Adam's step size at its highest.
        schedule: `constant`, or `cosine`: from `learning_rate` down to nothing at the last step.
        warmup_steps: Steps over which the step size rises from nothing to `learning_rate`.
        clip_norm: Highest global norm of the gradient (Pascanu 2013).
        average_momentum: Of the moving average of the weights (Polyak and Juditsky 1992), which is what is validated and
            kept; 0 keeps the weights themselves.
        label_smoothing: Share of probability spread over the whole vocabulary (Szegedy 2016).
        z_loss: How much the squared logarithm of the softmax's denominator adds to the loss (Chowdhery 2022).
        own_tokens: Share of the target's tokens that are replaced in training by what the model itself would say, as it
            is at the end of the training (Bengio 2015).
        own_tokens_schedule: How it rises: `linear`, `exponential`, or by an `inverse-sigmoid`, from near nothing to
            near all of it.
        seed: Decides initial weights, dropout and the order of pairs.
        best_by: Which validation figure decides the weights that are kept, `bleu` or `loss`.
        patience: Epochs without a better one after which training stops; 0 never stops.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_steps: int = 0
    clip_norm: float = 1.0
    average_momentum: float = 0.0
    label_smoothing: float = 0.1
    z_loss: float = 0.0
    own_tokens: float = 0.0
    own_tokens_schedule: Literal["linear", "exponential", "inverse-sigmoid"] = "inverse-sigmoid"
    seed: int = 1
    best_by: Literal["bleu", "loss"] = "bleu"
    patience: int = 0

    def __post_init__(self) -> None:
        _require_choice("training.schedule", self.schedule, "constant", "cosine")
        _require_choice("training.best_by", self.best_by, "bleu", "loss")
        _require(self.epochs >= 1, "training.epochs", "at least 1", self.epochs)
        _require(self.learning_rate > 0, "training.learning_rate", "above 0", self.learning_rate)
        _require(self.clip_norm > 0, "training.clip_norm", "above 0", self.clip_norm)
        for name in ("average_momentum", "label_smoothing"):
            _require(0 <= getattr(self, name) < 1, f"training.{name}", "at least 0 and below 1", getattr(self, name))
        _require_choice(
            "training.own_tokens_schedule", self.own_tokens_schedule, "linear", "exponential", "inverse-sigmoid"
        )
        _require(0 <= self.own_tokens <= 1, "training.own_tokens", "at least 0 and at most 1", self.own_tokens)
        _require(self.z_loss >= 0, "training.z_loss", "at least 0", self.z_loss)
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
