import re

import pytest

from docs.replies import ASKED, EXCHANGES, WAYS, answer, exchanges


def pattern(template):
    """What a template can become: each name is one word, the same wherever it stands."""
    text = re.escape(template)
    for name in ("colour", "thing", "place", "person"):
        text = text.replace(rf"\{{{name}\}}", rf"(?P<{name}>\w+)", 1).replace(rf"\{{{name}\}}", rf"(?P={name})")
    return re.compile(text)


def test_exchanges_are_of_the_grammar():
    pairs = list(exchanges(500))
    assert pairs == list(exchanges(500)) != list(exchanges(500, seed=2))
    kinds = [pattern(f"{message}\n{reply}") for message, *replies in EXCHANGES for reply in replies]
    for pair in pairs:
        assert sum(kind.fullmatch("\n".join(pair)) is not None for kind in kinds) == 1


@pytest.mark.slow
def test_a_small_model_answers_in_every_way(tmp_path):
    names = "encoder_units", "decoder_units", "attention_units", "readout_units", "embedding_size"
    sizes = [*(f"--model.{name}=16" for name in names), "--model.decoder_layers=1", "--model.encoder=unidirectional"]
    table = answer(tmp_path, *sizes, "--training.epochs=1", "--decoding.max_length_factor=0.5", count=400)
    header, rule, *rows = table.splitlines()
    assert [cell.strip() for cell in header.split("|")[2:-1]] == list(ASKED)
    assert set(rule) <= set("|- ")
    assert [row.split("|")[1].strip() for row in rows] == list(WAYS)
