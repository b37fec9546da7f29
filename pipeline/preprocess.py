"""The job that makes a data set of parallel text: clean, learn subwords, tokenize."""

import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import protected
from pipeline.cleaning import rules
from pipeline.cleaning.config import RULES
from pipeline.config import PreprocessConfig
from pipeline.corpora.intake import Intake, files_of, take_in
from pipeline.errors import UserError
from pipeline.files import file_sha256, is_stored
from pipeline.job import deciding, graph, storage
from pipeline.job.credentials import require_credentials
from pipeline.job.encode_shard import EncodeShard
from pipeline.job.memory import require_memory
from pipeline.job.progress import stage, watched
from pipeline.job.rejects import JOB_REASONS, SAMPLED_OUT
from pipeline.job.runners import Runner
from pipeline.job.text_shards import all_shards, read_text_shard, shard_names
from pipeline.job.work_folder import WorkFolder, require_free, work_folder
from pipeline.report.findings import STATISTICS_FILE, Findings, gather
from pipeline.report.page import REPORT_FILE, write_report
from pipeline.schema import MANIFEST_FILE, TRAIN, VALID, Manifest, Shard, Split, Subwords
from pipeline.unread_settings import refuse_unread

_TEXT, _SUBWORDS, _ENCODED = "text", "subwords", "encoded"
_FOUND = "found.json"


def preprocess(config: PreprocessConfig, beam_args: Sequence[str] = ()) -> Manifest:
    """Makes a data set: the subwords, the records of `train` and `valid`, and the manifest, which is written last.

    The same input gives the same bytes, whatever the runner and the number of workers. What is made lies in the folder
    `OUTPUT.work` until it is whole; a job that is started again takes up what has been finished there.

    Args:
        config: The settings.
        beam_args: Apache Beam's own flags; a `--runner` among them takes the job to a cluster.

    Returns:
        The manifest.

    Raises:
        UserError: A file is missing or unreadable, parallel files have unequal counts of lines, the output exists,
            another job makes it, too little is left after cleaning, or more is rejected than `max_rejected` allows.
    """
    refuse_unread(config)
    runner = Runner(config.workers, beam_args)
    if config.memory is not None and not runner.local:
        raise UserError(
            f"--memory: expected this machine's workers, received {config.memory} beside a --runner; leave it out, and"
            " size the cluster by its own flags"
        )
    # A link's own place may be on another disk than what it leads to, and no folder can be renamed to it.
    output = config.output.rstrip("/") if is_stored(config.output) else os.path.realpath(config.output)
    paths = [*files_of(config), output]
    require_credentials(paths)
    require_free(output)
    # What the rules cannot be asked, and a model that cannot be used, is told before anything is read.
    rules.cleaner(config.cleaning, config.source_language, config.target_language)
    _require_models(config)
    runner.require_reachable(paths)
    with work_folder(output) as work:
        data, manifest, findings = _make(config, runner, work)
        max_ratio = None if "characters_ratio" in config.cleaning.off else config.cleaning.max_ratio
        with storage.filled(data) as folder:
            findings.write(folder)
            write_report(folder, manifest, findings, max_ratio)
            manifest = _with_hashes(manifest, folder, STATISTICS_FILE, REPORT_FILE)
        _require_quality(config, manifest, data)
        work.publish(manifest)
    return Manifest.from_json(storage.read_text(storage.join(output, MANIFEST_FILE)), output)


def _require_models(config: PreprocessConfig) -> None:
    if config.subwords:
        from pipeline.subwords import read_model

        for path in config.subwords:
            read_model(path, config.user_symbols, config.protect)


def _make(config: PreprocessConfig, runner: Runner, work: WorkFolder) -> tuple[str, Manifest, Findings]:
    with stage("count lines"):
        intake = take_in(config)
        if runner.local:
            compared = intake.pairs if config.near_duplicates is not None else 0
            rows = math.ceil(intake.records / intake.shards)
            require_memory(intake.size, config.workers, config.memory, compared, rows)
        text = work.claim(_TEXT, deciding.of_text(config, intake))
    with watched(work.progress, "clean and shuffle", intake.pairs):
        names = all_shards(intake.shards)
        if not work.is_finished(_TEXT):
            runner.run(lambda root: graph.clean(root, config, intake, text, work.progress))
        there = storage.names(text)
        found = [_counts(text, name.counts) for name in names if name.counts in there]
        rejected = sum((Counter(shard["rejected"]) for shard in found), Counter())
        for split in (TRAIN, VALID):
            _require_pairs(split, sum(shard["pairs"] for shard in found if shard["split"] == split), rejected)
        # What no data set can be made of is not kept.
        work.mark(_TEXT)
    with stage("learn subwords"):
        work.claim(_SUBWORDS, deciding.of_subwords(config, work.fingerprint(_TEXT)))
        subwords = _learn(config, intake.shards, text, work)
    with watched(work.progress, "tokenize", sum(shard["pairs"] for shard in found)):
        data, shards, findings = _encoded(config, runner, work, intake, subwords)
    manifest = _manifest(config, intake, subwords, shards)
    for split in (TRAIN, VALID):
        _require_pairs(split, manifest.splits[split].records, manifest.rejected)
    return data, manifest, findings


