"""Corpora named in a YAML file."""

import dataclasses
import difflib
from collections import Counter
from typing import Any

import yaml

from pipeline.corpora.corpus import Corpus
from pipeline.errors import UserError
from pipeline.yaml_document import load_document

_FILES = ("source", "target", "pairs")
_KEYS = tuple(field.name for field in dataclasses.fields(Corpus) if field.name != "option")


def read_corpora(path: str) -> tuple[Corpus, ...]:
    """Reads a list of corpora.

    Each has a `name`, and either `source` and `target` or `pairs`, one file or a list; `weight`, `source_field` and
    `target_field` are as `Corpus` has them. Paths are relative to the working folder, as on the command line.

    Args:
        path: The YAML file.

    Raises:
        UserError: The file cannot be read or is no such list, or a corpus has a wrong setting.
    """
    try:
        with open(path, encoding="utf-8") as file:
            entries = load_document(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--corpora: expected a YAML file, received {path!r} ({reason}); give another file") from None
    if not isinstance(entries, list) or not entries:
        raise _wrong(path, "a list of corpora", type(entries).__name__, "begin each with `- name:`")
    corpora = tuple(_corpus(path, number, entry) for number, entry in enumerate(entries, 1))
    name, times = Counter(corpus.name for corpus in corpora).most_common(1)[0]
    if times > 1:
        raise _wrong(path, "a name for each corpus", f"{name!r} {times} times", "rename one")
    return corpora


def _wrong(path: str, expected: str, received: str, remedy: str) -> UserError:
    return UserError(f"--corpora: expected {expected} in {path!r}, received {received}; {remedy}")


def _corpus(path: str, number: int, entry: Any) -> Corpus:
    if not isinstance(entry, dict):
        raise _wrong(path, f"settings of corpus {number}", repr(entry), "write `name: ...` and below it its files")
    for key in entry:
        if key not in _KEYS:
            [near] = difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0)
            raise _wrong(path, f"{', '.join(_KEYS)} of corpus {number}", repr(key), f"the nearest known one is {near}")
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise _wrong(path, f"a name of corpus {number}", repr(name), "write `name: ...`")
    settings = {key: _setting(path, name, key, value) for key, value in entry.items()}
    return Corpus(**settings, option=f"--corpora ({name} in {path})")


def _setting(path: str, name: str, key: str, value: Any) -> Any:
    if key == "weight":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(path, f"a number as weight of {name}", repr(value), "such as 2.5")
        return float(value)
    if key in _FILES:
        files = value if isinstance(value, list) else [value]
        if not files or not all(isinstance(file, str) and file for file in files):
            raise _wrong(path, f"a file or a list of files as {key} of {name}", repr(value), "name them")
        return tuple(files)
    if key.endswith("_field"):
        # A column's number is no text in YAML.
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _wrong(path, f"a name or number as {key} of {name}", repr(value), "see `nmt preprocess --help`")
        return str(value)
    return value
