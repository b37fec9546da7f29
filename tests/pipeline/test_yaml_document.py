import io

import pytest
import yaml

from pipeline.yaml_document import load_document


def test_reads_what_yaml_says():
    text = "base: &base {a: 1, b: [x, 2.5]}\nown: {<<: *base, a: 3}\n'a': ~\n"
    read = {"base": {"a": 1, "b": ["x", 2.5]}, "own": {"a": 3, "b": ["x", 2.5]}, "a": None}
    assert load_document(text) == load_document(io.StringIO(text)) == read
    assert load_document("") is None
    assert load_document("{1: a, '1': b}") == {1: "a", "1": "b"}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "- {x: 1}\n- {a: 1, 'a': 1}", "b: {a: {a: 1}, a: 2}"])
def test_a_key_is_given_once(text):
    with pytest.raises(yaml.YAMLError, match="the key 'a' stands twice"):
        load_document(text)


def test_nothing_but_plain_values_is_made():
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        load_document("!!python/object/apply:os.getcwd []")
