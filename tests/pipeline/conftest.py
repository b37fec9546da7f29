import random
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import PreprocessConfig
from pipeline.schema import Manifest

Pairs = Sequence[tuple[str | bytes, str | bytes]]


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[[str, Sequence[str | bytes]], str]:
    def write(name: str, lines: Sequence[str | bytes]) -> str:
        path = tmp_path / name
        path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
        return str(path)

    return write


@pytest.fixture
def configure(write_lines: Callable[..., str], tmp_path: Path) -> Callable[..., PreprocessConfig]:
    """Writes pairs into files and gives the settings of a job over them."""

    def make(train: Pairs, valid: Pairs = (), **settings: Any) -> PreprocessConfig:
        files = {
            f"{prefix}{side}": (write_lines(f"{prefix}{side}.txt", [pair[index] for pair in pairs]),)
            for prefix, pairs in (("", train), ("valid_", valid))
            for index, side in enumerate(("source", "target"))
            if pairs
        }
        defaults = {"output": str(tmp_path / "data"), "vocab_size": 400, "shards": 3}
        defaults |= {} if valid else {"valid_share": 0.1}
        return PreprocessConfig(**{**defaults, **files, **settings})

    return make


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as a terminal's processes take it, and those that they start: what a script runs beside it ignores it."""
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, outer)


@pytest.fixture(scope="session")
def read_back() -> Callable[[str, str], list[tuple[str, str]]]:
    """Gives the pairs of a split as text, in the order of the records."""
    import tensorflow as tf

    from pipeline.reading.parsing import parse
    from pipeline.tokenizer import Tokenizer

    def read(folder: str, split: str) -> list[tuple[str, str]]:
        manifest = Manifest.read_from(folder)
        files = [str(Path(folder, shard.file)) for shard in manifest.splits[split].shards]
        sides = parse(tf.constant(list(tf.data.TFRecordDataset(files).as_numpy_iterator())))
        texts = [
            Tokenizer.read(Path(folder, subwords.file), subwords.fingerprint).detokenize(ids).numpy()
            for subwords, ids in zip((manifest.source, manifest.target), sides, strict=True)
        ]
        return [(source.decode(), target.decode()) for source, target in zip(*texts, strict=True)]

    return read


@pytest.fixture(scope="session")
def jaccard() -> Callable[[tuple[str, str], tuple[str, str], int], float]:
    """The exact similarity of two pairs: of both sides' n-grams, each apart, ends padded, case and spaces aside."""

    def ngrams(pair: tuple[str, str], size: int) -> set[tuple[int, str]]:
        sides = ["\0" * (size - 1) + " ".join(side.casefold().split()) + "\0" * (size - 1) for side in pair]
        return {(side, text[at : at + size]) for side, text in enumerate(sides) for at in range(len(text) - size + 1)}

    def similarity(pair: tuple[str, str], other: tuple[str, str], size: int) -> float:
        own, others = ngrams(pair, size), ngrams(other, size)
        return len(own & others) / len(own | others)

    return similarity


@pytest.fixture(scope="session")
def similar_pairs() -> Callable[[int, int], list[tuple[tuple[str, str], tuple[str, str]]]]:
    """Made-up pairs, each with a version of it in which 0 to 5 words of each side are others."""

    def make(count: int, seed: int) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        draw = random.Random(seed)
        words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyzäöü", k=draw.randint(2, 9))) for _ in range(3000)]

        def edited(side: list[str]) -> str:
            places = draw.sample(range(len(side)), draw.randint(0, 5))
            return " ".join(draw.choice(words) if place in places else word for place, word in enumerate(side))

        pairs = []
        for _ in range(count):
            source, target = (draw.choices(words, k=draw.randint(6, 25)) for _ in range(2))
            pairs.append(((" ".join(source), " ".join(target)), (edited(source), edited(target))))
        return pairs

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of an S3 of this machine, which holds its objects in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str) -> Iterator[Any]:
    """A new bucket, which Beam finds in this process."""
    from pipeline.job.runners import Runner
    from tests.pipeline.stores import Bucket

    made = Bucket(s3_server, f"bucket-{uuid.uuid4().hex}")
    Runner(1, made.flags)
    yield made
    Runner()


@pytest.fixture
def ask_rights(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the S3 ask from then on what a key may do; see `Bucket.key_that_may`."""

    def ask() -> None:
        from moto import settings

        monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)

    return ask


@pytest.fixture
def refuse_reading(bucket: Any, ask_rights: Callable[[], None]) -> Callable[[str, str], list[str]]:
    """Lets an object be listed alone: its bytes are archived, or the key of the flags that it gives lacks the right."""

    def refuse(name: str, why: str) -> list[str]:
        if why == "archive":
            bucket.put(name, bucket.read(name), StorageClass="GLACIER")
            return bucket.flags
        flags = bucket.key_that_may("s3:ListBucket")
        ask_rights()
        return flags

    return refuse


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that has folders, which are in the test's own."""
    from tests.pipeline.stores import Disk

    monkeypatch.setattr(Disk, "root", tmp_path, raising=False)
    return "disk://root"
