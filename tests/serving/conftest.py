import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

# A toy language: a sentence takes a word of some of these kinds, in their order, and is translated word for word. The
# kinds tell the decoder where to look, so that a few hundred steps teach it.
KINDS = (
    {"one": "eins", "two": "zwei", "three": "drei", "six": "sechs"},
    {"red": "rot", "blue": "blau", "green": "grün"},
    {"cats": "Katzen", "dogs": "Hunde", "birds": "Vögel"},
    {"and": "und", "or": "oder", "not": "nicht"},
    {"four": "vier", "five": "fünf", "seven": "sieben"},
    {"here": "hier", "there": "dort", "today": "heute"},
)


def draw_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Distinct sentences of one to six words and their translations."""
    draw, pairs = random.Random(seed), {}
    while len(pairs) < count:
        kinds = [kind for kind in KINDS if draw.random() < 0.7] or KINDS[:1]
        words = [draw.choice(list(kind.items())) for kind in kinds]
        pairs[" ".join(source for source, _ in words)] = " ".join(target for _, target in words)
    return list(pairs.items())


def draw_protected(count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences of the toy language with one to three placeholders, URLs or tags, which their translations have too."""
    draw = random.Random(seed)
    names = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]
    kinds = ("{{{}}}", "%({})s", "https://{}.org/?q=1", "{}@nmt.org", "<{}>", "</{}>", '<{0} id="x. y">')
    pairs = []
    for source, target in draw_pairs(count, seed):
        sides = source.split(), target.split()
        for _ in range(draw.randint(1, 3)):
            place, span = draw.randint(0, len(sides[0])), draw.choice(kinds).format(draw.choice(names))
            for words in sides:
                words.insert(place, span)
        pairs.append((" ".join(sides[0]), " ".join(sides[1])))
    return pairs


def make_data(folder: Path, joint_vocabulary: bool, protect: bool = False) -> Path:
    """Preprocesses 500 pairs of the toy language; with as many that hold protected text."""
    from pipeline.config import PreprocessConfig
    from pipeline.preprocess import preprocess

    pairs = draw_pairs(500, seed=1) + (draw_protected(500, seed=4) if protect else [])
    files = [folder / "source.txt", folder / "target.txt"]
    for file, lines in zip(files, zip(*pairs, strict=True), strict=True):
        file.write_text("".join(f"{line}\n" for line in lines))
    source, target = map(str, files)
    output = folder / "data"
    preprocess(
        PreprocessConfig(
            source=(source,),
            target=(target,),
            output=str(output),
            vocab_size=460,
            joint_vocabulary=joint_vocabulary,
            protect=protect,
            valid_share=0.1,
            shards=2,
            source_language="en",
            target_language="de",
        )
    )
    return output


