"""BLEU of the validation pairs, as the model under training translates them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import sacrebleu
import tensorflow as tf
from tqdm import tqdm

from models.config import BatchingConfig, DecodingConfig
from models.decoding.search import search
from models.run import TARGET_SUBWORDS, load_shortlist
from models.seq2seq import Seq2Seq
from pipeline.reading.dataset import batches, survey
from pipeline.schema import PAD_ID, SOURCE_IDS, VALID
from pipeline.tokenizer import Tokenizer


def validation_batches(data: str, batching: BatchingConfig, reverse: bool = False) -> tf.data.Dataset:
    """The validation batches: all pairs, however long, in the order of the file's lengths and in its pieces."""
    settings = dataclasses.asdict(
        dataclasses.replace(batching, max_source_length=10**6, max_target_length=10**6, subword_regularization=0.0)
    )
    count = survey(data, VALID, **settings, reverse=reverse).batches
    return (
        batches(data, VALID, **settings, reverse=reverse).apply(tf.data.experimental.assert_cardinality(count)).cache()
    )


class Searcher(keras.Model):
    """Search as a model, so that Keras compiles it on any backend."""

    def __init__(self, model: Seq2Seq, run: Path, decoding: DecodingConfig, jit_compile: bool):
        super().__init__()
        self.model, shortlist = model, load_shortlist(run, decoding)
        self.search = lambda source_ids: search(model, source_ids, decoding, shortlist=shortlist)
        self.jit_compile = jit_compile
        self.built = True
        if keras.backend.backend() == "tensorflow":
            # One graph for all shapes: Keras makes one for each, until it finds what they have in common.
            self._found = tf.function(self.call, [tf.TensorSpec([None, None], tf.int32)], autograph=False)

    def call(self, source_ids: Any) -> Any:
        """Ids `(batch, max_length)` for `source_ids (batch, src_len)`."""
        return self.search(source_ids).ids[:, 0]

    def predict_on_batch(self, source_ids: np.ndarray) -> np.ndarray:
        """The same, compiled."""
        if keras.backend.backend() == "tensorflow":
            return self._found(source_ids).numpy()
        return super().predict_on_batch(source_ids)


def scorer(searcher: Searcher, validation: tf.data.Dataset, run: Path) -> Callable[[], float]:
    """BLEU of the translations of the validation pairs against their targets, as text; a placeholder is one word."""
    tokenizer = Tokenizer.read(run / TARGET_SUBWORDS)

    def to_text(ids: Any, beside: Any) -> list[str]:
        # A row of padding alone only fills a batch up.
        rows = tf.RaggedTensor.from_tensor(tf.boolean_mask(ids, beside[:, 0] != PAD_ID))
        return [line.decode() for line in tokenizer.detokenize(rows).numpy()]

    references = [line for _, target_ids in validation for line in to_text(target_ids.numpy(), target_ids.numpy())]

    def score() -> float:
        hypotheses = []
        for inputs, _ in tqdm(validation, desc="validation BLEU", unit="batch", leave=False, disable=None):
            source_ids = inputs[SOURCE_IDS].numpy()
            hypotheses += to_text(searcher.predict_on_batch(source_ids), source_ids)
        return sacrebleu.corpus_bleu(hypotheses, [references]).score

    return score
