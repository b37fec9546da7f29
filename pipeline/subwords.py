"""The subwords of a data set: learned from its text, or given as models that exist."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import sentencepiece

from pipeline import protected
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.pieces import Pieces, train_subwords
from pipeline.schema import END_ID, PAD_ID, START_ID, UNK_ID, Subwords

JOINT_FILE, SIDE_FILES = "joint.spm", ("source.spm", "target.spm")
_IDS = (PAD_ID, UNK_ID, START_ID, END_ID)
# In NFC; a normalization beyond it, white space that is put in order and letters in lower case would show.
_GUARD, _PROBE = "<0x21>", "  \ufb01 \uff21\u00b2   X  \U0001f917 "

Sentences = Callable[[tuple[int, ...]], Iterable[str]]


def make_subwords(config: PreprocessConfig, sentences: Sentences, folder: str | Path) -> tuple[Subwords, Subwords]:
    """Puts the models of both sides into a data set's folder, as one file if they are one.

    Args:
        config: The settings.
        sentences: Gives the sentences from which to learn, those of the sides that it is given the numbers of: 0 for
            the source, 1 for the target. Not called if models are given.
        folder: The data set's.

    Returns:
        The subwords of the source and of the target.

    Raises:
        UserError: A given model cannot be used, or nothing can be learned from the sentences.
    """

    def put(file: str, model: bytes) -> Subwords:
        Path(folder, file).write_bytes(model)
        return Subwords(file, hashlib.sha256(model).hexdigest(), Pieces(model).vocab_size)

    def learn(*sides: int) -> bytes:
        return train_subwords(
            sentences(sides),
            vocab_size=config.vocab_size,
            model_type=config.model_type,
            character_coverage=config.character_coverage,
            placeholders=config.protect,
            user_symbols=config.user_symbols,
            threads=config.subword_threads,
        )

    if config.subwords:
        models = [read_model(path, config.user_symbols, config.protect) for path in config.subwords]
    elif config.joint_vocabulary:
        models = [learn(0, 1)]
    else:
        models = [learn(0), learn(1)]
    if len(models) == 1:
        joint = put(JOINT_FILE, models[0])
        return joint, joint
    source, target = map(put, SIDE_FILES, models)
    return source, target


def read_model(path: str, user_symbols: Iterable[str] = (), placeholders: bool = False) -> bytes:
    """Reads a SentencePiece model that was learned elsewhere.

    Args:
        path: Its file.
        user_symbols: Symbols that must be pieces which nothing else is a part of.
        placeholders: Whether those that stand for protected text must be such, and come before all others.

    Returns:
        The file's bytes.

    Raises:
        UserError: It is no such model, or lacks what `train_subwords` would give it.
    """
    try:
        model = Path(path).read_bytes()
        pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        if not pieces.vocab_size():
            raise RuntimeError("an empty file")
    except (OSError, RuntimeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not such a model"
        raise UserError(
            f"--subwords: expected a SentencePiece model, received {path!r} ({told}); give another file"
        ) from None
    _require_ids(path, pieces)
    # After a piece, as SentencePiece drops every space at the beginning.
    guard = pieces.piece_to_id(_GUARD)
    if pieces.decode([guard, *pieces.encode(_PROBE)]) != f"! {_PROBE}":
        raise UserError(
            f"--subwords: expected a model that gives text back as it was, received {path!r}, which changes it; learn"
            " it with --normalization_rule_name=identity --remove_extra_whitespaces=false --add_dummy_prefix=true"
        )
    ids = range(protected.FIRST_ID, protected.FIRST_ID + protected.COUNT)
    if placeholders and pieces.id_to_piece([*ids]) != [*protected.SYMBOLS]:
        raise UserError(
            f"--subwords: expected the pieces {' '.join(protected.SYMBOLS)} from id {protected.FIRST_ID} on for"
            f" --protect, received {path!r} without them; leave out --protect, or learn the model with it"
        )
    for symbol in user_symbols:
        if pieces.piece_to_id(symbol) not in pieces.encode(f"a{symbol}a{symbol}"):
            raise UserError(
                f"--subwords: expected a model with the user symbol {symbol!r}, received {path!r} without it; learn it"
                f" with --user_defined_symbols={symbol}, or leave it out of --user-symbols"
            )
    return model


def _require_ids(path: str, pieces: sentencepiece.SentencePieceProcessor) -> None:
    found = (pieces.pad_id(), pieces.unk_id(), pieces.bos_id(), pieces.eos_id())
    if found != _IDS:
        raise UserError(
            f"--subwords: expected a model with the ids of PAD, UNK, START and END {_IDS}, received {path!r} with"
            f" {found}; learn it with --pad_id={PAD_ID} --unk_id={UNK_ID} --bos_id={START_ID} --eos_id={END_ID}"
        )
    if not all(pieces.is_byte(pieces.piece_to_id(f"<0x{byte:02X}>")) for byte in range(256)):
        raise UserError(
            f"--subwords: expected a model with a piece for each byte, received {path!r} without them; learn it with"
            " --byte_fallback"
        )
