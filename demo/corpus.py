"""The demo's synthetic corpus on disk: training pairs with dirt, validation and test pairs of unseen combinations."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.grammar import Grammar, Pair
from pipeline.files import write_beside
from pipeline.job.rejects import DUPLICATE, LEAKED

# Shares of the training lines, and of each part's pairs: sentences of 25 words and more are rare enough to keep the
# mean below ten words, and frequent enough in the test set for a score of their own.
DIRT = 0.02
LONG = 0.06
# One combination of verb and noun in so many is kept for validation and test.
HELD_OUT = 16
RATIO = 4


@dataclass(frozen=True)
class Corpus:
    """What `write_corpus` has written.

    Attributes:
        folder: Holds train.en, train.de, valid.en, valid.de, test.en, test.de and test.jsonl.
        train, valid, test: Distinct clean pairs of each part.
        dirt: Dirty training lines by the reason for which `nmt preprocess` rejects them.
        words: Mean English and German words of the clean training pairs.
    """

    folder: Path
    train: int
    valid: int
    test: int
    dirt: dict[str, int]
    words: tuple[float, float]


def is_held_out(combination: tuple[str, str]) -> bool:
    """Whether sentences with this combination of verb and noun stay out of training."""
    digest = hashlib.blake2b("\t".join(combination).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % HELD_OUT == 0


def draw_pairs(seed: int, pairs: int, valid: int, test: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Draws distinct pairs and sends each where its combinations belong.

    No training pair has a held-out combination; every validation and test pair has at least one, and none of its
    names, and neither of its sides, stands in training.

    Args:
        seed: The same seed gives the same pairs.
        pairs: Number of training pairs.
        valid: Number of validation pairs.
        test: Number of test pairs, `LONG` of them of 25 words and more.

    Returns:
        Training, validation and test pairs.
    """
    rng = random.Random(seed)
    grammar = Grammar(rng)
    seen: set[str] = set()
    held_out_memo: dict[tuple[str, str], bool] = {}
    train: list[Pair] = []
    pool: dict[bool, list[Pair]] = {True: [], False: []}
    longs = round(LONG * test)
    wanted = {True: longs + round(LONG * valid), False: 0}
    wanted[False] = test + valid - wanted[True]

    def draw(is_long: bool) -> None:
        pair = grammar.long() if is_long else grammar.short()
        if pair.english in seen:
            return
        seen.add(pair.english)
        for combination in pair.combinations:
            if combination not in held_out_memo:
                held_out_memo[combination] = is_held_out(combination)
        if any(held_out_memo[combination] for combination in pair.combinations):
            pool[is_long].append(pair)
        elif len(train) < pairs:
            train.append(pair)

    while len(train) < pairs:
        draw(rng.random() < LONG)
    names = frozenset().union(*(pair.names for pair in train))
    german = {pair.german for pair in train}
    chosen: dict[bool, list[Pair]] = {}
    for is_long, count in wanted.items():
        fresh: list[Pair] = []
        while len(fresh) < count:
            fresh += [pair for pair in pool[is_long] if not pair.names & names and pair.german not in german]
            pool[is_long].clear()
            if len(fresh) < count:
                draw(is_long)
        chosen[is_long] = fresh[:count]
    shorts = test - longs
    test_pairs = chosen[True][:longs] + chosen[False][:shorts]
    valid_pairs = chosen[True][longs:] + chosen[False][shorts:]
    for part in (test_pairs, valid_pairs):
        rng.shuffle(part)
    return train, valid_pairs, test_pairs


def with_dirt(
    rng: random.Random, train: Sequence[Pair], test: Sequence[Pair]
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Adds dirty lines, in equal parts duplicates, empty sides, misaligned lines and test pairs.

    A misaligned line joins one pair's source to another's target, in words and in letters at least `RATIO` times as
    long or as short.

    Args:
        rng: The source of all choices.
        train: Clean pairs.
        test: Pairs of which some leak.

    Returns:
        Lines in random order, and the number of dirty ones by the reason to reject them.
    """
    count = round(len(train) * DIRT / (1 - DIRT) / 4)
    clean = [(pair.english, pair.german) for pair in train]
    duplicates = rng.sample(clean, count)
    empty = [(source, "") if rng.random() < 0.5 else ("", target) for source, target in rng.sample(clean, count)]
    leaked = [(pair.english, pair.german) for pair in rng.sample(list(test), count)]
    misaligned: list[tuple[str, str]] = []
    while len(misaligned) < count:
        source, target = rng.choice(clean)[0], rng.choice(clean)[1]
        words, letters = (len(source.split()), len(target.split())), (len(source), len(target))
        if all(max(sizes) >= RATIO * min(sizes) for sizes in (words, letters)):
            misaligned.append((source, target))
    lines = clean + duplicates + empty + misaligned + leaked
    rng.shuffle(lines)
    return lines, {kind: count for kind in (DUPLICATE, "empty", "characters_ratio", LEAKED)}


def write_corpus(folder: str | Path, seed: int = 1, pairs: int = 20_000) -> Corpus:
    """Writes the synthetic corpus; the same seed and number give the same bytes.

    Args:
        folder: Where the files go; files of the same name are replaced.
        seed: Seed of all choices.
        pairs: Distinct clean training pairs; validation has a fortieth as many, the test set a twentieth.

    Returns:
        Where it lies and what it holds.
    """
    folder = Path(folder)
    train, valid, test = draw_pairs(seed, pairs, pairs // 40, pairs // 20)
    lines, dirt = with_dirt(random.Random(f"dirt {seed}"), train, test)
    _write(folder / "train", lines)
    _write(folder / "valid", [(pair.english, pair.german) for pair in valid])
    _write(folder / "test", [(pair.english, pair.german) for pair in test])
    with write_beside(folder / "test.jsonl") as beside:
        beside.write_text("".join(json.dumps({"phenomena": pair.phenomena}) + "\n" for pair in test), "utf-8")
    english = sum(len(pair.english.split()) for pair in train) / len(train)
    german = sum(len(pair.german.split()) for pair in train) / len(train)
    return Corpus(folder, len(train), len(valid), len(test), dirt, (english, german))


def read_phenomena(folder: str | Path) -> list[list[str]]:
    """The phenomena of each test pair, in the order of the test files."""
    lines = (Path(folder) / "test.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["phenomena"] for line in lines]


def _write(stem: Path, lines: Sequence[tuple[str, str]]) -> None:
    for side, language in enumerate(("en", "de")):
        with write_beside(stem.with_suffix(f".{language}")) as beside:
            beside.write_text("".join(line[side] + "\n" for line in lines), "utf-8", newline="\n")
