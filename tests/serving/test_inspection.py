import json
import re
from pathlib import Path

import pytest

import nmt
from pipeline.errors import UserError
from serving.inspection import inspect

TEXT = "<!-- <script </script> one"


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The translation of a text that could end a script, and its page."""
    output = tmp_path_factory.mktemp("page") / "inspection.html"
    return inspect(str(run), TEXT, str(output)), output.read_text("utf-8")


def test_a_page_holds_what_the_model_does(translator, page: tuple[str, str]) -> None:
    translation, html = page
    data = json.loads(re.search(r"const data = (.*);\n", html)[1])
    assert data["text"] == TEXT
    assert translation == data["translation"]
    assert translator.translate([TEXT])["translation"].numpy()[0].decode() == translation
    assert data["source"][-1] == data["target"][-1] == "</s>"
    assert len(data["attention"]) == len(data["target"])
    assert {len(weights) for weights in data["attention"]} == {len(data["source"])}
    for side, tokens in (("encoder", "source"), ("decoder", "target")):
        for layer in data[side]:
            assert len(layer["state"]) == len(data[tokens])
            assert layer["gates"].keys() == {"reset", "update"}


def test_a_page_needs_nothing_else_and_no_text_ends_its_script(page: tuple[str, str]) -> None:
    _, html = page
    assert html.count("</script>") == html.count("<script>") == 1
    assert not re.search(r"(src|href)=", html)


def test_protected_text_is_shown_as_it_is(protected_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    translation = inspect(str(protected_run), "one {a} cats <b>", str(path))
    data = json.loads(re.search(r"const data = (.*);\n", path.read_text("utf-8"))[1])
    assert [piece for piece in data["source"] if piece[0] in "{<"] == ["{a}", "<b>", "</s>"]
    assert sorted(piece for piece in data["target"] if piece[0] in "{<") == ["</s>", "<b>", "{a}"]
    assert data["translation"] == translation and sorted(re.findall("{a}|<b>", translation)) == ["<b>", "{a}"]
    with pytest.raises(UserError, match=r"^--text: expected at most 10 placeholders, received 11; shorten it"):
        inspect(str(protected_run), "{a}" * 11, str(path))


@pytest.mark.parametrize(("text", "received"), [(" ", "' '"), ("one " * 50, "pieces, received")])
def test_a_text_that_cannot_be_shown_is_refused(run: Path, tmp_path: Path, text: str, received: str) -> None:
    with pytest.raises(UserError, match=r"^--text: expected ") as error:
        inspect(str(run), text, str(tmp_path / "page.html"))
    assert received in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_translation(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nmt.main(["inspect", str(run), "--text", "one two", "--output", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert (tmp_path / "page.html").exists()
