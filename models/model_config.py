"""The settings of a model: its parts and their sizes."""

import dataclasses
from typing import Literal, get_args, get_origin

from models.checks import require, require_choice


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The parts of an encoder-decoder and their sizes.

    Attributes:
        cell: `simple` (Elman 1990), `relu` (Le 2015), `lstm` (Hochreiter and Schmidhuber 1997, Gers 1999) or
            `lstm-without-forget-gate` (1997 alone), `gru` or `gru-reset-before` (Cho 2014: the state is reset after or
            before the recurrent product), `scrn` (Mikolov 2015), `layer-norm-lstm` and `layer-norm-gru` (Ba 2016),
            `batch-norm-lstm` (Cooijmans 2016), `unitary` (Arjovsky 2016).
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
        gradient_norm_penalty: How much it costs that a step makes the gradient of the state shorter or longer (Pascanu
            2013, equation 9), for a cell whose state is one vector.
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
        "batch-norm-lstm",
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
    gradient_norm_penalty: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            received = getattr(self, field.name)
            if field.type is int:
                require(received >= 1, f"model.{field.name}", "at least 1", received)
            elif get_origin(field.type) is Literal:
                require_choice(f"model.{field.name}", received, *get_args(field.type))
        for name in ("dropout", "word_dropout", "weight_drop"):
            require(0 <= getattr(self, name) < 1, f"model.{name}", "at least 0 and below 1", getattr(self, name))
        self._check_widths()
        self._check_parts()
        self._check_by_layer()

    @property
    def steps_together(self) -> bool:
        """Whether all layers of the decoder take each step together; else they run over all steps one by one."""
        return self.input_feeding or self.attention_place == "above"

    def without_drops(self) -> "ModelConfig":
        """These settings, without those of regularization."""
        return dataclasses.replace(
            self, dropout=0.0, variational_dropout=False, word_dropout=0.0, weight_drop=0.0, gradient_norm_penalty=0.0
        )

    def _check_widths(self) -> None:
        two = self.encoder != "unidirectional" and self.encoder_merge == "concat"
        even = not two or self.encoder_units % 2 == 0
        require(even, "model.encoder_units", "an even number for two directions", self.encoder_units)
        a_direction = self.encoder_units // 2 if two else self.encoder_units
        for name, units in (("encoder_units", a_direction), ("decoder_units", self.decoder_units)):
            fits = self.cell not in ("unitary", "scrn") or (units >= 2 and (self.cell == "scrn" or units % 2 == 0))
            expected = "an even number" if self.cell == "unitary" else "at least 2"
            require(fits, f"model.{name}", f"{expected} a direction for model.cell: {self.cell}", getattr(self, name))
        one_width = self.encoder_units == self.decoder_units
        width = f"{self.encoder_units}, as model.encoder_units, for"
        dot = self.attention not in ("dot", "scaled-dot") or one_width
        which = f"{width} model.attention: {self.attention} (general takes any)"
        require(dot, "model.decoder_units", which, self.decoder_units)
        copies, of_copy = self.bridge == "copy", "model.bridge: copy (dense takes any)"
        require(not copies or one_width, "model.decoder_units", f"{width} {of_copy}", self.decoder_units)
        as_deep = not copies or self.encoder_layers == self.decoder_layers
        depth = f"{self.encoder_layers}, as model.encoder_layers, for {of_copy}"
        require(as_deep, "model.decoder_layers", depth, self.decoder_layers)
        divided = self.attention != "multi-head" or all(
            units % self.attention_heads == 0 for units in (self.encoder_units, self.attention_units)
        )
        heads = f"a divisor of model.encoder_units, {self.encoder_units}, and of model.attention_units"
        require(divided, "model.attention_heads", f"{heads}, {self.attention_units}", self.attention_heads)
        is_as_wide = self.readout != "linear" and self.readout_units == self.embedding_size
        tied = self.tie_embeddings == "none" or is_as_wide
        readout = "none, or a model.readout other than linear with model.readout_units as model.embedding_size"
        require(tied, "model.tie_embeddings", readout, self.tie_embeddings)

    def _check_parts(self) -> None:
        # These have recurrent kernels of their own kinds.
        is_usual = self.cell not in ("gru-reset-before", "scrn", "unitary")
        orthogonal = is_usual or self.recurrent_initializer == "orthogonal"
        whole = is_usual or not self.weight_drop
        of_cell = f"for model.cell: {self.cell}"
        require(orthogonal, "model.recurrent_initializer", f"orthogonal {of_cell}", self.recurrent_initializer)
        require(whole, "model.weight_drop", f"0 {of_cell}", self.weight_drop)
        merged = self.encoder_merge == "concat" or self.encoder != "unidirectional"
        require(merged, "model.encoder_merge", "concat for one direction", self.encoder_merge)
        deep = not self.residual or max(self.encoder_layers, self.decoder_layers) > 1
        require(deep, "model.residual", "false for one layer", self.residual)
        drops = not self.variational_dropout or self.dropout > 0
        require(drops, "model.variational_dropout", "false for model.dropout: 0", self.variational_dropout)
        attends = self.attention != "none"
        summary = not (attends and self.summary_at_every_step)
        require(summary, "model.summary_at_every_step", "false beside attention", self.summary_at_every_step)
        brought = attends or self.summary_at_every_step or self.bridge != "zero"
        require(brought, "model.bridge", "dense or copy where nothing else brings the source", self.bridge)
        place = self.attention_place == "inside" or (attends and self.attention_query == "state")
        asked = "inside, or model.attention with model.attention_query: state"
        require(place, "model.attention_place", asked, self.attention_place)
        reaches = attends and self.attention_place == "inside" and self.decoder_layers > 1
        all_layers = not self.context_to_all_layers or reaches
        expected = "false without attention inside and layers above"
        require(all_layers, "model.context_to_all_layers", expected, self.context_to_all_layers)

    def _check_by_layer(self) -> None:
        """What needs every layer of the decoder to run over all steps by itself."""
        by_layer = not self.steps_together
        # It gathers what the batch's sentences have in common after the steps of a layer.
        runs = by_layer or self.cell != "batch-norm-lstm"
        require(runs, "model.cell", "another with attention above or model.input_feeding", self.cell)
        penalty = self.gradient_norm_penalty
        require(penalty >= 0, "model.gradient_norm_penalty", "at least 0", penalty)
        # It is part of the recurrences' own gradient.
        attends = "none", "additive", "normalized-additive", "dot", "scaled-dot", "general"
        counts = not penalty or (self.cell in ("simple", "relu", "gru") and self.attention in attends and by_layer)
        expected = (
            "0, or model.cell: simple, relu or gru, without model.input_feeding, and with attention"
            f" ({', '.join(attends)}) inside"
        )
        require(counts, "model.gradient_norm_penalty", expected, penalty)