def make_run(
    data: Path, run: Path, epochs: int, beam_size: int, shortlist: int = 0, lookahead: int = 1, **model
) -> Path:
    """Trains a tiny model."""
    from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
    from models.training.train import train

    sizes = {"encoder_units": 32, "decoder_units": 32, "embedding_size": 24, "attention_units": 24, "readout_units": 24}
    recipe = Recipe(
        BatchingConfig(size=16),
        ModelConfig(**{"cell": "gru", "dropout": 0.0} | sizes | model),
        TrainingConfig(epochs=epochs, learning_rate=0.02, label_smoothing=0.0, clip_norm=5.0),
        DecodingConfig(
            beam_size=beam_size,
            shortlist=shortlist,
            lookahead=lookahead,
            max_source_length=40,
            max_length_factor=1.5,
            max_text_pieces=20_000,
        ),
    )
    train(recipe, str(data), str(run))
    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder that all processes of the tests share, and that no test changes: the first to ask makes it."""
    folder = tmp_path_factory.getbasetemp()
    common = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        path, done = common / name, common / f"{name}.made"
        with FileLock(common / f"{name}.lock"):
            if not done.exists():
                path.mkdir()
                fill(path)
                done.touch()
        return path

    return make


@pytest.fixture(scope="session")
def data(made_once) -> Path:
    """A data set of the toy language, with one vocabulary."""
    return made_once("joint", lambda folder: make_data(folder, joint_vocabulary=True)) / "data"


@pytest.fixture(scope="session")
def run(data: Path, made_once) -> Path:
    """A run of a model with attention that has learned the toy language."""
    return made_once("attention", lambda folder: make_run(data, folder / "run", 10, beam_size=3, shortlist=20)) / "run"


@pytest.fixture(scope="session")
def protected_run(made_once) -> Path:
    """A run of a model that has learned the toy language, and where placeholders go in it."""

    def fill(folder: Path) -> None:
        data = make_data(folder, joint_vocabulary=True, protect=True)
        # The search for the best one ends where that for the three best has it, too.
        make_run(data, folder / "run", epochs=6, beam_size=3, shortlist=20, lookahead=70)

    return made_once("protected", fill) / "run"


@pytest.fixture(scope="session")
def other_run(data: Path, made_once) -> Path:
    """A run with the subwords of `run`, of other parts, which keep statistics beside their parameters."""
    parts = {"cell": "batch-norm-lstm", "encoder": "unidirectional", "attention": "dot", "embedding_size": 16}
    return made_once("other", lambda folder: make_run(data, folder / "run", 4, beam_size=1, **parts)) / "run"


@pytest.fixture(scope="session")
def plain_run(made_once) -> Path:
    """A run without attention, of other parts, with a vocabulary for each side; its beam is 1."""
    parts = {
        "cell": "lstm",
        "encoder": "unidirectional",
        "encoder_layers": 2,
        "attention": "none",
        "summary_at_every_step": True,
    }

    def fill(folder: Path) -> None:
        data = make_data(folder, joint_vocabulary=False)
        make_run(data, folder / "run", epochs=1, beam_size=1, tie_embeddings="two-way", **parts)

    return made_once("plain", fill) / "run"


def export_alone(run: Path, folder: Path, **settings) -> None:
    """Exports a copy of a run, which is gone afterwards: an export has to stand alone."""
    from serving.exports.export import export

    copy = shutil.copytree(run, folder / "run")
    export(str(copy), str(folder / "export"), **settings)
    shutil.rmtree(copy)


@pytest.fixture(scope="session")
def export(run: Path, made_once) -> Path:
    """The export of `run`, with one version."""
    return made_once("attention-export", lambda folder: export_alone(run, folder)) / "export"


@pytest.fixture(scope="session")
def translator(run: Path):
    """What `run` translates with; its graphs are made once for all tests."""
    from serving.graph.translator import Translator

    return Translator.from_run(run)


@pytest.fixture(scope="session")
def servable(export: Path):
    """The version of `export`, whose signatures are prepared once for all tests."""
    from serving.servable import Servable

    servable = Servable(export / "1")
    yield servable
    servable.close()


@pytest.fixture(scope="session")
def urls(export: Path) -> Iterator[list[str]]:
    """The URLs of `export`, served over REST and gRPC."""
    from serving.embedded.models_config import ModelSource
    from serving.embedded.server import running_models

    with running_models([ModelSource("nmt", str(export))], grpc_port=0) as urls:
        yield urls


@pytest.fixture(scope="session")
def url(urls: list[str]) -> str:
    """The URL of `export`, served over REST."""
    return urls[0]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """200 sentences of the toy language, 20 of them too long for the model to take in one part."""
    short = [source for source, _ in draw_pairs(180, seed=2)]
    long = [" ".join(short[i : i + 25]) for i in range(0, 100, 5)]
    return random.Random(3).sample(short + long, 200)


@pytest.fixture(scope="session")
def protected_pairs() -> list[tuple[str, str]]:
    """100 pairs that hold protected text, which `protected_run` has not seen together."""
    return draw_protected(100, seed=9)


@pytest.fixture(scope="session")
def hostile() -> list[bytes]:
    """Lines that break translators: each is to give one translation, the same as alone."""
    return [
        b"one two",
        b"",
        b" \t ",
        b"red " * 10_000,
        "one \U0001f600 two".encode(),
        "one\u2028two\u0085three".encode(),
        b"one\rtwo",
        b"\r",
        b"\0",
        b"one\0two",
        b"one \xff\xfe two \xc3",
        "\u2581 \ufeff \u0301".encode(),
        b"<s> </s> <pad> <unk> <0x0A>",
        b"",
        b"five six",
    ]


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with the versions 2 and 10, and folders that are no versions.

    Version 10 upper-cases text; version 2 has the same signatures and is there to be passed over.
    """
    import tensorflow as tf

    def signature(*inputs):
        return tf.function(input_signature=inputs)

    def vector(name, dtype=tf.float32):
        return tf.TensorSpec([None], dtype, name)

    class Small(tf.Module):
        @signature(vector("text", tf.string))
        def upper(self, text):
            return {"translation": tf.strings.upper(text)}

        @signature(vector("text", tf.string))
        def nbest(self, text):
            length = tf.cast(tf.strings.length(text), tf.float32)
            return {
                "translations": tf.stack([tf.strings.upper(text), tf.strings.lower(text)], axis=1),
                "scores": tf.stack([length * 0.1, -length], axis=1),
            }

        @signature(vector("a"), vector("b"))
        def add(self, a, b):
            return {"sum": a + b}

        @signature(tf.TensorSpec([None, None], tf.int64, "x"), tf.TensorSpec([None], tf.bool, "negative"))
        def rows(self, x, negative):
            return {"total": tf.where(negative, -1, 1) * tf.cast(tf.reduce_sum(x, axis=1), tf.int32), "odd": x % 2 == 1}

        @signature(vector("x", tf.float64))
        def numbers(self, x):
            return {"x": x}

        @signature(vector("x", tf.uint8))
        def narrow(self, x):
            return {"x": x}

        @signature(vector("x", tf.float16))
        def half(self, x):
            return {"x": x}

        @signature(vector("text", tf.string))
        def binary(self, text):
            return {"raw_bytes": text}

        @signature(vector("text", tf.string))
        def picky(self, text):
            refused = tf.debugging.Assert(tf.reduce_all(text != "bad"), ["refused"])
            with tf.control_dependencies([refused]):
                return {"translation": tf.identity(text)}

        @signature(vector("n", tf.int32))
        def slow(self, n):
            (count,) = tf.while_loop(lambda i: i < tf.reduce_max(n), lambda i: [i + 1], [tf.constant(0)])
            return {"count": n * 0 + count}

        @signature(vector("x", tf.int32))
        def batch_size(self, x):
            return {"x": x, "size": tf.zeros_like(x) + tf.size(x)}

        @signature(vector("x"))
        def lengths_differ(self, x):
            return {"x": x, "first": x[:1]}

        @signature(vector("x"))
        def total(self, x):
            return {"total": tf.reduce_sum(x)}

    module = Small()
    names = [
        "nbest", "add", "rows", "numbers", "narrow", "half", "binary", "picky", "slow", "batch_size", "lengths_differ",
        "total",
    ]  # fmt: skip
    export = tmp_path_factory.mktemp("export")
    tf.saved_model.save(
        module,
        str(export / "10"),
        signatures={"serving_default": module.upper} | {name: getattr(module, name) for name in names},
    )
    shutil.copytree(export / "10", export / "2")
    shutil.copytree(export / "10", export / ".11.half-written" / "11")
    (export / "12").mkdir()
    shutil.copytree(export / "10", export / "latest")
    return export


