"""A stream of texts cut for a server: windows that are held in memory, and in them requests of like length."""

from collections.abc import Iterable, Iterator, Sequence


def windows(texts: Iterable[str], count: int, characters: int) -> Iterator[list[str]]:
    """Cuts a stream, and reads no further than the end of a window before it is asked for the next one.

    Args:
        texts: Any number of them.
        count: Texts in a window, at most.
        characters: Characters after which a window ends, too; by so many and one text its memory is bounded.

    Returns:
        The texts, in order, a list for each window.
    """
    window: list[str] = []
    total = 0
    for text in texts:
        window.append(text)
        total += len(text)
        if len(window) == count or total >= characters:
            yield window
            window, total = [], 0
    if window:
        yield window


def by_length(texts: Sequence[str], count: int, characters: int) -> list[list[int]]:
    """Divides texts into requests, so that none pads short texts to the length of a long one.

    Args:
        texts: The texts of a window.
        count: Texts in a request, at most.
        characters: Characters in a request, at most; a text with more is alone.

    Returns:
        For each request the places of its texts; the longest texts first, as what starts last ought to be short.
    """
    requests: list[list[int]] = []
    total = 0
    for place in sorted(range(len(texts)), key=lambda i: -len(texts[i])):
        total += len(texts[place])
        if not requests or len(requests[-1]) == count or total > characters:
            requests.append([])
            total = len(texts[place])
        requests[-1].append(place)
    return requests
