"""The translation service as one graph: tokenizer, model and search, from string to string."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.beam_search import Hypotheses
from models.decoding.ensemble import Ensemble, load_ensemble
from models.decoding.search import length_limit, search
from models.decoding.shortlist import Shortlist
from models.run import SOURCE_SUBWORDS, TARGET_SUBWORDS, RunConfig, load_model, load_shortlist
from models.seq2seq import Seq2Seq
from pipeline.protected import COUNT
from pipeline.tokenizer import Tokenizer
from serving.exports.release_config import WeightKind
from serving.graph.aligner import Aligner, Alignments
from serving.graph.chunks import in_chunks
from serving.graph.completer import Completer
from serving.graph.placeholders import mask, of_parts, repair, unmask
from serving.graph.row_decoder import RowDecoder
from serving.graph.row_options import RowOptions, option_specs
from serving.graph.scorer import Scorer
from serving.graph.segments import Parts, divide, join
from serving.graph.sentence_ends import SPACE
from serving.graph.sentences import Sentences, join_sentences, split_sentences, whole_texts
from serving.graph.translations import Translations
from serving.graph.weights import store


def load_tokenizers(run: str | Path, config: RunConfig) -> tuple[Tokenizer, Tokenizer]:
    """Loads the subwords of a run's source and target, and holds them to the fingerprints of its settings."""
    return (
        Tokenizer.read(Path(run) / SOURCE_SUBWORDS, config.source_fingerprint),
        Tokenizer.read(Path(run) / TARGET_SUBWORDS, config.target_fingerprint),
    )


