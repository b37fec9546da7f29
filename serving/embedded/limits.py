"""What a single request may ask for."""

from collections.abc import Mapping

import numpy as np

from serving.embedded.batcher import count_rows
from serving.embedded.config import ServerConfig
from serving.embedded.status import invalid_argument
from serving.embedded.text_count import count_characters


def check_size(inputs: Mapping[str, np.ndarray], config: ServerConfig) -> None:
    """Holds a request to the limits of its size.

    Args:
        inputs: An array `(rows, ...)` for each input; strings are object arrays of bytes.
        config: The limits.

    Raises:
        StatusError: It has more rows, or its texts more characters.
    """
    rows = count_rows(inputs)
    if rows > config.max_rows:
        raise invalid_argument(f"Expecting at most {config.max_rows} rows but got: {rows}; divide the request")
    texts = [text for array in inputs.values() if array.dtype == object for text in array.ravel()]
    # No text has more characters than bytes, which cost nothing to count.
    if sum(map(len, texts)) <= config.max_characters:
        return
    characters = count_characters(texts)
    if characters > config.max_characters:
        raise invalid_argument(
            f"Expecting at most {config.max_characters} characters but got: {characters}; divide the request"
        )
