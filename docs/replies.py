"""Trains the recipe `replies` on synthetic messages and replies: `make docs-replies` writes docs/replies.md.

A grammar makes the pairs: to each message there are several right replies, one of which is drawn.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nmt
from pipeline.files import write_beside
from serving.endpoint import open_model

THINGS = "book", "bicycle", "key", "camera", "guitar", "umbrella", "map", "lamp", "ticket", "jacket", "ladder", "drum"
PLACES = "kitchen", "garden", "office", "hall", "cellar", "car", "library", "station", "attic", "workshop"
PEOPLE = "Anna", "Bruno", "Clara", "David", "Emma", "Felix", "Greta", "Hugo"
COLOURS = "red", "blue", "green", "yellow", "white", "black", "brown", "grey", "old", "new"
EXCHANGES = (
    (
        "Where is the {colour} {thing}?",
        "The {colour} {thing} is in the {place}.",
        "I have not seen the {colour} {thing}.",
        "Ask {person}.",
    ),
    (
        "Do you have a {colour} {thing}?",
        "Yes, I have a {colour} {thing}.",
        "No, but {person} has a {colour} {thing}.",
        "No, I am sorry.",
    ),
    (
        "I have lost my {colour} {thing}.",
        "Did you look in the {place}?",
        "I am sorry about your {colour} {thing}.",
        "You can have mine.",
    ),
    (
        "Thank you for the {colour} {thing}!",
        "You are welcome.",
        "I am glad that you like the {colour} {thing}.",
        "Thank {person}.",
    ),
    (
        "Who broke the {colour} {thing}?",
        "It was {person}.",
        "I do not know.",
        "The {colour} {thing} was broken when I came.",
    ),
    (
        "Shall we meet in the {place}?",
        "Yes, in the {place}.",
        "I cannot come today.",
        "I would like to bring {person}.",
    ),
    ("Can I borrow the {colour} {thing}?", "Of course.", "Not today, {person} needs it.", "Yes, it is in the {place}."),
)
ASKED = (
    "Where is the old camera?",
    "I have lost my blue key.",
    "Shall we meet in the attic?",
    "Can I borrow the red drum?",
)
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"beam_size": 1},
    "beam 5": {"beam_size": 5},
    "drawn, temperature 0.5": {"temperature": 0.5},
    "drawn, temperature 1": {"temperature": 1.0},
    "the same, seed 2": {"temperature": 1.0, "seed": 2},
    "the same, seed 3": {"temperature": 1.0, "seed": 3},
}

# Fewer pairs are left of so small a grammar, as none comes twice.
OPTION = "--training.epochs=8"


def exchanges(count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yields so many messages, each with one of its replies."""
    draw = random.Random(seed)
    for _ in range(count):
        message, *replies = draw.choice(EXCHANGES)
        choices = {"colour": COLOURS, "thing": THINGS, "place": PLACES, "person": PEOPLE}
        names = {name: draw.choice(words) for name, words in choices.items()}
        yield message.format(**names), draw.choice(replies).format(**names)


def answer(folder: Path, *overrides: str, count: int = 12_000) -> str:
    """Trains in a folder, and returns a table of the replies to `ASKED`, a line a way of finding them.

    Args:
        folder: For all that is made.
        *overrides: Options of `nmt train` after those of the recipe.
        count: Of the pairs.
    """
    sides = folder / "messages.txt", folder / "replies.txt"
    for side, lines in zip(sides, zip(*exchanges(count), strict=True), strict=True):
        side.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    source, target, data, run = map(str, (*sides, folder / "data", folder / "run"))
    made_of = [
        "--source",
        source,
        "--target",
        target,
        *["--valid-share", "0.1", "--leak-side", "source", "--vocab-size", "400"],
    ]
    nmt.run(["preprocess", *made_of, "--output", data])
    nmt.run(["train", "replies", "--data", data, "--output", run, *overrides])
    rows = [("way", *ASKED), ("---",) * (len(ASKED) + 1)]
    rows += [(way, *map(_cell, open_model(run, **settings)(ASKED))) for way, settings in WAYS.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


PAGE = """# Automatic replies

The pipeline is not bound to two languages: whatever stands line by line beside each other can be learned, as messages
and their replies (Vinyals and Le 2015). The recipe `replies` has one table for both sides, which speak one language,
and keeps the model of the lowest validation loss: there are many right replies, and BLEU knows one of them. A reply
that is found in the validation set, too, is no leak, as many messages have it: `--leak-side source`.

```
nmt preprocess --source messages.txt --target replies.txt --leak-side source --output DATA
nmt train replies --data DATA --output RUN
nmt translate RUN < messages.txt
nmt translate RUN --temperature 0.8 --seed 2 < messages.txt
```

Search finds the likeliest reply, which is the same each time, and often the one that fits everything; a draw finds
each as often as it is likely. `--temperature` below 1 makes the likely ones likelier, `--decoding.top_k` leaves the
unlikely ones out, and a seed gives the same replies again.

`make docs-replies` wrote this table, by a model of synthetic pairs from a grammar with three kinds of replies to a
message ({options}); what is asked is not kept out of the training:

{table}"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, write_beside(Path(__file__).with_suffix(".md")) as page:
        table = answer(Path(made), OPTION)
        page.write_text(PAGE.format(options=f"`{OPTION}`", table=table), encoding="utf-8")
