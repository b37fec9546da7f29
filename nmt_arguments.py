"""Command lines derived from functions: signature and docstring say all that a parser needs.

A positional-only parameter is given by place, any other one is an option `--like-this`. A parameter that is a
dataclass stands for its fields: positional-only, they are options themselves; else they are a section of options,
`--section.key`. An option of several values may stand in several places, any other one in one. What a function takes
as `*args` is what follows `--`.
"""

import argparse
import dataclasses
import difflib
import functools
import importlib.resources
import inspect
import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from json import dumps
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import docstring_parser
import jsonargparse
import yaml

from pipeline.errors import UserError
from pipeline.yaml_document import load_document


def bind(function: Callable[..., None], prog: str, argv: Sequence[str]) -> functools.partial[None]:
    """Gives a function the arguments that a command line names.

    Args:
        function: What is to be called. A parameter `recipe` names a YAML file of options, over which those in `argv`
            win.
        prog: The words of the command line that stand for `function`.
        argv: The words after them.

    Returns:
        `function`, to be called without arguments.

    Raises:
        UserError: An argument is unknown, missing or not of its type, or a dataclass refuses its value.
        SystemExit: The arguments ask for help, which has been printed.
    """
    parser, rest = _parser(function, prog), []
    if "--" in argv and _name_of_rest(function):
        dashes = list(argv).index("--")
        argv, rest = argv[:dashes], list(argv[dashes + 1 :])
    argv = _joined(parser, argv)
    values = _parse(parser, argv)
    if recipe := values.get("recipe"):
        options = _read_recipe(recipe)
        try:
            values = _parse(parser, [*options, *argv])
        except UserError as error:
            raise UserError(f"{recipe}: {error}") from None
    return functools.partial(_fill(function, values), *rest)


def summary(thing: Any) -> str:
    """The first line of a docstring."""
    return docstring_parser.parse(thing.__doc__ or "").short_description or ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like `name`."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0)[0]


def _parser(function: Callable[..., None], prog: str) -> jsonargparse.ArgumentParser:
    text = docstring_parser.parse(function.__doc__ or "")
    description = f"{text.short_description} {text.long_description or ''}"
    parser = jsonargparse.ArgumentParser(
        prog=prog, description=description, allow_abbrev=False, exit_on_error=False, default_env=False
    )
    _add_arguments(parser, parser, function)
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    usage = re.sub(r"(\[--\w+\.[^\]]+\]\s+)+", "[--SECTION.KEY VALUE ...] ", usage)
    if rest := _name_of_rest(function):
        usage = f"{usage} [-- {rest.upper()} ...]"
    parser.usage = usage
    return parser


def _name_of_rest(function: Callable[..., None]) -> str | None:
    parameters = inspect.signature(function).parameters.values()
    return next((parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL), None)


def _parameters(function: Any) -> Iterator[tuple[str, inspect.Parameter, Any]]:
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.VAR_POSITIONAL:
            yield name, parameter, hints[name]


def _option(key: str) -> str:
    return f"--{key}" if "." in key else "--" + key.replace("_", "-")


def _add_arguments(parser: Any, group: Any, function: Any, section: str = "") -> None:
    described = {p.arg_name: p.description for p in docstring_parser.parse(function.__doc__ or "").params}
    for name, parameter, hint in _parameters(function):
        by_place = parameter.kind is parameter.POSITIONAL_ONLY
        if dataclasses.is_dataclass(hint) and by_place:
            _add_arguments(parser, group, hint)
            continue
        if dataclasses.is_dataclass(hint):
            _add_arguments(parser, parser.add_argument_group(summary(hint).rstrip(".")), hint, f"{name}.")
            continue
        if isinstance(hint, types.UnionType):  # X | None: not given is None
            hint = get_args(hint)[0]
        settings: dict[str, Any] = {"help": (described.get(name) or "").replace("%", "%%")}
        if get_origin(hint) is tuple:
            settings.update(type=get_args(hint)[0], nargs="+")
        elif hint is bool and parameter.default is False and not section:
            settings.update(action="store_true")
        else:
            settings.update(type=hint)
        if by_place and parameter.default is parameter.empty:
            group.add_argument(name, metavar=name.upper(), **settings)
        elif by_place:
            group.add_argument(name, metavar=name.upper(), nargs="?", default=parameter.default, **settings)
        elif parameter.default is parameter.empty:
            group.add_argument(_option(section + name), required=True, **settings)
        else:
            # The parser changes the defaults of several values in place.
            default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
            group.add_argument(_option(section + name), default=default, **settings)


