"""Search over scripted logits: a table that holds a row of logits for each sentence and prefix."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from models.decoding.beam_search import IMPOSSIBLE, beam_search, length_penalty
from pipeline.schema import END_ID, PAD_ID, START_ID

LONG = 99


class Numbers(NamedTuple):
    """What a script knows of each source: its number."""

    of: tf.Tensor

    def take(self, rows):
        return Numbers(tf.gather(self.of, rows))


class Script:
    """A step function over `table[sentence][prefix]`; a prefix is a number in base `vocab`, START first.

    Attributes:
        table: `(sentences, vocab ** max_length, vocab)`.
        sizes: How many sentences each call of the step function had.
    """

    def __init__(self, vocab, max_length, sentences=1, seed=0, spread=2.0):
        self.vocab, self.sentences, self.sizes = vocab, sentences, []
        self.table = np.random.default_rng(seed).normal(size=(sentences, vocab**max_length, vocab)) * spread
        self.table[..., [PAD_ID, START_ID]] = -np.inf

    def alone(self, sentence):
        """The script of one sentence."""
        script = Script(self.vocab, 1)
        script.table = self.table[sentence : sentence + 1]
        return script

    def source(self):
        return Numbers(tf.range(self.sentences))

    def state(self):
        return {"prefix": tf.zeros((self.sentences, 1), tf.int32)}

    def __call__(self, ids, source, state):
        self.sizes.append(len(ids))
        prefix = (state["prefix"] * self.vocab + ids) % self.table.shape[1]
        sentence = tf.broadcast_to(source.of[:, None], prefix.shape)
        logits = tf.gather_nd(tf.constant(self.table, tf.float32), tf.stack([sentence, prefix], axis=-1))
        return logits, {"prefix": prefix}

    @property
    def calls(self):
        return len(self.sizes)

    def log_probs(self, sentence, prefix):
        """Of each next token, after the tokens of `prefix`."""
        number = START_ID
        for token in prefix:
            number = number * self.vocab + token
        logits = self.table[sentence, number]
        return logits - np.log(np.exp(logits).sum())

    def tokens(self):
        """Those that may be chosen and do not end."""
        return [token for token in range(self.vocab) if token not in (PAD_ID, START_ID, END_ID)]


def penalty(length, alpha):
    return ((5 + length) / 6) ** alpha


def every_translation(script, sentence, limit, alpha):
    """All of them, best first: `[(score, ids)]`."""
    found = []
    for length in range(limit):
        for tokens in itertools.product(script.tokens(), repeat=length):
            ids = [*tokens, END_ID]
            total = sum(script.log_probs(sentence, ids[:at])[token] for at, token in enumerate(ids))
            found.append((total / penalty(length + 1, alpha), ids))
    return sorted(found, reverse=True)


def plain_beam_search(script, sentence, limit, beam_size, alpha, lookahead, n_best):
    """The same search with lists: the finished, best first, and how many steps it took."""
    live, finished = [(0.0, [])], []
    for t in range(1, limit + 1):
        choices = [END_ID] if t == limit else [*script.tokens(), END_ID]
        candidates = [
            (total + script.log_probs(sentence, ids)[token], [*ids, token]) for total, ids in live for token in choices
        ]
        kept = sorted(candidates, reverse=True)[:beam_size]
        live = [each for each in kept if each[1][-1] != END_ID]
        finished += [(total / penalty(t, alpha), ids) for total, ids in kept if ids[-1] == END_ID]
        finished = sorted(finished, reverse=True)[:n_best]
        worst = finished[n_best - 1][0] if len(finished) >= n_best else -np.inf
        if not live or max(total for total, _ in live) / penalty(min(limit, t + lookahead), alpha) <= worst:
            return finished, t
    raise AssertionError("the limit ends every hypothesis")


def run_beam(script, limits, beam_size, alpha=0.0, lookahead=LONG, n_best=1, max_length=None):
    limits = np.array(limits, "int32")
    width = max_length or max(limits)
    return beam_search(script, script.source(), script.state(), limits, width, beam_size, alpha, lookahead, n_best)


def unpadded(ids):
    """Checks that PAD stands after END alone, and takes it away."""
    ids = list(ids)
    length = ids.index(END_ID) + 1
    assert set(ids[length:]) <= {PAD_ID}
    return ids[:length]


def check(hypotheses, expected):
    """`expected` has for each sentence `[(score, ids)]`; missing ones must be empty rows."""
    ids, scores = np.asarray(hypotheses.ids), np.asarray(hypotheses.scores)
    assert ids.dtype == np.int32 and scores.dtype == np.float32
    for sentence, wanted in enumerate(expected):
        count = len(wanted)
        assert [unpadded(row) for row in ids[sentence, :count]] == [tokens for _, tokens in wanted]
        np.testing.assert_allclose(scores[sentence, :count], [score for score, _ in wanted], rtol=1e-5, atol=1e-5)
        assert (ids[sentence, count:] == PAD_ID).all()
        assert (scores[sentence, count:] <= IMPOSSIBLE).all()


def test_length_penalty():
    assert float(length_penalty(7, 1.0)) == pytest.approx(2.0)
    assert float(length_penalty(7, 0.5)) == pytest.approx(2**0.5)
    assert float(length_penalty(7, 0.0)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy_search(seed):
    limits = [5, 1, 3, 5, 2, 5]
    script = Script(vocab=6, max_length=5, sentences=6, seed=seed)
    hypotheses = run_beam(script, limits, beam_size=1, alpha=0.7)
    for sentence, limit in enumerate(limits):
        ids, total = [], 0.0
        while END_ID not in ids:
            log_probs = script.log_probs(sentence, ids)
            choices = [END_ID] if len(ids) + 1 == limit else [*script.tokens(), END_ID]
            ids.append(max(choices, key=lambda token: log_probs[token]))
            total += log_probs[ids[-1]]
        assert unpadded(hypotheses.ids.numpy()[sentence, 0]) == ids
        assert float(hypotheses.scores[sentence, 0]) == pytest.approx(total / penalty(len(ids), 0.7), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("n_best", [1, 3, 16])
def test_a_beam_that_holds_everything_finds_the_best_of_all(alpha, n_best):
    # Two tokens and END: 15 translations of at most 4; a sentence of limit 1 has just one.
    limits = [4, 1, 3, 4, 2, 4]
    script = Script(vocab=5, max_length=4, sentences=6, seed=7)
    expected = [every_translation(script, sentence, limit, alpha)[:n_best] for sentence, limit in enumerate(limits)]
    check(run_beam(script, limits, 16, alpha, n_best=n_best), expected)
    # The buffers may be wider than any limit.
    check(run_beam(script, limits, 16, alpha, n_best=n_best, max_length=9), expected)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("lookahead", [1, 2, LONG])
@pytest.mark.parametrize(("beam_size", "n_best"), [(2, 1), (2, 2), (3, 1), (4, 3)])
def test_a_narrow_beam_is_the_same_search_with_lists_and_as_long(alpha, lookahead, beam_size, n_best):
    limits = [6, 1, 5, 6]
    script = Script(vocab=6, max_length=6, sentences=4, seed=3, spread=1.0)
    settings = beam_size, alpha, lookahead, n_best
    found = [plain_beam_search(script, sentence, limit, *settings) for sentence, limit in enumerate(limits)]
    expected, steps = zip(*found, strict=True)
    check(run_beam(script, limits, *settings), expected)
    assert script.calls == max(steps)
    # A sentence alone is not carried on by the others.
    for sentence, limit in enumerate(limits):
        alone = script.alone(sentence)
        check(run_beam(alone, [limit], *settings), [expected[sentence]])
        assert alone.calls == steps[sentence]


def test_a_long_lookahead_finds_what_a_short_one_leaves():
    # END at once has 0.4; of the rest one token is nearly sure at every step, and so is END after three of it.
    script = Script(vocab=5, max_length=4)
    script.table[:] = -20
    script.table[..., [PAD_ID, START_ID]] = -np.inf
    number = START_ID
    for token in (4, 4, 4, END_ID):
        script.table[0, number, token] = 0
        number = number * 5 + token
    script.table[0, START_ID, END_ID] = np.log(0.4 / 0.6)
    short, long = (run_beam(script, [4], beam_size=2, alpha=2.0, lookahead=steps) for steps in (1, LONG))
    assert unpadded(short.ids.numpy()[0, 0]) == unpadded(long.ids.numpy()[0, 0]) == [4, 4, 4, END_ID]
    # With 0.6 and 0.4 exchanged, ln 0.4 / penalty(2) = -0.67 does not pass ln 0.6 / penalty(1) = -0.51, but with
    # penalty(4) = 2.25 it does.
    script.table[0, START_ID, END_ID] = np.log(0.6 / 0.4)
    short, long = (run_beam(script, [4], beam_size=2, alpha=2.0, lookahead=steps) for steps in (1, LONG))
    assert unpadded(short.ids.numpy()[0, 0]) == [END_ID] and unpadded(long.ids.numpy()[0, 0]) == [4, 4, 4, END_ID]


@pytest.mark.parametrize(("beam_size", "last"), [(1, 2), (3, 1)])
def test_finished_sentences_cost_nothing(beam_size, last):
    script = Script(vocab=6, max_length=6, sentences=8)
    script.table[..., END_ID] -= 30
    run_beam(script, [1, 2, 3, 4, 4, 4, 5, 6], beam_size)
    # A quarter must have finished before the others are moved together; with a beam of one, the last has company.
    assert script.sizes == [8, 7, 7, 5, 2, last]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_sure_end_stops_the_search(beam_size):
    script = Script(vocab=5, max_length=4, sentences=2)
    script.table[..., END_ID] += 20
    ids = run_beam(script, [50, 60], beam_size, alpha=1.0).ids.numpy()
    assert ids[:, 0, :2].tolist() == [[END_ID, PAD_ID]] * 2
    assert script.calls == 1


@pytest.mark.parametrize(("limit", "beam_size"), [(1, 1), (1, 3), (2, 5)])
def test_no_step_goes_beyond_the_limit_in_search_of_hypotheses_that_do_not_exist(limit, beam_size):
    script = Script(vocab=5, max_length=4)
    expected = every_translation(script, 0, limit, 1.0)
    assert len(expected) == {1: 1, 2: 3}[limit]
    check(run_beam(script, [limit], beam_size, alpha=1.0, n_best=beam_size, max_length=9), [expected])
    assert script.calls == limit


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_limit_forces_the_end(beam_size):
    script = Script(vocab=6, max_length=5, sentences=3)
    script.table[..., END_ID] -= 30
    ids = run_beam(script, [5, 2, 1], beam_size).ids.numpy()[:, 0]
    assert [unpadded(row).index(END_ID) for row in ids] == [4, 1, 0]


@pytest.mark.parametrize("vocab", [23, 24, 36])
def test_the_likeliest_are_found_in_any_group_of_the_vocabulary(vocab):
    # 23 is prime: each token is a group.
    script = Script(vocab=vocab, max_length=2, sentences=5, seed=2)
    expected = [every_translation(script, sentence, 2, 0.0)[:4] for sentence in range(5)]
    check(run_beam(script, [2] * 5, beam_size=vocab, n_best=4), expected)


def test_more_hypotheses_than_the_vocabulary_has_tokens():
    script = Script(vocab=5, max_length=3, seed=5)
    check(run_beam(script, [3], beam_size=20, n_best=20), [every_translation(script, 0, 3, 0.0)])


SETTINGS = [(1, 0.0), (2, 0.6), (3, 2.0), (5, 0.6), (4, 0.0), (5, 2.0)]


@pytest.mark.parametrize("lookahead", [1, LONG])
def test_a_width_and_a_penalty_of_each_sentence(lookahead):
    limits = [6, 5, 6, 6, 1, 6]
    script = Script(vocab=6, max_length=6, sentences=6, seed=3, spread=1.0)
    widths, alphas = np.array([width for width, _ in SETTINGS], "int32"), np.array([a for _, a in SETTINGS], "float32")
    reach = script.source(), script.state(), np.array(limits, "int32"), 6
    found = beam_search(script, *reach, 5, tf.constant(alphas), lookahead, widths=tf.constant(widths))
    for sentence, (limit, (width, alpha)) in enumerate(zip(limits, SETTINGS, strict=True)):
        expected, _ = plain_beam_search(script, sentence, limit, width, alpha, lookahead, 1)
        check(take_rows(found, [sentence]), [expected])


def take_rows(hypotheses, rows):
    return hypotheses._replace(ids=hypotheses.ids.numpy()[rows], scores=hypotheses.scores.numpy()[rows])


@pytest.mark.parametrize(("beam_size", "n_best"), [(1, 1), (3, 2)])
def test_log_probabilities_may_sum_to_less_than_one(beam_size, n_best):
    """A token barred after the logarithm is not shared out among the others: its probability is lost."""
    script = Script(vocab=6, max_length=5, sentences=4, seed=5, spread=1.0)

    def barred(ids, source, state):
        logits, state = script(ids, source, state)
        return tf.where(tf.range(6) == 5, -np.inf, tf.nn.log_softmax(logits)), state

    limits = np.array([5, 3, 1, 5], "int32")
    reach = script.source(), script.state(), limits, 5
    found = beam_search(barred, *reach, beam_size, 0.7, LONG, n_best, normalized=True)
    script.tokens = lambda: [1, 4]
    expected = [plain_beam_search(script, n, limit, beam_size, 0.7, LONG, n_best)[0] for n, limit in enumerate(limits)]
    check(found, expected)


def test_what_the_end_adds_decides():
    # After each token END has 0.6. Without what is added the shortest is the best.
    script = Script(vocab=5, max_length=3)
    script.table[:] = -20
    script.table[..., [PAD_ID, START_ID]] = -np.inf
    script.table[..., [4, END_ID]] = np.log([0.4, 0.6])
    reach = script.source(), script.state(), np.array([3], "int32"), 3
    costs = {START_ID: -5.0, START_ID * 5 + 4: -4.0}

    def ending(source, state):
        return tf.constant([[costs.get(prefix, 0.0) for prefix in row] for row in state["prefix"].numpy().tolist()])

    found = beam_search(script, *reach, 3, 0.0, LONG, 3, ending=ending)
    tokens = [[4, 4, END_ID], [4, END_ID], [END_ID]]
    scores = np.log(0.4 * 0.4 * 0.6), np.log(0.4 * 0.6) - 4, np.log(0.6) - 5
    check(found, [list(zip(scores, tokens, strict=True))])
