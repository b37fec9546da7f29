"""A YAML document in which each key is given once."""

from collections import Counter
from typing import Any, TextIO

import yaml


class _EachKeyOnce(yaml.SafeLoader):
    """YAML forbids a key given twice, and PyYAML takes the last one in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        times = Counter((key.tag, key.value) for key in keys)
        for key in keys:
            if times[key.tag, key.value] > 1:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} stands twice", node.start_mark)
        return node


def load_document(text: str | TextIO) -> Any:
    """Reads plain values, as `yaml.safe_load` does.

    Args:
        text: The document, or a file of it.

    Raises:
        yaml.YAMLError: It is no YAML, or a mapping has a key twice.
    """
    return yaml.load(text, _EachKeyOnce)