@pytest.fixture(scope="session")
def small_service(small_export: Path) -> Iterator[tuple]:
    """The URL over REST of `small_export`, served with version 2 as `old`, and stubs for gRPC."""
    from tests.serving.stubs import serving

    with serving(small_export, old=2) as service:
        yield service


@pytest.fixture(scope="session")
def stubs(small_service: tuple):
    """Stubs of TensorFlow Serving's gRPC services for the `small_service`."""
    return small_service[1]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for 127.0.0.1 that signs itself, and of its key."""
    certificate, key = (str(tmp_path_factory.mktemp("tls") / name) for name in ("certificate.pem", "key.pem"))
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=nmt -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of SavedModels, 1 to 4, each of which answers with its own number; 5 is broken."""
    import tensorflow as tf

    class Teller(tf.Module):
        def __init__(self, number):
            super().__init__()
            self.number = tf.Variable(number)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def tell(self, text):
            return {"number": tf.zeros_like(text, tf.int32) + self.number}

    folder = tmp_path_factory.mktemp("told")
    for number in range(1, 5):
        teller = Teller(number)
        tf.saved_model.save(teller, str(folder / str(number)), signatures={"serving_default": teller.tell})
    (folder / "5").mkdir()
    (folder / "5" / "saved_model.pb").write_bytes(b"\x00broken")
    return folder
