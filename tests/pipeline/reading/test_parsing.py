import tensorflow as tf

from pipeline import records
from pipeline.reading.parsing import parse


def test_records_are_parsed_in_their_order():
    source, target = parse(tf.constant([records.serialize([5, 3], [3]), records.serialize([3], [6, 7, 3])]))
    assert source.dtype == target.dtype == tf.int32
    assert (source.to_list(), target.to_list()) == ([[5, 3], [3]], [[3], [6, 7, 3]])
