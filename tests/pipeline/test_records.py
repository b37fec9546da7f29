import struct

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import records


def by_protocol_buffers(source_ids, target_ids):
    sides = {"source_ids": source_ids, "target_ids": target_ids}.items()
    features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=ids)) for name, ids in sides}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def test_a_record_is_a_tensorflow_example():
    example = tf.train.Example.FromString(records.serialize([5, 70000, 3], [3]))
    assert {name: list(feature.int64_list.value) for name, feature in example.features.feature.items()} == {
        "source_ids": [5, 70000, 3],
        "target_ids": [3],
    }


@given(st.lists(st.tuples(*[st.lists(st.integers(0, 2**28 - 1), max_size=80)] * 2), max_size=5))
@settings(deadline=None)
def test_many_records_are_those_of_protocol_buffers(pairs):
    pairs = [*pairs, ([0, 127, 128, 16383, 16384, 2097151, 2097152, 2**28 - 1], []), ([9] * 20_000, [200] * 127)]
    assert list(records.serialize_all(*zip(*pairs, strict=True))) == [by_protocol_buffers(*pair) for pair in pairs]


def test_no_records_of_no_pairs():
    assert list(records.serialize_all([], [])) == []


def test_frames_are_what_tensorflow_writes_and_reads(tmp_path):
    contents = [b"", b"123456789", bytes(range(256)) * 100]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_bytes(b"".join(map(records.frame, contents)))
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for record in contents:
            writer.write(record)
    assert ours.read_bytes() == theirs.read_bytes()
    assert list(tf.data.TFRecordDataset(str(ours)).as_numpy_iterator()) == contents


def test_the_checksum_is_the_masked_crc32c():
    # RFC 3720's check value of CRC-32C is E3069283; the mask turns it right by 15 bits and adds A282EAD8.
    crc = 0xE3069283
    masked = (((crc >> 15) | (crc << 17 & 0xFFFFFFFF)) + 0xA282EAD8) % 2**32
    assert records.frame(b"123456789")[-4:] == struct.pack("<I", masked)
