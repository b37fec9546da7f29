"""The settings of a training: one frozen dataclass for each section of a recipe, checked when made."""

import dataclasses
from typing import Literal, get_args, get_origin

from models.checks import require, require_choice
from models.model_config import ModelConfig


@dataclasses.dataclass(frozen=True)
class BatchingConfig:
    """How records become batches.

    Attributes:
        unit: What `size` counts: sentence pairs, or tokens of the padded longer side.
        size: The size of a batch, in `unit`.
        max_source_length: Longest source used for training, in pieces, END included; longer pairs are left out.
        max_target_length: The same for the target.
        shuffle_buffer: Count of pairs that are shuffled, and divided into batches of like length, together.
        bucket_width: Pads both sides of a batch to a multiple of it, and its rows to a full batch: few shapes, each of
            which JAX compiles once; 0 pads to the longest.
        subword_regularization: How much the pieces of a training sentence differ from epoch to epoch: with BPE the
            share p of merges that are dropped (Provilkov 2020; 0.1), with a unigram vocabulary the power alpha of a
            segmentation's probability, with which it is drawn among all (Kudo 2018; 0.2 to 0.5, less differs more); 0
            reads the data set's own pieces. A sentence keeps these if those drawn are beyond the longest, or more than
            twice as many as those of the longest of its batch.
        regularized_sides: The sides on which they differ.
    """

    unit: Literal["sentences", "tokens"] = "sentences"
    size: int = 64
    max_source_length: int = 100
    max_target_length: int = 100
    shuffle_buffer: int = 100_000
    bucket_width: int = 0
    subword_regularization: float = 0.0
    regularized_sides: Literal["both", "source", "target"] = "both"

    def __post_init__(self) -> None:
        require_choice("batching.unit", self.unit, "sentences", "tokens")
        require_choice("batching.regularized_sides", self.regularized_sides, "both", "source", "target")
        strength = self.subword_regularization
        require(0 <= strength <= 1, "batching.subword_regularization", "at least 0 and at most 1", strength)
        require(self.bucket_width >= 0, "batching.bucket_width", "at least 0", self.bucket_width)
        for name in ("size", "max_source_length", "max_target_length", "shuffle_buffer"):
            require(getattr(self, name) >= 1, f"batching.{name}", "at least 1", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found.

    Attributes:
        epochs: Passes over the training pairs, at most.
        optimizer: `adam` (Kingma and Ba 2015), with `weight_decay` AdamW (Loshchilov and Hutter 2019), `sgd`, or
            `adafactor` (Shazeer and Stern 2018).
        momentum: Of `sgd`.
        weight_decay: Share of the weights that each step, times its size, takes from them.
        learning_rate: The step size at its highest.
        schedule: How it goes on from there: `constant`; `cosine`, down to nothing at the last step; `inverse-sqrt`,
            with the square root of the steps (Vaswani 2017); `halving`, by half every so many steps (Luong 2015); or
            `plateau`, by half whenever the best validation figure has not been passed for so many epochs.
        warmup_steps: Steps, counted in batches, over which the step size rises from nothing to `learning_rate`.
        halve_after: Of `halving`, the batches before the first.
        halve_every: Of `halving`, the batches from one to the next.
        plateau_epochs: Of `plateau`.
        clip_norm: Highest global norm of the gradient (Pascanu 2013); 0 clips none.
        clip_value: Highest absolute value of a gradient's entries, in place of `clip_norm`; 0 clips none.
        accumulation: Batches whose mean gradient makes one step.
        average_momentum: Of the moving average of the weights (Polyak and Juditsky 1992), which is validated and kept;
            0 keeps the weights themselves.
        label_smoothing: Share of probability spread over the whole vocabulary (Szegedy 2016).
        z_loss: How much the squared logarithm of the softmax's denominator adds to the loss (Chowdhery 2022).
        own_tokens: Share of the target's tokens that are replaced in training by what the model itself would say, as it
            is at the end of the training (Bengio 2015).
        own_tokens_schedule: How it rises: `linear`, `exponential`, or by an `inverse-sigmoid`, from near nothing to
            near all of it.
        truncation_every: Steps of the decoder, k1, after which a window of the target begins, whose gradient does not
            reach the steps before; 0 lets it through all steps. Memory is that of one window.
        truncation_reach: Steps of a window, k2 (Williams and Peng 1990).
        refinement_samples: Translations drawn of each source, for a second phase that raises the sentence BLEU of what
            is drawn (Ranzato 2016; Wu 2016, section 5.2); 0 learns the likelihood alone.
        refinement_likelihood: What the loss of the likelihood is multiplied with in such a phase, alpha.
        start_from: Folder of a run of the same model and subwords, with whose best weights this one starts.
        source_vectors: File of word vectors, as word2vec and GloVe write them, with which the source embedding starts.
        target_vectors: The same for the target embedding.
        distribution: Who trains: `none`, one device; `devices`, all of this machine, each on a part of each batch; or
            `hosts`, all of several machines, on JAX alone.
        precision: What is computed in: `float32`; `bfloat16`; or `float16`, with a loss that is scaled. Weights,
            softmax and loss are float32 in each.
        seed: Decides initial weights, dropout and the order of pairs.
        best_by: Which validation figure decides the weights that are kept, `bleu` or `loss`.
        checkpoint_every: Batches of an epoch from one checkpoint to the next; 0 writes one at its end alone.
        patience: Epochs without a better one after which training stops; 0 never stops.
        keep: Epochs whose models are kept beside the best one, for `nmt average`: so many of the last, and so many of
            the best.
    """

    epochs: int = 10
    optimizer: Literal["adam", "sgd", "adafactor"] = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine", "inverse-sqrt", "halving", "plateau"] = "cosine"
    warmup_steps: int = 0
    halve_after: int = 0
    halve_every: int = 0
    plateau_epochs: int = 0
    clip_norm: float = 1.0
    clip_value: float = 0.0
    accumulation: int = 1
    average_momentum: float = 0.0
    label_smoothing: float = 0.1
    z_loss: float = 0.0
    own_tokens: float = 0.0
    own_tokens_schedule: Literal["linear", "exponential", "inverse-sigmoid"] = "inverse-sigmoid"
    truncation_every: int = 0
    truncation_reach: int = 0
    refinement_samples: int = 0
    refinement_likelihood: float = 0.017
    start_from: str = ""
    source_vectors: str = ""
    target_vectors: str = ""
    distribution: Literal["none", "devices", "hosts"] = "none"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: int = 1
    best_by: Literal["bleu", "loss"] = "bleu"
    checkpoint_every: int = 0
    patience: int = 0
    keep: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if get_origin(field.type) is Literal:
                require_choice(f"training.{field.name}", getattr(self, field.name), *get_args(field.type))
        for name in ("epochs", "accumulation"):
            require(getattr(self, name) >= 1, f"training.{name}", "at least 1", getattr(self, name))
        require(self.learning_rate > 0, "training.learning_rate", "above 0", self.learning_rate)
        for name in ("momentum", "average_momentum", "label_smoothing"):
            require(0 <= getattr(self, name) < 1, f"training.{name}", "at least 0 and below 1", getattr(self, name))
        require(0 <= self.own_tokens <= 1, "training.own_tokens", "at least 0 and at most 1", self.own_tokens)
        require(self.seed < 2**32, "training.seed", "below 2 ** 32", self.seed)
        for name in (
            *("warmup_steps", "halve_after", "halve_every", "plateau_epochs", "seed", "patience", "checkpoint_every"),
            *("keep", "weight_decay", "clip_norm", "clip_value", "z_loss"),
            *("truncation_every", "refinement_samples", "refinement_likelihood"),
        ):
            require(getattr(self, name) >= 0, f"training.{name}", "at least 0", getattr(self, name))
        self._check_steps()
        self._check_losses()
        for name in ("source_vectors", "target_vectors"):
            anew = not (self.start_from and getattr(self, name))
            require(anew, f"training.{name}", "none beside training.start_from", getattr(self, name))

    def _check_steps(self) -> None:
        """The settings that only some optimizers and schedules read."""
        require(not self.momentum or self.optimizer == "sgd", "training.momentum", "0 but for sgd", self.momentum)
        one = not (self.clip_norm and self.clip_value)
        require(one, "training.clip_value", "0 beside training.clip_norm, or that 0", self.clip_value)
        warms = {"plateau": not self.warmup_steps, "inverse-sqrt": self.warmup_steps > 0}.get(self.schedule, True)
        expected = "0 for training.schedule: plateau, and above it for inverse-sqrt"
        require(warms, "training.warmup_steps", expected, self.warmup_steps)
        for name, schedule in (("halve_every", "halving"), ("plateau_epochs", "plateau")):
            fits = bool(getattr(self, name)) == (self.schedule == schedule)
            expected = f"above 0 for training.schedule: {schedule}, and 0 for others"
            require(fits, f"training.{name}", expected, getattr(self, name))
        fits = not self.halve_after or (self.schedule == "halving" and self.halve_after >= self.warmup_steps)
        expected = "at least training.warmup_steps for training.schedule: halving, and 0 for others"
        require(fits, "training.halve_after", expected, self.halve_after)

    def _check_losses(self) -> None:
        reaches = self.truncation_reach >= self.truncation_every and not (
            self.truncation_reach and not self.truncation_every
        )
        expected = f"at least training.truncation_every, {self.truncation_every}, and 0 for 0"
        require(reaches, "training.truncation_reach", expected, self.truncation_reach)
        samples = self.refinement_samples
        require(samples != 1, "training.refinement_samples", "0, or at least 2 to compare", samples)
        whole = not (samples and self.truncation_every)
        require(whole, "training.refinement_samples", "0 for a truncated gradient", samples)


@dataclasses.dataclass(frozen=True)
class DecodingConfig:
    """How a translation is searched.

    Attributes:
        beam_size: Hypotheses kept; 1 is greedy search.
        max_beam_size: Widest beam that a request to an export may ask for, unless `beam_size` is wider. The signature
            `decode` takes the time of so many hypotheses whatever it is asked for.
        length_penalty: The exponent alpha of GNMT's length normalization (Wu 2016, equation 14); 0 turns it off.
        coverage_penalty: The factor beta of GNMT's penalty of what attention leaves out (Wu 2016, equation 14).
        lookahead: A sentence is done when no hypothesis could pass the best finished one by ending within so many
            steps. With a length penalty a longer one may pass later: a lookahead as large as the longest translation
            waits for it, and takes more time.
        min_length: Fewest pieces of a translated part, END not counted.
        no_repeat_ngram: No so many pieces in a row stand twice in a translated part; 0 lets everything be repeated.
        temperature: 0 searches; above it, a translation is drawn among all tokens, of logits divided by this.
        top_k: In drawing, the likeliest tokens among which each is drawn; 0 draws among all.
        top_p: In drawing, of these the fewest that together have so much of the probability; 1 draws among all.
        seed: Decides what is drawn; a text gives the same translation each time.
        shortlist: Count of frequent target tokens to choose among, beside those that a source's own tokens bring; 0
            chooses among all. A training learns what a token brings if its recipe has a shortlist.
        split_sentences: Whether each sentence of a text is translated by itself. A service is sent paragraphs, of which
            a model that has learned single sentences leaves out parts; to a line of one sentence it makes no
            difference. So it does by default, in evaluation too: what is measured is what is served. For a corpus
            whose lines hold several sentences, say no.
        max_source_length: Longest source translated in one part, in pieces, END included; a longer sentence, or text
            that is not split, is divided.
        max_length_factor: A translation has at most factor * source pieces + offset pieces, END included.
        max_length_offset: See `max_length_factor`.
        max_text_pieces: Longest text accepted, in pieces; a longer one is an error, never cut.
    """

    beam_size: int = 5
    max_beam_size: int = 10
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    lookahead: int = 1
    min_length: int = 0
    no_repeat_ngram: int = 0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1
    shortlist: int = 0
    split_sentences: bool = True
    max_source_length: int = 100
    max_length_factor: float = 2.0
    max_length_offset: int = 10
    max_text_pieces: int = 100_000

    def __post_init__(self) -> None:
        for name in ("beam_size", "max_beam_size", "lookahead", "max_length_offset", "max_text_pieces"):
            require(getattr(self, name) >= 1, f"decoding.{name}", "at least 1", getattr(self, name))
        require(self.seed < 2**32, "decoding.seed", "below 2 ** 32", self.seed)
        require(self.max_source_length >= 2, "decoding.max_source_length", "at least 2", self.max_source_length)
        require(0 < self.top_p <= 1, "decoding.top_p", "above 0 and at most 1", self.top_p)
        for name in (
            *("temperature", "top_k", "seed", "shortlist", "length_penalty", "coverage_penalty", "max_length_factor"),
            *("min_length", "no_repeat_ngram"),
        ):
            require(getattr(self, name) >= 0, f"decoding.{name}", "at least 0", getattr(self, name))
        longest = int(self.max_source_length * self.max_length_factor) + self.max_length_offset
        expected = f"below {longest}, the pieces of the longest translation"
        require(self.min_length < longest, "decoding.min_length", expected, self.min_length)

    @property
    def widest_beam(self) -> int:
        """The widest beam that an export searches with."""
        return max(self.beam_size, self.max_beam_size)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The complete settings of one training."""

    batching: BatchingConfig = dataclasses.field(default_factory=BatchingConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    decoding: DecodingConfig = dataclasses.field(default_factory=DecodingConfig)

    def __post_init__(self) -> None:
        training = self.training
        fits = not self.decoding.coverage_penalty or self.model.attention != "none"
        require(fits, "decoding.coverage_penalty", "0 without attention", self.decoding.coverage_penalty)
        by_step = training.truncation_every or training.own_tokens
        # The recurrences' own gradient runs a whole layer at once.
        penalty = self.model.gradient_norm_penalty
        expected = "0 beside training.truncation_every and training.own_tokens"
        require(not (penalty and by_step), "model.gradient_norm_penalty", expected, penalty)
        # Nor are there a batch's own statistics where a layer takes one step at a time.
        runs = self.model.cell != "batch-norm-lstm" or not (by_step or training.refinement_samples)
        expected = "another beside training.truncation_every, training.own_tokens and training.refinement_samples"
        require(runs, "model.cell", expected, self.model.cell)
        # There is one table, which has the source's vectors then.
        one = not (self.model.tie_embeddings == "three-way" and training.target_vectors)
        expected = "training.source_vectors for model.tie_embeddings: three-way"
        require(one, "training.target_vectors", expected, training.target_vectors)
        # A kernel is put together anew for each window, and again for its gradient.
        drop = self.model.weight_drop
        require(not (drop and training.truncation_every), "model.weight_drop", "0 for a truncated gradient", drop)
