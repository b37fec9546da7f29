"""The job that makes a data set of parallel text: clean, learn subwords, tokenize."""

import contextlib
import dataclasses
import itertools
import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import apache_beam as beam
from tqdm import tqdm

from pipeline import filters, protected, readers, transforms
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.runners import Runner
from pipeline.schema import TRAIN, VALID, Manifest, Shard, Split, Subwords

_REJECTED, _SHARDS = "rejected.json", "shards.json"
_DECIDING = ("sentencepiece", "tensorflow", "tensorflow-text")


def preprocess(config: PreprocessConfig, beam_args: Sequence[str] = ()) -> Manifest:
    """Makes a data set: the subwords, the records of `train` and `valid`, and the manifest, which is written last.

    The same input gives the same bytes, whatever the runner and the number of workers.

    Args:
        config: The settings.
        beam_args: Apache Beam's own flags; a `--runner` among them takes the job to a cluster.

    Returns:
        The manifest.

    Raises:
        UserError: A file is missing or unreadable, parallel files have unequal counts of lines, the output exists,
            or too little is left after cleaning.
    """
    runner = Runner(config.workers, beam_args)
    runner.require_reachable([*config.source, *config.target, config.output])
    output = Path(config.output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            f"--output: expected a new or empty folder, received {config.output!r}, which holds something;"
            " name another one, or remove it first"
        )
    with (
        write_beside(output) as data,
        tqdm(total=4, unit="stage", mininterval=0, miniters=0) as progress,
    ):
        text = data.with_name(f"{data.name}.text")
        for folder in (data, text):
            folder.mkdir()
        _make(config, runner, text, data, progress).write(data)
    return Manifest.read_from(output)


def _make(config: PreprocessConfig, runner: Runner, text: Path, data: Path, progress: tqdm) -> Manifest:
    with _stage(progress, "count lines"):
        train, train_pairs = readers.align("", config.source, config.target)
        valid, valid_pairs = readers.align("valid-", config.valid_source, config.valid_target)
        for path in config.exclude:
            readers.count_lines("exclude", path)
    with _stage(progress, "clean and shuffle"):
        runner.run(lambda root: _clean(root, config, train, valid, text))
        rejected = Counter(dict(json.loads((text / _REJECTED).read_text())))
        for split in (TRAIN, VALID):
            _require_pairs(split, any(text.glob(f"{split}-*")), rejected)
    with _stage(progress, "learn subwords"):
        source, target = _learn(config, text, data)
    with _stage(progress, "tokenize"):
        runner.run(lambda root: _encode(root, config, (source.file, target.file), text, data))
        shards = json.loads((text / _SHARDS).read_text())
        rejected[filters.TOO_LONG] += sum(shard["too_long"] for shard in shards)
        splits = {split: _split(split, shards) for split in (TRAIN, VALID)}
        for split in splits:
            _require_pairs(split, splits[split].records, rejected)
    settings = dataclasses.asdict(config)
    # The same data set in another folder, made by more workers, is the same data set.
    for name in ("output", "workers"):
        del settings[name]
    return Manifest(
        source=source,
        target=target,
        splits=splits,
        read=train_pairs + valid_pairs,
        rejected={reason: rejected[reason] for reason in filters.REASONS},
        settings=settings,
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in _DECIDING}},
        protected=protected.PATTERN if config.protect else "",
        masked=sum(shard["masked"] for shard in shards),
    )


@contextlib.contextmanager
def _stage(progress: tqdm, name: str) -> Iterator[None]:
    progress.set_description(name)
    yield
    progress.update()


def _require_pairs(split: str, pairs: int, rejected: Mapping[str, int]) -> None:
    if not pairs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()) if count) or "none"
        remedy = "give more text or loosen the limits"
        if split == VALID:
            remedy += ", raise --valid-share, or give --valid-source and --valid-target"
        raise UserError(
            f"--source, --target: expected pairs for {split}, received none (rejected: {reasons}); {remedy}"
        )


