"""The settings of `nmt preprocess`."""

import dataclasses
import re
import unicodedata
from typing import Any, Literal, get_args

from pipeline import protected
from pipeline.cleaning.config import CleaningConfig
from pipeline.errors import UserError
from pipeline.files import is_stored, is_utf8
from pipeline.job.digests import Dedup

SPECIAL_AND_BYTE_PIECES = 4 + 256
READERS = 8
# A language, and perhaps script, region and variants (RFC 5646, without its extensions).
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*")
# A pattern cannot be a folder, and `OUTPUT.work` beside a bucket would be another one.
_STORED_FOLDER = re.compile(r"[A-Za-z][-A-Za-z0-9+.]*://[^/*?\[]*/+[^/*?\[][^*?\[]*")
_NO_SYMBOL = re.compile(r"^$|\s|\u2581|^(<pad>|<unk>|</?s>|<0x[0-9A-F]{2}>)$")


def _require(holds: bool, setting: str, expected: str, received: Any) -> None:
    if not holds:
        option = "--" + setting.replace("_", "-")
        raise UserError(f"{option}: expected {expected}, received {received!r}; change {option}")


@dataclasses.dataclass(frozen=True)
class PreprocessConfig:
    """How parallel text becomes a data set.

    Attributes:
        output: Folder to make; it must not exist yet, or be empty. It may lie in any store that Apache Beam knows, as
            `s3://bucket/data`; on a cluster it does, or all workers have it mounted.
        source: Files of source sentences, one a line; plain, gzip, bzip2, xz or Zstandard. Each may be a pattern, such
            as `*.en`, and of any file system that Apache Beam knows, such as `gs://`.
        target: Files of target sentences; the n-th is parallel to the n-th source file, line by line.
        pairs: Files that hold both sides, by their names' endings: `.tsv`, `.jsonl`, `.parquet` or `.tmx`, all but
            Parquet perhaps compressed.
        source_field: Where the source stands in them: a TSV column, by its number from 1 on or by the name that the
            first line gives it; a JSON field or Parquet column, `a.b` for one inside another; a TMX language. By
            default column 1, the field `source`, or `source_language`.
        target_field: The same for the target; by default column 2, the field `target`, or `target_language`.
        corpora: A YAML file of further corpora: a list, each with a `name`, perhaps a `weight` (how often its pairs are
            trained on), and `source` and `target`, or `pairs` and perhaps `source_field` and `target_field`.
        valid_source: Source files for validation; without them a share of the pairs is held out.
        valid_target: Target files for validation.
        valid_pairs: Files for validation that hold both sides, as `pairs` do.
        exclude: Files whose sentences must not occur in training, on either side, such as the test set's: text, one a
            line, or files of both sides, as `pairs`; the validation sentences never do.
        leak_side: Which side of a training pair must not be such a sentence, `either` or `source`: of messages and
            replies the source alone, as many messages have one reply.
        vocab_size: Pieces of a vocabulary, special ids and byte pieces included; fewer if the text has no more.
        joint_vocabulary: One vocabulary for both languages, or one for each.
        model_type: `bpe` (Sennrich 2016) or `unigram` (Kudo 2018).
        character_coverage: Share of the text's characters that get a piece of their own; rarer ones become bytes.
        protect: Whether placeholders, URLs, mail addresses and markup come through a translation unharmed: where both
            sides of a pair have the same, a model learns to put them in their place. For text that has many of them, as
            they have to be learned from it; ten pieces of the vocabulary stand for them.
        user_symbols: Symbols that are one piece each, which nothing else is a part of, such as `<2de>` before the
            source sentences of a model for several target languages; they are part of the text.
        subword_sample: Most pairs from which the subwords are learned.
        subword_threads: Threads that learn them; with another count a unigram vocabulary is another one, so it is not
            the machine's.
        subwords: SentencePiece models to use in place of learning: one for both sides, or the source's and the
            target's. Of the settings above they have to agree with `user_symbols` and `protect`; the others are those
            of learning.
        max_pieces: Longest side, in pieces, END included; longer pairs are rejected.
        dedup: By what two training pairs are the same, so that one is dropped: `pair`, `source`, `target`, or `none`.
            Which one stays does not depend on the order of the files.
        near_duplicates: Similarity from which a pair is dropped as like another one: the share of character n-grams
            that they have in common (Jaccard), estimated by MinHash; from 0.5, and below 1, such as 0.8. By default
            none is dropped.
        near_ngram: Characters of such an n-gram; 2 or 3 for languages without spaces.
        valid_share: Share of the pairs that is held out when no validation files are given.
        reject_text: Whether the files of rejected pairs tell their texts, `all` or `none`: they may be customers'.
        max_rejected: Share of the pairs read above which it is an error that they are rejected.
        shards: Files into which the training records are divided; by default as many as there are readers, and more of
            a large corpus, so that each has about 100 MB.
        readers: Processes that will read the data set in a distributed training: the least count of shards; by default
            8.
        workers: Processes of this machine that share the work; one is the command itself. A cluster's number of workers
            is one of its own flags.
        memory: What the job may take of this machine's, in GB (10^9 bytes); by default all that is free. A job that is
            estimated to need more is refused before it starts.
        seed: Decides the order of the records and which pairs are held out.
        source_language: The source language's tag (BCP 47), such as `en` or `pt-BR`. It tells what the rules
            `script` and `language` expect, which text of a TMX file is the source's, and the export's model card.
        target_language: The target language's.
        cleaning: Which pairs are good enough to learn from.
    """

    output: str
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    source_field: str | None = None
    target_field: str | None = None
    corpora: str | None = None
    valid_source: tuple[str, ...] = ()
    valid_target: tuple[str, ...] = ()
    valid_pairs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    leak_side: Literal["either", "source"] = "either"
    vocab_size: int = 8000
    joint_vocabulary: bool = True
    model_type: Literal["bpe", "unigram"] = "bpe"
    character_coverage: float = 0.9995
    protect: bool = False
    user_symbols: tuple[str, ...] = ()
    subword_sample: int = 1_000_000
    subword_threads: int = 8
    subwords: tuple[str, ...] = ()
    max_pieces: int = 250
    dedup: Dedup = "pair"
    near_duplicates: float | None = None
    near_ngram: int = 4
    valid_share: float = 0.01
    reject_text: Literal["all", "none"] = "all"
    max_rejected: float = 0.5
    shards: int | None = None
    readers: int | None = None
    workers: int = 1
    memory: float | None = None
    seed: int = 1
    source_language: str | None = None
    target_language: str | None = None
    cleaning: CleaningConfig = dataclasses.field(default_factory=CleaningConfig)

    def __post_init__(self) -> None:
        given = "source", "target", "pairs", "valid_source", "valid_target", "valid_pairs"
        for name in (*given, "exclude", "user_symbols", "subwords"):
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        self._check_texts()
        any_given = bool(self.source or self.pairs or self.corpora)
        _require(any_given, "source", "at least one file, or --pairs or --corpora", self.source)
        for side, files, others in (
            ("target", self.target, self.source),
            ("valid_target", self.valid_target, self.valid_source),
        ):
            expected = f"as many files as source files ({len(others)})"
            _require(len(files) == len(others), side, expected, len(files))
        _require(bool(self.output), "output", "a folder's name", self.output)
        expected = "a folder inside a bucket or file system, such as s3://bucket/data, without *, ? and ["
        is_usable = not is_stored(self.output) or bool(_STORED_FOLDER.fullmatch(self.output))
        _require(is_usable, "output", expected, self.output)
        _require(self.leak_side in ("either", "source"), "leak_side", "either or source", self.leak_side)
        _require(self.model_type in ("bpe", "unigram"), "model_type", "bpe or unigram", self.model_type)
        least = SPECIAL_AND_BYTE_PIECES + protected.COUNT * self.protect + len(self.user_symbols) + 1
        _require(self.vocab_size >= least, "vocab_size", f"at least {least}", self.vocab_size)
        _require(
            0.98 <= self.character_coverage <= 1,
            "character_coverage",
            "at least 0.98, as SentencePiece wants it, and at most 1",
            self.character_coverage,
        )
        for name in ("subword_sample", "subword_threads", "shards", "readers", "workers"):
            count = getattr(self, name)
            _require(count is None or count >= 1, name, "at least 1", count)
        _require(self.dedup in get_args(Dedup), "dedup", f"one of {', '.join(get_args(Dedup))}", self.dedup)
        _require(self.reject_text in ("all", "none"), "reject_text", "all or none", self.reject_text)
        _require(self.memory is None or self.memory > 0, "memory", "above 0", self.memory)
        _require(0 <= self.max_rejected <= 1, "max_rejected", "a share, 0 to 1", self.max_rejected)
        near = self.near_duplicates
        _require(near is None or 0.5 <= near < 1, "near_duplicates", "a share from 0.5, below 1", near)
        _require(self.near_ngram >= 2, "near_ngram", "at least 2", self.near_ngram)
        _require(self.max_pieces >= 2, "max_pieces", "at least 2", self.max_pieces)
        _require(0 < self.valid_share < 1, "valid_share", "between 0 and 1", self.valid_share)
        _require(0 <= self.seed < 2**64, "seed", "at least 0, below 2^64", self.seed)
        _require(len(self.subwords) <= 2, "subwords", "one model for both sides, or two", self.subwords)
        self._check_user_symbols()
        for name in ("source_language", "target_language"):
            tag = getattr(self, name)
            _require(tag is None or bool(_LANGUAGE.fullmatch(tag)), name, "a tag such as en or pt-BR", tag)

    def _check_texts(self) -> None:
        # Manifest and report, which are in UTF-8, tell all of them.
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for text in value if isinstance(value, tuple) else (value,):
                is_text = not isinstance(text, str) or is_utf8(text)
                _require(is_text, field.name, "text in UTF-8, as a file's name has to be, too", text)

    def _check_user_symbols(self) -> None:
        _require(len({*self.user_symbols}) == len(self.user_symbols), "user_symbols", "each once", self.user_symbols)
        for symbol in self.user_symbols:
            _require(
                not _NO_SYMBOL.search(symbol) and unicodedata.is_normalized("NFC", symbol),
                "user_symbols",
                "symbols in NFC, without white space, and none that SentencePiece has by itself",
                symbol,
            )
            unprotected = not (self.protect and re.search(protected.PATTERN, symbol, re.ASCII))
            expected = "symbols that --protect does not take for markup or a placeholder"
            _require(unprotected, "user_symbols", expected, symbol)
