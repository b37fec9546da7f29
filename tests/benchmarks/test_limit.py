import pytest

from benchmarks.limit import Lengths, Rates, forward_flops, step_bytes, tokens_per_second
from models.config import ModelConfig

CONFIG = ModelConfig(encoder_units=4, decoder_units=3, embedding_size=2, attention_units=5, readout_units=6)
VOCAB_SIZE = 7
LENGTHS = Lengths(pairs=10, source=2, target=3)

# Multiplications and additions in pairs, worked out by hand, of one pair of 2 source and 3 target tokens.
ENCODER = 2 * 2 * (2 * 8 + 2 * 8)  # two tokens, two directions; 2 -> 8 gates from the input and from the state
KEYS = 2 * (4 * 5)
VALUES_TO_GATES = 2 * (4 * 12)  # what each source token would add to the 12 gates
BRIDGES = 2 * (4 * 3)
DECODER = 3 * (2 * 12 + 3 * 12)  # embedding and state to 12 gates
QUERIES = 3 * ((3 + 2) * 5)  # the state and the embedding
ENERGIES = 3 * 2 * 5
CONTEXTS = 3 * 2 * 4
CONTEXT_GATES = 3 * 2 * 12
READOUT = 3 * ((3 + 4 + 2) * 6)
LOGITS = 3 * (6 * 7)


def test_forward_flops_are_those_worked_out_by_hand() -> None:
    source = ENCODER + KEYS + VALUES_TO_GATES + BRIDGES
    attention = QUERIES + ENERGIES + CONTEXTS + CONTEXT_GATES
    one_pair = source + attention + DECODER + READOUT + LOGITS
    assert forward_flops(CONFIG, VOCAB_SIZE, LENGTHS) == 10 * 2 * one_pair


def test_bytes_are_four_arrays_of_weights_and_the_logits() -> None:
    assert step_bytes(100, VOCAB_SIZE, LENGTHS) == 4 * (4 * 100 + 10 * 3 * 7)


def test_the_limit_adds_products_and_memory() -> None:
    flops, moved = forward_flops(CONFIG, VOCAB_SIZE, LENGTHS), step_bytes(100, VOCAB_SIZE, LENGTHS)
    # Three times the forward operations take 3 seconds, the bytes take 2.
    rates = Rates(flops=flops, bytes=moved / 2)
    assert tokens_per_second(CONFIG, VOCAB_SIZE, 100, LENGTHS, rates) == pytest.approx(10 * (2 + 3) / 5)
