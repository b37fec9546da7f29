"""The translation service as one graph: tokenizer, model and search, from string to string."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from models.config import DecodingConfig
from models.ensemble import Ensemble, load_ensemble
from models.run import SOURCE_SUBWORDS, TARGET_SUBWORDS, RunConfig, load_model, load_shortlist
from models.search import search
from models.seq2seq import Seq2Seq
from models.shortlist import Shortlist
from pipeline.schema import END_ID, PAD_ID
from pipeline.tokenizer import Tokenizer
from serving.segments import divide, join

# The steps of one search are too small to keep two cores busy.
ROWS_AT_ONCE, CHUNKS_AT_ONCE = 64, 2


def load_tokenizers(run: str | Path, config: RunConfig) -> tuple[Tokenizer, Tokenizer]:
    """Loads the subwords of a run's source and target, and holds them to the fingerprints of its settings."""
    return (
        Tokenizer.read(Path(run) / SOURCE_SUBWORDS, config.source_fingerprint),
        Tokenizer.read(Path(run) / TARGET_SUBWORDS, config.target_fingerprint),
    )


class Translator(tf.Module):
    """Translates texts of any length.

    A text that is longer than the model takes is translated in parts. Parts run in chunks of like length, a few at a
    time, so that memory has a bound, and never alone, because a product of a single row rounds differently.

    Args:
        model: The model, or several that search as one.
        source: Its source subwords.
        target: Its target subwords.
        decoding: How to search.
        shortlist: The tokens to choose among; by default all.
    """

    def __init__(
        self,
        model: Seq2Seq | Ensemble,
        source: Tokenizer,
        target: Tokenizer,
        decoding: DecodingConfig,
        shortlist: Shortlist | None = None,
    ):
        super().__init__(name="translator")
        self.source, self.decoding = source, decoding
        self.target = source if target.fingerprint == source.fingerprint else target
        # The Keras model itself must not be tracked: TF Serving's session would not find its variables.
        self._weights = [weight.value for weight in model.weights]
        shortlist = Shortlist(*map(tf.constant, shortlist)) if shortlist else None
        self._search = lambda ids, n_best: search(model, ids, decoding, n_best, shortlist)
        self._word_starts = tf.constant(source.word_starts().numpy())

    @classmethod
    def from_run(cls, run: str | Path, ensemble: Sequence[str | Path] = (), **settings: Any) -> "Translator":
        """Loads the best model of a run.

        Args:
            run: The run's folder.
            ensemble: Runs whose best models translate together with it; settings and shortlist are those of `run`.
            **settings: Fields of `DecodingConfig`, instead of the recipe's.

        Raises:
            UserError: A folder is no run, has no finished epoch, or its subwords are not those of its training, or not
                the same as the others'.
        """
        config = RunConfig.read_from(run)
        decoding = dataclasses.replace(config.recipe.decoding, **settings)
        source, target = load_tokenizers(run, config)
        model = load_ensemble([run, *ensemble]) if ensemble else load_model(run)
        return cls(model, source, target, decoding, load_shortlist(run, decoding))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False)
    def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translation: `text (batch,)` to `translation (batch,)`; of a text without words, an empty one."""
        translations, _ = self._translate(text, 1)
        return {"translation": translations[:, 0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False)
    def nbest(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best translations: `text (batch,)` to `translations` and `scores`, `(batch, beam)`.

        A score is a log-probability over its length penalty; of a text in parts, the sum of the parts' scores.
        """
        translations, scores = self._translate(text, self.decoding.beam_size)
        return {"translations": translations, "scores": scores}

    def _translate(self, texts: tf.Tensor, n_best: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The best `n_best` translations and their scores, `(batch, n_best)`."""
        # TF Serving does not hold a request to the signature's shape.
        texts = tf.ensure_shape(texts, [None])
        blank = tf.strings.regex_full_match(texts, r"\s*")
        ids = self.source.tokenize(tf.where(blank, "", texts))
        limit = self.decoding.max_text_pieces
        within = tf.reduce_all(ids.row_lengths() <= limit)
        message = f"text: expected at most {limit} pieces, received more; divide the text"
        with tf.control_dependencies([tf.debugging.Assert(within, [message])]):
            parts = divide(ids, self._word_starts, self.decoding.max_source_length)
        translations, scores = self._in_chunks(parts.ids, n_best)
        count = tf.size(texts)
        return join(translations, parts, count), tf.math.unsorted_segment_sum(scores, parts.texts, count)

    def _in_chunks(self, ids: tf.RaggedTensor, n_best: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Translates `ids (parts, None)`, the longest first, in chunks of at most `ROWS_AT_ONCE` parts."""
        count = tf.cast(ids.nrows(), tf.int32)
        order = tf.argsort(ids.row_lengths(), direction="DESCENDING", stable=True)
        # A part in company of nobody, and nothing at all, get an empty sentence for company.
        lonely = tf.cast((count == 0) | (count % ROWS_AT_ONCE == 1), tf.int32)
        company = tf.RaggedTensor.from_row_lengths(
            tf.fill([lonely], END_ID), tf.fill([lonely], tf.constant(1, tf.int64))
        )
        rows = tf.concat([tf.gather(ids, order), company], axis=0)
        total = count + lonely
        chunks = -(-total // ROWS_AT_ONCE)

        def run(i: tf.Tensor, translations: tf.TensorArray, scores: tf.TensorArray) -> tuple:
            chunk = rows[i * ROWS_AT_ONCE : tf.minimum((i + 1) * ROWS_AT_ONCE, total)]
            hypotheses = self._search(chunk.to_tensor(PAD_ID), n_best)
            flat = tf.reshape(hypotheses.ids, [-1, tf.shape(hypotheses.ids)[2]])
            texts = tf.reshape(self.target.detokenize(tf.RaggedTensor.from_tensor(flat)), [-1, n_best])
            return i + 1, translations.write(i, texts), scores.write(i, hypotheses.scores)

        translations = tf.TensorArray(tf.string, chunks, element_shape=[None, n_best], infer_shape=False)
        scores = tf.TensorArray(tf.float32, chunks, element_shape=[None, n_best], infer_shape=False)
        _, translations, scores = tf.while_loop(
            lambda i, *_: i < chunks,
            run,
            (tf.constant(0), translations, scores),
            parallel_iterations=CHUNKS_AT_ONCE,
        )
        back = tf.math.invert_permutation(order)
        return tf.gather(translations.concat(), back), tf.gather(scores.concat(), back)
