"""The steps of `nmt preprocess` as one plain loop: read, clean, drop leaks and duplicates, tokenize, write.

It is what somebody would write who has one corpus, one machine and no wish to start again: nothing is shuffled, no
reject is kept, and what it leaves is whole only if it comes to its end.
"""

import collections
import hashlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.command import run_command
from pipeline.cleaning.config import CleaningConfig
from pipeline.lines import read_lines
from pipeline.schema import SOURCE_IDS, TARGET_IDS

_PAIRS_AT_ONCE = 1024


def preprocess_loop(
    *,
    source: str,
    target: str,
    valid_source: str,
    valid_target: str,
    subwords: str,
    output: str,
    source_language: str,
    target_language: str,
    max_pieces: int = 250,
) -> None:
    """Makes the records of two parallel files and prints what became of the pairs.

    Args:
        source: File of source sentences.
        target: File of their translations.
        valid_source: File of source sentences that are held out, as their translations are.
        valid_target: File of their translations.
        subwords: A SentencePiece model.
        output: Folder for the records.
        source_language: Tag of the source language.
        target_language: Tag of the target language.
        max_pieces: Longest side, in pieces, END included.
    """
    # TensorFlow is loaded after the arguments are read.
    import tensorflow as tf

    from pipeline.cleaning.rules import Rejected, cleaner
    from pipeline.tokenizer import Tokenizer

    clean, tokenizer = cleaner(CleaningConfig(), source_language, target_language), Tokenizer.read(subwords)
    counts: collections.Counter[str] = collections.Counter()

    def kept(source: str, target: str) -> Iterator[tuple[str, str]]:
        for raw in zip(read_lines(source), read_lines(target), strict=True):
            counts["read"] += 1
            found = clean(*raw)
            if isinstance(found, Rejected):
                counts[found.rule] += 1
            else:
                yield found.source, found.target

    def distinct(held_out: set[str]) -> Iterator[tuple[str, str]]:
        seen: set[bytes] = set()
        for pair in kept(source, target):
            digest = hashlib.blake2b("\n".join(pair).encode(), digest_size=16).digest()
            if any(side.strip() in held_out for side in pair):
                counts["leaked"] += 1
            elif digest in seen:
                counts["duplicate"] += 1
            else:
                seen.add(digest)
                yield pair

    def serialize(source_ids: list[int], target_ids: list[int]) -> bytes:
        sides = {SOURCE_IDS: source_ids, TARGET_IDS: target_ids}.items()
        features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=ids)) for name, ids in sides}
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)

    def write(split: str, pairs: Iterator[tuple[str, str]]) -> None:
        with tf.io.TFRecordWriter(str(Path(output, f"{split}.tfrecord"))) as writer:
            while batch := [*itertools.islice(pairs, _PAIRS_AT_ONCE)]:
                sides = (tokenizer.tokenize(tf.constant(texts)).to_list() for texts in zip(*batch, strict=True))
                for ids in zip(*sides, strict=True):
                    if max(map(len, ids)) > max_pieces:
                        counts["too_many_pieces"] += 1
                    else:
                        writer.write(serialize(*ids))
                        counts[split] += 1

    Path(output).mkdir(parents=True)
    valid = [*kept(valid_source, valid_target)]
    write("valid", iter(valid))
    write("train", distinct({side.strip() for pair in valid for side in pair}))
    print(json.dumps(counts))


if __name__ == "__main__":
    sys.exit(run_command(preprocess_loop))
