import pytest

from serving.sessions.windows import by_length, windows


@pytest.mark.parametrize(
    ("texts", "count", "characters", "expected"),
    [
        ([], 2, 10, []),
        (["a", "b", "c"], 2, 10, [["a", "b"], ["c"]]),
        (["a", "b"], 2, 10, [["a", "b"]]),
        (["", "", ""], 2, 1, [["", ""], [""]]),
        (["aa", "bb", "c", "ddddd", "e"], 9, 4, [["aa", "bb"], ["c", "ddddd"], ["e"]]),
    ],
)
def test_windows(texts, count, characters, expected):
    assert list(windows(texts, count, characters)) == expected


def test_nothing_is_read_before_it_is_asked_for():
    read = []
    cut = windows((read.append(i) or str(i) for i in range(9)), 3, 100)
    assert read == []
    assert (next(cut), read) == (["0", "1", "2"], [0, 1, 2])
    assert (next(cut), read) == (["3", "4", "5"], [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("texts", "count", "characters", "expected"),
    [
        ([], 2, 10, []),
        # The longest first; among equals, the order given.
        (["a", "bbb", "cc", "ddd", ""], 2, 10, [[1, 3], [2, 0], [4]]),
        (["aaaa", "bbbb", "cc", "d"], 9, 8, [[0, 1], [2, 3]]),
        # A text that is too long alone is alone.
        (["a" * 20, "bbb"], 9, 10, [[0], [1]]),
        (["a" * 20, "b" * 20], 9, 10, [[0], [1]]),
    ],
)
def test_requests_of_like_length(texts, count, characters, expected):
    assert by_length(texts, count, characters) == expected