def _joined(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """Joins the values of an option that stands in several places: the parser would take the last ones alone.

    Raises:
        UserError: An option of one value is given more than once.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    options = Counter(word.partition("=")[0] for word in argv[:end] if word.startswith("--"))
    known = parser._option_string_actions
    values: dict[str, list[str]] = {name: [] for name, times in options.items() if times > 1 and name in known}
    for name in values:
        if known[name].nargs != "+":
            raise UserError(f"{name}: expected once, received {options[name]} times; leave all out but one")
    others: list[str] = []
    into = others
    for word in argv[:end]:
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            into = values[name] if name in values and not equals else others
        if name not in values:
            into.append(word)
        elif equals:
            values[name].append(value)
    return [*others, *(word for name, given in values.items() for word in (name, *given)), *argv[end:]]


def _parse(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> jsonargparse.Namespace:
    try:
        return parser.parse_args(argv)
    except argparse.ArgumentError as error:
        message = " ".join(str(error).split())
    if mistyped := re.match(r'Parser key "(.+)"(?: element \d+)?: Expected a (.+)\. Got value: (.*)', message):
        key, kind, value = mistyped.groups()
        kind = re.sub(r"<class '(.+)'>", r"\1", kind).replace("typing.Literal", "one of ")
        message = f"{_option(key)}: expected {kind}, received {value!r}"
    if unknown := re.match(r"unrecognized arguments: (-[^\s=]*)", message):
        known = map(_option, parser.get_defaults().keys())
        message = f"unknown option {unknown[1]}, the nearest known one is {nearest(unknown[1], known)}"
    raise UserError(f"{message}; see `{parser.prog} --help`")


def _fill(function: Any, values: jsonargparse.Namespace) -> functools.partial[Any]:
    by_place, by_name = [], {}
    for name, parameter, hint in _parameters(function):
        positional = parameter.kind is parameter.POSITIONAL_ONLY
        if dataclasses.is_dataclass(hint):
            value = _fill(hint, values if positional else values[name])()
        else:
            value = tuple(values[name]) if get_origin(hint) is tuple else values[name]
        if positional:
            by_place.append(value)
        else:
            by_name[name] = value
    return functools.partial(function, *by_place, **by_name)


def _read_recipe(recipe: str) -> list[str]:
    """Reads a YAML file, or the shipped one of that name, as options of the command line."""
    shipped = {Path(file.name).stem: file for file in importlib.resources.files("recipes").iterdir()}
    shipped = {name: file for name, file in shipped.items() if file.name.endswith(".yaml")}
    name = recipe.removeprefix("recipes/").removesuffix(".yaml")
    if not Path(recipe).is_file() and name not in shipped:
        raise UserError(
            f"RECIPE: expected a YAML file or one of {', '.join(sorted(shipped))}, received {recipe!r};"
            f" the nearest known one is {nearest(name, shipped)}"
        )
    try:
        text = Path(recipe).read_text() if Path(recipe).is_file() else shipped[name].read_text()
        sections = load_document(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{recipe}: expected YAML, received {' '.join(str(error).split())}") from None
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise UserError(f"{recipe}: expected sections of settings, `section:` and below it `key: value`")
    return [
        f"--{section}.{key}={value if isinstance(value, str) else dumps(value, default=str)}"
        for section, settings in sections.items()
        for key, value in settings.items()
    ]
