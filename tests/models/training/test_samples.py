import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig, ModelConfig
from models.decoding.search import search
from models.inspection import observe
from models.seq2seq import Seq2Seq
from models.training.samples import Samples, spread
from pipeline.pieces import train_subwords
from pipeline.tokenizer import Tokenizer

TEXTS = ["one two", "two", "one two two one"]


@pytest.mark.parametrize(
    ("lengths", "chosen"),
    [
        ([7], [7]),
        ([9, 3], [3, 9]),
        ([5, 8, 6, 7, 4], [4, 5, 7, 8]),
        # Of eight the second, fourth, sixth and eighth.
        ([1, 8, 2, 7, 3, 6, 4, 5], [2, 4, 6, 8]),
    ],
)
def test_sentences_are_spread_over_the_lengths(lengths, chosen):
    pairs = [(np.ones(length, int), np.ones(1, int)) for length in lengths]
    assert [len(source) for source, _ in spread(pairs)] == chosen


def test_of_one_length_it_is_the_order_that_decides():
    pairs = [(np.array([number]), np.array([0])) for number in range(8)]
    assert [int(source[0]) for source, _ in spread(pairs)] == [1, 3, 5, 7]


@pytest.mark.parametrize(("attention", "count"), [("additive", 3), ("none", 1)])
def test_a_sample_is_what_search_finds_and_what_it_read(attention, count):
    tokenizer = Tokenizer(train_subwords(TEXTS, vocab_size=280))
    sizes = {"encoder_units": 6, "decoder_units": 5, "embedding_size": 4, "attention_units": 3, "readout_units": 4}
    model = Seq2Seq(ModelConfig(attention=attention, **sizes), *[tokenizer.vocab_size] * 2, name="seq2seq")
    model.build()
    decoding, rows = DecodingConfig(beam_size=1, max_length_offset=3), tokenizer.tokenize(tf.constant(TEXTS)).to_list()
    pairs = [(np.array(row), np.array(row[::-1])) for row in rows[:count]]
    samples = Samples(pairs, model, lambda ids: search(model, ids, decoding).ids[:, 0], tokenizer, tokenizer)
    found = samples.translate()
    assert [sample.source for sample in found] == sorted(TEXTS[:count], key=len)
    for sample, (source_ids, reference_ids) in zip(found, samples.pairs, strict=True):
        alone = search(model, source_ids[None], decoding).ids[0, 0].numpy()
        target_ids = alone[alone != 0]
        assert sample.translation == tokenizer.text(target_ids)
        assert sample.reference == tokenizer.text(reference_ids)
        assert sample.source_pieces == tokenizer.spell(source_ids) and sample.source_pieces[-1] == "</s>"
        assert sample.target_pieces == tokenizer.spell(target_ids)
        if attention == "none":
            assert sample.attention is None
        else:
            np.testing.assert_allclose(sample.attention, observe(model, source_ids, target_ids).attention, atol=1e-6)
            assert sample.attention.shape == (len(target_ids), len(source_ids))