def _clean(
    root: beam.Pipeline,
    config: PreprocessConfig,
    train_files: list[readers.PairFiles],
    valid_files: list[readers.PairFiles],
    text: Path,
) -> None:
    excluded = root | "Excluded files" >> beam.Create(config.exclude)
    excluded = excluded | "Excluded sentences" >> beam.FlatMap(transforms.file_sentence_digests)
    raw = root | "Read training" >> readers.ReadPairs(train_files)
    cleaned, rejected = raw | "Clean training" >> transforms.Clean(config, shuffle=True)
    train, leaked = cleaned | "Drop excluded" >> transforms.DropLeaked(excluded, config.leak_side)
    counts = [rejected, leaked]
    if valid_files:
        raw = root | "Read validation" >> readers.ReadPairs(valid_files)
        valid, rejected = raw | "Clean validation" >> transforms.Clean(config, shuffle=False)
        counts.append(rejected)
    else:
        train, valid = train | "Hold out" >> beam.Partition(
            _held_out,  # type: ignore[arg-type]
            2,
            config.valid_share,
            config.seed,
        )
    held_out = valid | "Validation sentences" >> beam.FlatMap(transforms.pair_sentence_digests)
    train, leaked = train | "Drop validation sentences" >> transforms.DropLeaked(held_out, config.leak_side)
    counts.append(leaked)
    for split, pairs in ((TRAIN, train), (VALID, valid)):
        names = transforms.shard_names(split, config)
        counts.append(pairs | f"Shard {split}" >> transforms.WriteTextShards(names, str(text), config.protect))
    _ = (
        counts
        | "All rejected" >> beam.Flatten()
        | "Count rejected" >> beam.CombinePerKey(sum)
        | "Report rejected" >> transforms.WriteJson(str(text / _REJECTED))
    )


def _held_out(pair: transforms.Pair, partitions: int, share: float, seed: int) -> int:
    return int(filters.held_out(pair.source, share, seed))


def _learn(config: PreprocessConfig, text: Path, data: Path) -> tuple[Subwords, Subwords]:
    from pipeline.subwords import make_subwords

    names = transforms.shard_names(TRAIN, config)

    def sentences(sides: tuple[int, ...]) -> Iterator[str]:
        # The shards are in hashed order, so the head of each is a sample that no worker's luck decides.
        for name in names:
            pairs = transforms.read_text_shard(text / name.text)
            for pair in itertools.islice(pairs, -(-config.subword_sample // len(names))):
                yield from (pair[side] for side in sides)

    return make_subwords(config, sentences, data)


def _encode(root: beam.Pipeline, config: PreprocessConfig, subwords: tuple[str, str], text: Path, data: Path) -> None:
    names = [name for split in (TRAIN, VALID) for name in transforms.shard_names(split, config)]
    encode = transforms.EncodeShard(str(text), str(data), subwords, config.max_pieces, config.protect)
    _ = (
        root
        | beam.Create(names)
        | beam.Reshuffle()
        | "Encode" >> beam.ParDo(encode)
        | "Report shards" >> transforms.WriteJson(str(text / _SHARDS))
    )


def _split(name: str, shards: list[dict[str, Any]]) -> Split:
    own = sorted((shard for shard in shards if shard["split"] == name), key=lambda shard: shard["file"])
    return Split(
        shards=tuple(Shard(shard["file"], shard["records"], shard["sha256"]) for shard in own),
        records=sum(shard["records"] for shard in own),
        source_tokens=sum(shard["source_tokens"] for shard in own),
        target_tokens=sum(shard["target_tokens"] for shard in own),
    )


def report(manifest: Manifest) -> str:
    """Tells in a small table what became of the pairs.

    Args:
        manifest: What `preprocess` returned.

    Returns:
        Lines of text.
    """
    rows = [("pairs read", manifest.read)]
    rows += [(f"kept for {split}", manifest.splits[split].records) for split in (TRAIN, VALID)]
    if manifest.protected:
        rows.append(("kept with placeholders", manifest.masked))
    rows += [(f"rejected: {reason}", count) for reason, count in manifest.rejected.items()]
    for side, subwords in (("source", manifest.source), ("target", manifest.target)):
        rows.append((f"{side} pieces ({subwords.file})", subwords.vocab_size))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {count:>12,}" for name, count in rows)