def _counts(folder: str, name: str) -> dict[str, Any]:
    return json.loads(storage.read_text(storage.join(folder, name)))


def _require_pairs(split: str, pairs: int, rejected: Mapping[str, int]) -> None:
    if not pairs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()) if count) or "none"
        remedy = "give more text or loosen the limits"
        if split == VALID:
            remedy += ", raise --valid-share, or give --valid-source and --valid-target"
        raise UserError(
            f"--source, --target: expected pairs for {split}, received none (rejected: {reasons}); {remedy}"
        )


def _require_quality(config: PreprocessConfig, manifest: Manifest, data: str) -> None:
    # What a corpus of a weight below 1 leaves out is no flaw.
    rejected = sum(manifest.rejected.values()) - manifest.rejected[SAMPLED_OUT]
    if rejected > config.max_rejected * manifest.read:
        report = storage.join(data, REPORT_FILE)
        most = max(manifest.rejected, key=lambda reason: manifest.rejected[reason])
        raise UserError(
            f"--max-rejected: expected at most {config.max_rejected:.0%} of {manifest.read} pairs rejected, received"
            f" {rejected / manifest.read:.1%}, most of them {most}; see {report}, and loosen the rules, or"
            " raise --max-rejected and run again, which takes up what is done"
        )


def _learn(config: PreprocessConfig, shards: int, text: str, work: WorkFolder) -> tuple[Subwords, Subwords]:
    from pipeline.subwords import make_subwords

    folder, names = work.folder(_SUBWORDS), shard_names(TRAIN, shards)

    def sentences(sides: tuple[int, ...]) -> Iterator[str]:
        # The shards are in hashed order, so the head of each is a sample that no worker's luck decides.
        for name in names:
            pairs = read_text_shard(storage.join(text, name.text))
            for _, pair in zip(range(-(-config.subword_sample // len(names))), pairs, strict=False):
                yield from (pair[side] for side in sides)

    if not work.is_finished(_SUBWORDS):
        with storage.filled(folder) as beside:
            made = make_subwords(config, sentences, beside)
            Path(beside, _FOUND).write_text(json.dumps([dataclasses.asdict(side) for side in made]))
        work.mark(_SUBWORDS)
    found = json.loads(storage.read_text(storage.join(folder, _FOUND)))
    source, target = (Subwords(**side) for side in found)
    return source, target


def _encoded(
    config: PreprocessConfig,
    runner: Runner,
    work: WorkFolder,
    intake: Intake,
    subwords: tuple[Subwords, Subwords],
) -> tuple[str, list[dict[str, Any]], Findings]:
    """The folder of records and subwords, and what is known of each shard; those that are finished stay."""
    decides = deciding.of_records(config, work.fingerprint(_TEXT), subwords)
    encoded, data = work.claim(_ENCODED, decides), work.claim_data(decides)
    files = subwords[0].file, subwords[1].file
    for file in sorted({*files}):
        storage.copy(storage.join(work.folder(_SUBWORDS), file), storage.join(data, file))
    names, there = all_shards(intake.shards), storage.names(encoded)
    left = [name for name in names if name.counts not in there]
    if left:
        encode = EncodeShard(config, work.folder(_TEXT), data, encoded, files, intake.names, work.progress)
        runner.run(lambda root: graph.encode(root, encode, left))
    # Of a job that was killed, or of a worker that was, where the cluster gave its work to another one.
    storage.remove_unfinished(data)
    findings = gather(((name.split, _counts(encoded, name.findings)) for name in names), intake.names)
    return data, [_counts(encoded, name.counts) for name in names], findings


def _manifest(
    config: PreprocessConfig, intake: Intake, subwords: tuple[Subwords, Subwords], shards: list[dict[str, Any]]
) -> Manifest:
    rejected = sum((Counter(shard["rejected"]) for shard in shards), Counter())
    return Manifest(
        *subwords,
        splits={split: _split(split, shards) for split in (TRAIN, VALID)},
        read=intake.pairs,
        rejected={reason: rejected[reason] for reason in (*RULES, *JOB_REASONS)},
        settings=deciding.settings(config) | {"shards": intake.shards},
        versions=deciding.versions(config),
        protected=protected.PATTERN if config.protect else "",
        masked=sum(shard["masked"] for shard in shards),
        copies=sum(shard["copies"] for shard in shards),
        files={name: sha256 for shard in shards for name, sha256 in shard["files"].items()},
    )


def _with_hashes(manifest: Manifest, folder: Path, *names: str) -> Manifest:
    found = {name: file_sha256(folder / name) for name in names}
    return dataclasses.replace(manifest, files={**manifest.files, **found})


def _split(name: str, shards: list[dict[str, Any]]) -> Split:
    own = [shard for shard in shards if shard["split"] == name]
    return Split(
        shards=tuple(Shard(shard["file"], shard["records"], shard["sha256"]) for shard in own),
        records=sum(shard["records"] for shard in own),
        source_tokens=sum(shard["source_tokens"] for shard in own),
        target_tokens=sum(shard["target_tokens"] for shard in own),
    )