class Translator(tf.Module):
    """Translates texts of any length.

    A text of several sentences is translated sentence by sentence, unless the settings say otherwise, and what is
    longer than the model takes in parts. The white space around and between sentences is kept, line breaks included.

    Args:
        model: The model, or several that search as one.
        source: Its source subwords.
        target: Its target subwords.
        decoding: How to search.
        shortlist: The tokens to choose among; by default all.
        weights: How an export of it stores large matrices, to which those of the model are rounded; see `store`.
        protected: The pattern of text that placeholders stand for, so that each such text is in the translation as
            often as in the source: where the model left one out, at the end of the sentence, or part. Empty for none.

    Attributes:
        attends: Whether it is one model with attention, which `align` needs.
    """

    def __init__(
        self,
        model: Seq2Seq | Ensemble,
        source: Tokenizer,
        target: Tokenizer,
        decoding: DecodingConfig,
        shortlist: Shortlist | None = None,
        weights: WeightKind = "float32",
        protected: str = "",
    ):
        super().__init__(name="translator")
        self.source, self.decoding, self.protected = source, decoding, protected
        self.target = source if target.fingerprint == source.fingerprint else target
        # The Keras model itself must not be tracked: TF Serving's session would not find its variables.
        self._weights, self._restored = store(model.weights, weights)
        shortlist = Shortlist(*map(tf.constant, shortlist)) if shortlist else None
        self._searched = lambda ids, n_best: search(model, ids, decoding, n_best, shortlist)
        members = model.members if isinstance(model, Ensemble) else (model,)
        self._scorer = Scorer(members, self.source, self.target, decoding, protected)
        self.attends = isinstance(model, Seq2Seq) and model.config.attention != "none"
        self._aligner = Aligner(members[0], self.source, self.target)
        self._completer = Completer(model, self.target, decoding, protected, self._repaired)
        self._row_options = RowOptions(decoding, any(member.config.attention != "none" for member in members))
        self._row_decoder = RowDecoder(model, self.target, decoding, shortlist, self._repaired)
        # Every placeholder may have been left out.
        self._longest = length_limit(decoding.max_source_length, decoding) + 2 * COUNT * bool(protected)
        self._word_starts = tf.constant(source.word_starts().numpy())

    @classmethod
    def from_run(
        cls,
        run: str | Path,
        ensemble: Sequence[str | Path] = (),
        weights: WeightKind = "float32",
        **settings: Any,
    ) -> "Translator":
        """Loads the best model of a run.

        Args:
            run: The run's folder.
            ensemble: Runs whose best models translate together with it; settings and shortlist are those of `run`.
            weights: How an export stores large matrices.
            **settings: Fields of `DecodingConfig`, instead of the recipe's.

        Raises:
            UserError: A folder is no run, has no finished epoch, or its subwords are not those of its training, or not
                the same as the others'.
        """
        config = RunConfig.read_from(run)
        decoding = dataclasses.replace(config.recipe.decoding, **settings)
        source, target = load_tokenizers(run, config)
        model = load_ensemble([run, *ensemble]) if ensemble else load_model(run)
        shortlist = load_shortlist(run, decoding)
        return cls(model, source, target, decoding, shortlist, weights, config.protected)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False)
    def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translation: `text (batch,)` to `translation (batch,)`; of a text without words, an empty one."""
        return {"translation": self._translate(text, 1).texts[:, 0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False)
    def nbest(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translations: `text (batch,)` to `translations`, `scores` and `lengths`, `(batch, beam)`.

        A score is a log-probability over its length penalty, and a length counts pieces, END apart; of a text in parts,
        the sum of the parts'.
        """
        found = self._translate(text, self.decoding.beam_size)
        return {"translations": found.texts, "scores": found.scores, "lengths": found.lengths}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "text"), tf.TensorSpec([None], tf.string, "target")],
        autograph=False,
    )
    def score(self, text: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """How likely the model finds a given translation, among all tokens: no shortlist, no length penalty.

        Each text is taken as it stands, in one part; one that is longer than the model takes is an error.

        Args:
            text: `(batch,)` string.
            target: Its translation, `(batch,)` string.

        Returns:
            `log_probability (batch,)` float32, the sum of the natural logarithms of the probabilities of the target's
            pieces and of its end; `pieces (batch,)` int32, their count without the end; and `piece_log_probabilities
            (batch,)`, each a JSON list of pairs of a piece, the end as `</s>`, and its part of the sum.
        """
        return self._scorer(text, target)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False)
    def align(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translation, and what its pieces attend to; only of one model, and with attention.

        Args:
            text: `(batch,)` string.

        Returns:
            `translation (batch,)`, and `alignment (batch,)`: of each a JSON list with an object for each part that was
            translated by itself. Its `source` and `target` list pieces as `[piece, begin, end]`, END included, in
            characters of the text, in NFC, and of the translation; `attention` has a row for each target piece and a
            column for each source piece.
        """
        sentences, parts, count = self._divide(text)
        outputs = [tf.TensorSpec([], tf.string), tf.TensorSpec([self._longest], tf.int32), tf.TensorSpec([], tf.string)]
        found = Alignments(*in_chunks(self._align_chunk, [parts.ids], outputs))
        found = found._replace(texts=unmask(found.texts[:, None], parts.spans)[:, 0])
        translations = join_sentences(join(found.texts[:, None], parts, tf.size(sentences.texts)), sentences, count)
        return {"translation": translations[:, 0], "alignment": self._aligner.tell(sentences, parts, found, count)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "text"), tf.TensorSpec([None], tf.string, "prefix")],
        autograph=False,
    )
    def prefix(self, text: tf.Tensor, prefix: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translation that begins as somebody has begun it, byte for byte; with nothing, that of `translate`.

        The last word of the prefix may be unfinished; white space finishes it. For sentences see `under_way`.

        Args:
            text: `(batch,)` string.
            prefix: The beginning of its translation, `(batch,)` string; it must not end within a sentence of the text
                that the model takes in several parts only.

        Returns:
            `translation (batch,)`.
        """
        divided = self._divide(text)
        found = self._completer(prefix, *divided, lambda ids: self._translate_parts(ids, 1).texts[:, 0])
        return {"translation": found}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text"), *option_specs()], autograph=False)
    def decode(self, text: tf.Tensor, *options: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best or a drawn translation, with options of each text's own; -1 or NaN stands for the exported setting.

        They hold for each sentence of a text, or part of one. See `DecodingConfig`; a temperature of 0 searches.

        Args:
            text: `(batch,)` string.
            *options: Those of `serving.graph.decode_options`, in their order, each `(batch,)`.

        Returns:
            `translation (batch,)`; `score (batch,)` float32, of what was drawn the logarithm of its probability, else
            as `nbest` gives it; and `length (batch,)` int32, its pieces.
        """
        sentences, parts, count = self._divide(text)
        texts = tf.gather(sentences.texts, parts.texts)
        found = self._row_decoder(parts.ids, texts, self._row_options(options, count)).joined(sentences, parts, count)
        return {"translation": found.texts[:, 0], "score": found.scores[:, 0], "length": found.lengths[:, 0]}

    def held(self) -> tf.Module:
        """What its functions use, without them: with a module's own functions, a SavedModel holds every one of them."""
        held = tf.Module(name="translator")
        held.weights, held.restored, held.source, held.target = self._weights, self._restored, self.source, self.target
        return held

    def _align_chunk(self, source_ids: tf.Tensor) -> Alignments:
        ids = self._search(source_ids, 1).ids[:, 0]
        longest = tf.reduce_max(tf.math.count_nonzero(ids, axis=1, dtype=tf.int32))
        matrices = self._aligner.matrices(source_ids, ids[:, :longest])
        ids = tf.pad(ids, [[0, 0], [0, self._longest - tf.shape(ids)[1]]])
        return Alignments(self.target.detokenize(tf.RaggedTensor.from_tensor(ids)), ids, matrices)

    def _search(self, source_ids: tf.Tensor, n_best: int) -> Hypotheses:
        """The best translations of `source_ids (batch, src_len)`, with the placeholders of each source."""
        return self._repaired(source_ids, self._searched(source_ids, n_best))

    def _repaired(self, source_ids: tf.Tensor, found: Hypotheses) -> Hypotheses:
        return found._replace(ids=repair(source_ids, found.ids, self.target.space)) if self.protected else found

    def _divide(self, texts: tf.Tensor) -> tuple[Sentences, Parts, tf.Tensor]:
        """Divides `texts (batch,)` into sentences, and these into parts; tells how many texts there are."""
        # TF Serving does not hold a request to the signature's shape.
        texts = tf.ensure_shape(texts, [None])
        count = tf.size(texts)
        texts = tf.where(tf.strings.regex_full_match(texts, f"{SPACE}*"), "", texts)
        split = self.decoding.split_sentences
        sentences = split_sentences(texts, self.protected) if split else whole_texts(texts)
        bare, spans = mask(sentences.sentences, self.protected) if self.protected else (sentences.sentences, None)
        ids = self.source.tokenize(bare)
        pieces = tf.math.unsorted_segment_sum(ids.row_lengths() - 1, sentences.texts, count) + 1
        limit = self.decoding.max_text_pieces
        message = f"text: expected at most {limit} pieces, received more; divide the text"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(pieces <= limit), [message])]):
            parts = divide(ids, self._word_starts, self.decoding.max_source_length, bool(self.protected))
        return sentences, parts if spans is None else parts._replace(spans=of_parts(parts.ids, spans)), count

    def _translate(self, texts: tf.Tensor, n_best: int) -> Translations:
        sentences, parts, count = self._divide(texts)
        return self._translate_parts(parts.ids, n_best).joined(sentences, parts, count)

    def _translate_parts(self, ids: tf.RaggedTensor, n_best: int) -> Translations:
        def translate(ids: tf.Tensor) -> Translations:
            return Translations.of(self._search(ids, n_best), n_best, self.target)

        return Translations(*in_chunks(translate, [ids], Translations.specs(n_best)))
