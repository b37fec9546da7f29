"""What the stages agree on: special ids, feature keys, file names and the manifest of a data set."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pipeline.errors import UserError
from pipeline.files import is_stored, write_beside

PAD_ID, UNK_ID, START_ID, END_ID = 0, 1, 2, 3

SOURCE_IDS = "source_ids"
DECODER_INPUT_IDS = "decoder_input_ids"
TARGET_IDS = "target_ids"

TRAIN, VALID = "train", "valid"
MANIFEST_FILE = "manifest.json"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Subwords:
    """A SentencePiece model of a data set.

    Attributes:
        file: Its name in the data set's folder.
        fingerprint: SHA-256 of the file, in hexadecimal.
        vocab_size: Count of its ids, special ids and byte pieces included.
    """

    file: str
    fingerprint: str
    vocab_size: int


@dataclasses.dataclass(frozen=True)
class Shard:
    """A TFRecord file of a split: its name, count of records, and SHA-256 in hexadecimal."""

    file: str
    records: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """The records of one purpose; token counts include END."""

    shards: tuple[Shard, ...]
    records: int
    source_tokens: int
    target_tokens: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The page that makes a folder a data set; it is written last.

    Attributes:
        source: The subwords of the source side.
        target: The subwords of the target side (equal to `source` if the vocabulary is joint).
        splits: `train` and `valid`.
        read: Count of line pairs read.
        rejected: Count of pairs dropped, by the name of the first rule that dropped them.
        settings: What the job was asked to do.
        versions: Versions of the packages that decide the bytes.
        protected: The pattern of what placeholders stand for in the records, see `pipeline.protected`; empty if there
            are none.
        masked: Count of records that have placeholders.
        copies: Count of records that are there again, as their corpora's weights ask.
        files: SHA-256, in hexadecimal, of the other files of the folder, by their names: rejected pairs, statistics and
            report. A data set of an earlier release tells none.
        format: The version of this layout.
    """

    source: Subwords
    target: Subwords
    splits: Mapping[str, Split]
    read: int
    rejected: Mapping[str, int]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    protected: str = ""
    masked: int = 0
    copies: int = 0
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    format: int = FORMAT

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the records of all splits, in hexadecimal."""
        hashes = [
            (name, shard.file, shard.sha256) for name, split in sorted(self.splits.items()) for shard in split.shards
        ]
        return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()

    def reversed(self) -> "Manifest":
        """The manifest of the same data set as one of the other direction: what is of the two sides is exchanged."""
        languages = {
            f"{side}_language": self.settings.get(f"{other}_language")
            for side, other in (("source", "target"), ("target", "source"))
        }
        splits = {
            name: dataclasses.replace(split, source_tokens=split.target_tokens, target_tokens=split.source_tokens)
            for name, split in self.splits.items()
        }
        return dataclasses.replace(
            self, source=self.target, target=self.source, splits=splits, settings={**self.settings, **languages}
        )

    def write(self, folder: str | Path) -> None:
        """Writes `manifest.json` into `folder`, whole or not at all."""
        with write_beside(Path(folder) / MANIFEST_FILE) as path:
            path.write_text(json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n")

    @classmethod
    def read_from(cls, folder: str | Path) -> "Manifest":
        """Reads the manifest of a data set.

        Raises:
            UserError: The folder holds no manifest, or one of another format, or is not of this machine.
        """
        if is_stored(folder):
            raise UserError(
                f"--data: expected a folder of this machine, received {str(folder)!r}; fetch it with"
                f" `nmt fetch {folder} --output DATA`, and give DATA"
            )
        try:
            text = (Path(folder) / MANIFEST_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"--data: expected the folder of a data set, received {str(folder)!r}, which holds no"
                f" {MANIFEST_FILE}; make one with `nmt preprocess --output {folder}`"
            ) from None
        return cls.from_json(text, folder)

    @classmethod
    def from_json(cls, text: str | bytes, folder: str | Path) -> "Manifest":
        """Reads the text of a manifest.

        Args:
            text: What stands in the file.
            folder: The data set's, for the message.

        Raises:
            UserError: It is damaged, or of another format.
        """
        path = f"{folder}/{MANIFEST_FILE}"
        try:
            return cls._of(json.loads(text), path)
        except UserError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(
                f"--data: expected a manifest in JSON, received {path!r}, which is damaged; make the data set anew"
                " with `nmt preprocess`"
            ) from None

    @classmethod
    def _of(cls, fields: dict[str, Any], path: str) -> "Manifest":
        if fields.get("format") != FORMAT:
            raise UserError(
                f"--data: expected a data set of format {FORMAT}, received format {fields.get('format')!r} in"
                f" {path}; make it anew with `nmt preprocess`"
            )
        splits = {
            name: Split(**{**split, "shards": tuple(Shard(**shard) for shard in split["shards"])})
            for name, split in fields["splits"].items()
        }
        subwords = {side: Subwords(**fields[side]) for side in ("source", "target")}
        manifest = cls(**{**fields, **subwords, "splits": splits})
        if not _fits(manifest, cls):
            raise TypeError
        return manifest


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value, and all that is in it, is of the kind that a type hint tells."""
    if kind is Any:
        return True
    arguments = get_args(kind)
    if not isinstance(value, get_origin(kind) or kind):
        return False
    if dataclasses.is_dataclass(kind):
        return all(_fits(getattr(value, name), hint) for name, hint in get_type_hints(kind).items())
    if isinstance(value, Mapping):
        return all(_fits(one, arguments[1]) for one in value.values())
    return not isinstance(value, tuple) or all(_fits(one, arguments[0]) for one in value)
