"""Records: a pair's ids as a `tf.train.Example` in a TFRecord file."""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import tensorflow as tf

from pipeline.schema import SOURCE_IDS, TARGET_IDS

_FEATURES = {name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64) for name in (SOURCE_IDS, TARGET_IDS)}


def serialize(source_ids: Sequence[int], target_ids: Sequence[int]) -> bytes:
    """Makes the record of a pair; END is included and nothing is padded."""
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=ids))
        for name, ids in ((SOURCE_IDS, source_ids), (TARGET_IDS, target_ids))
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse(records: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Reads records.

    Args:
        records: `(n,)` string, each from `serialize`.

    Returns:
        source ids and target ids, `(n, None)` int32 each.
    """
    ids = tf.io.parse_example(records, _FEATURES)
    return tf.cast(ids[SOURCE_IDS], tf.int32), tf.cast(ids[TARGET_IDS], tf.int32)


def frame(record: bytes) -> bytes:
    """Puts a record into the frame of the TFRecord format: its length and two masked CRC-32C checksums."""
    length = struct.pack("<Q", len(record))
    return length + _masked_checksum(length) + record + _masked_checksum(record)


def _masked_checksum(data: bytes) -> bytes:
    checksum = google_crc32c.value(data)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
