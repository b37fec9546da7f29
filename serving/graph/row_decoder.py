"""Texts translated with options of their own, in graph operations: some are searched, others drawn."""

from collections.abc import Callable

import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.beam_search import Hypotheses
from models.decoding.options import Options, is_number
from models.decoding.search import Searchable, draw_each, search_each
from models.decoding.shortlist import Shortlist
from pipeline.tokenizer import Tokenizer
from serving.graph.chunks import in_chunks
from serving.graph.translations import Translations


class RowDecoder:
    """Translates parts with options of their own.

    Args:
        model: The model, or several that search as one.
        target: Its target subwords.
        decoding: The exported settings.
        shortlist: The tokens to choose among; by default all.
        repaired: From sources `(batch, src_len)` and hypotheses to such with the placeholders of the sources.
    """

    def __init__(
        self,
        model: Searchable,
        target: Tokenizer,
        decoding: DecodingConfig,
        shortlist: Shortlist | None,
        repaired: Callable[[tf.Tensor, Hypotheses], Hypotheses],
    ):
        self._model, self._target, self._decoding, self._shortlist = model, target, decoding, shortlist
        self._repaired = repaired

    def __call__(self, ids: tf.RaggedTensor, texts: tf.Tensor, options: Options) -> Translations:
        """Translates.

        Args:
            ids: The parts, `(parts, None)` int32, END included.
            texts: Which text each belongs to, `(parts,)` int32.
            options: Those of the texts, and then the exported ones, `(texts + 1,)` each.

        Returns:
            The best translation of each part, or one that was drawn.
        """
        is_drawn = tf.gather(options.temperature > 0, texts)
        last = tf.size(options.temperature) - 1

        def run(decode: Callable[[tf.Tensor, Options], Hypotheses], some: tf.Tensor) -> list[tf.Tensor]:
            def translate(ids: tf.Tensor, places: tf.Tensor) -> Translations:
                return Translations.of(self._repaired(ids, decode(ids, _taken(options, places))), 1, self._target)

            places = tf.concat([tf.boolean_mask(texts, some), [last]], axis=0)
            return in_chunks(translate, [tf.ragged.boolean_mask(ids, some)], Translations.specs(1), places)

        back = tf.math.invert_permutation(tf.argsort(tf.cast(is_drawn, tf.int32), stable=True))
        each = zip(run(self._search, ~is_drawn), run(self._draw, is_drawn), strict=True)
        return Translations(*(tf.gather(tf.concat(parts, axis=0), back) for parts in each))

    def _search(self, source_ids: tf.Tensor, options: Options) -> Hypotheses:
        widest = self._decoding.widest_beam
        return search_each(self._model, source_ids, self._decoding, options, widest, shortlist=self._shortlist)

    def _draw(self, source_ids: tf.Tensor, options: Options) -> Hypotheses:
        # The company of a single part may have been exported to be searched.
        temperatures = tf.where(options.temperature > 0, options.temperature, 1.0)
        return draw_each(self._model, source_ids, self._decoding, options._replace(temperature=temperatures))


def _taken(options: Options, places: tf.Tensor) -> Options:
    return Options(*(option if is_number(option) else tf.gather(option, places) for option in options))
