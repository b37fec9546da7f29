"""Which words of the text a word of the translation looked at, held to what the server answers itself."""

import json

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

TEXT = "one red cats and four here"
TRANSLATION = "eins rot Katzen und vier hier"


def served(url: str, text: str) -> list[dict]:
    request = {"signature_name": "align", "instances": [text]}
    answer = httpx.post(f"{url}:predict", json=request).json()["predictions"][0]
    return json.loads(answer["alignment"])


def group(pieces: list[list]) -> list[list[int]]:
    """The numbers of the pieces of each word; END is one."""
    words = []
    for number, (piece, _, _) in enumerate(pieces):
        if piece.startswith("\u2581") or piece == "</s>" or not words:
            words.append([])
        words[-1].append(number)
    return words


def word_shares(part: dict) -> list[list[float]]:
    """Of each target word the share of each source word, by a definition of its own."""
    return [
        [
            sum(part["attention"][row][column] for row in rows for column in columns) / len(rows)
            for columns in group(part["source"])
        ]
        for rows in group(part["target"])
    ]


@pytest.fixture
def aligned(page, url):
    """The page with a translation whose words can be chosen."""
    page.open(url)
    page.type(TEXT)
    page.wait(lambda: page.all("[role=option]"))
    return page


def marked(page) -> dict[str, float]:
    """The marked words of the text, and how strongly each is marked."""
    script = "return [...document.querySelectorAll('mark')].map(mark => [mark.textContent, mark.style.cssText])"
    return {word: float(style.removeprefix("--share:").strip(" ;")) for word, style in page.run(script)}


def check_choice(page, url, number: int) -> None:
    """The chosen word is the one of this number, and the text is marked by its shares."""
    shares = word_shares(served(url, TEXT)[0])[number][:-1]
    assert list(marked(page)) == TEXT.split()
    assert list(marked(page).values()) == pytest.approx(shares, abs=2e-3)
    assert [each.get_attribute("aria-selected") for each in page.all("[role=option]")] == [
        str(each == number).lower() for each in range(6)
    ]
    best = max(range(6), key=lambda at: shares[at])
    told = page.text_of("looked-at").replace("\u2068", "").replace("\u2069", "")
    word, seen = TRANSLATION.split()[number], TEXT.split()[best]
    assert told.startswith(f"\u201c{word}\u201d looked at \u201c{seen}\u201d {round(100 * shares[best])}%")
    assert page["looked-at"].aria_role == "status"


def test_the_translation_is_words_to_choose_from(aligned):
    assert aligned.shows(TRANSLATION)
    assert aligned.texts("[role=option]") == TRANSLATION.split()
    assert (aligned["translation"].aria_role, aligned["translation"].accessible_name) == ("listbox", "Translation")
    assert aligned["hint"].is_displayed() and not aligned.all("mark")


def test_pointing_at_a_word_marks_what_it_looked_at(aligned, url):
    words = aligned.all("[role=option]")
    for number in (2, 4):
        ActionChains(aligned.driver).move_to_element(words[number]).perform()
        check_choice(aligned, url, number)
    ActionChains(aligned.driver).move_to_element(aligned["message"]).perform()
    assert not aligned.all("mark") and not aligned.text_of("looked-at") and aligned["hint"].is_displayed()


def test_words_are_reached_by_the_keyboard(aligned, url):
    aligned["text"].send_keys(Keys.TAB)
    focused = lambda: aligned.driver.switch_to.active_element.get_property("textContent")  # noqa: E731
    check_choice(aligned, url, 0)
    steps = [
        (Keys.ARROW_RIGHT, 1), (Keys.ARROW_DOWN, 2), (Keys.ARROW_LEFT, 1), (Keys.ARROW_UP, 0), (Keys.ARROW_LEFT, 0),
        (Keys.END, 5), (Keys.ARROW_RIGHT, 5), (Keys.HOME, 0), (Keys.ARROW_RIGHT, 1),
    ]  # fmt: skip
    for key, number in steps:
        aligned.driver.switch_to.active_element.send_keys(key)
        assert focused() == TRANSLATION.split()[number]
    check_choice(aligned, url, 1)
    # From right to left, the next word is to the left.
    aligned.run("document.getElementById('translation').dir = 'rtl'")
    for key, number in ((Keys.ARROW_LEFT, 2), (Keys.ARROW_RIGHT, 1)):
        aligned.driver.switch_to.active_element.send_keys(key)
        assert focused() == TRANSLATION.split()[number]
    # One stop of Tab for all words; the way back is to the word that was left.
    aligned.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert not aligned.all("mark") and not aligned.text_of("looked-at")
    ActionChains(aligned.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    check_choice(aligned, url, 1)


@pytest.mark.parametrize("width", [360, 700, 1200])
def test_marks_lie_behind_their_words(page, upper, width):
    """The text behind the box of the text, which is marked, breaks its lines where that one does."""
    page.resize(width)
    page.open(upper)
    page.paste(" ".join([TEXT] * 7) + "\n\n\t" + "x" * 150 + "  -\n")
    found = page.run("""
        const box = document.getElementById("text"), marks = document.getElementById("marks");
        const names = ["fontFamily", "fontSize", "letterSpacing", "lineHeight", "overflowWrap", "padding", "tabSize",
          "textAlign", "textIndent", "textTransform", "unicodeBidi", "whiteSpace", "width", "wordBreak", "wordSpacing"];
        const style = element => names.map(name => getComputedStyle(element)[name]);
        const shown = box.clientHeight;
        box.style.height = box.style.minHeight = "0";
        const alone = box.scrollHeight;
        box.style.height = box.style.minHeight = null;
        return [shown, alone, marks.clientHeight, style(box), style(marks)];
    """)
    shown, alone, marks, box_style, marks_style = found
    assert shown == alone == marks > 200
    assert box_style == marks_style


def test_typing_takes_marks_away_at_once(aligned):
    aligned.run("arguments[0].focus()", aligned.all("[role=option]")[0])
    assert aligned.all("mark")
    aligned.run("const box = document.getElementById('text'); box.value = 'two';"
                " box.dispatchEvent(new InputEvent('input'))")  # fmt: skip
    assert not aligned.all("mark") and not aligned.all("[role=option]") and not aligned["attention"].is_displayed()
    aligned.wait(lambda: aligned.texts("[role=option]") == ["zwei"])


def test_characters_beyond_the_first_plane_and_composed_ones_are_counted_once(page, url):
    page.open(url)
    text = "\U0001f600\U0001f600 gru\u0308n two red"
    page.paste(text)
    page.wait(lambda: page.all("[role=option]"))
    page.run("arguments[0].focus()", page.all("[role=option]")[0])
    assert page.texts("mark") == ["\U0001f600", "\U0001f600", "gr\u00fcn", "two", "red"]


def cells(page) -> list[list[str]]:
    return page.run("return Array.from(document.querySelectorAll('#map tbody tr'), row =>"
                    " Array.from(row.querySelectorAll('td'), cell => cell.textContent))")  # fmt: skip


def test_the_map_shows_the_attention_of_all_pieces(aligned, url):
    (part,) = served(url, TEXT)
    assert aligned.texts("#map thead th") == [piece for piece, *_ in part["source"]]
    assert aligned.texts("#map tbody th") == [piece for piece, *_ in part["target"]]
    shown = [[int(text or 0) for text in row] for row in cells(aligned)]
    assert len(shown) == len(part["target"])
    for row, weights in zip(shown, part["attention"], strict=True):
        assert row == pytest.approx([100 * weight for weight in weights], abs=0.51)
    assert {th.get_attribute("scope") for th in aligned.all("#map thead th")} == {"col"}
    assert {th.get_attribute("scope") for th in aligned.all("#map tbody th")} == {"row"}
    assert not aligned["part-choice"].is_displayed()


def test_the_map_can_be_shut(aligned):
    aligned["attention"].find_element(By.TAG_NAME, "summary").click()
    aligned.wait(lambda: not cells(aligned))
    aligned["attention"].find_element(By.TAG_NAME, "summary").click()
    aligned.wait(lambda: cells(aligned))


def test_a_text_in_parts(page, url):
    text = "one red cats.  two blue dogs!\nfour here"
    parts = served(url, text)
    assert len(parts) == 3
    page.open(url)
    page.type(text)
    page.wait(lambda: page.all("[role=option]"))
    assert page["part-choice"].is_displayed()
    assert [option.partition(":")[0] for option in page.texts("#part option")] == ["1", "2", "3"]
    for number, part in enumerate(parts):
        Select(page["part"]).select_by_index(number)
        assert page.texts("#map thead th") == [piece for piece, *_ in part["source"]]
    # What a word of the last part looked at is marked in the last part.
    page.run("arguments[0].focus()", page.all("[role=option]")[-1])
    assert list(marked(page)) == ["four", "here"]
    assert page.text_of("marks") == f"{text}\n"


def words_of(page, pieces: list[list], text: str) -> list[str]:
    """The words that the page makes of pieces."""
    return page.driver.execute_async_script(
        "const [pieces, text, done] = arguments; import('./page/alignment.js').then(({toWords}) =>"
        " done(toWords(pieces, Array.from(text)).map(word => word.isEnd ? 'END' : word.text)))",
        pieces,
        text,
    )


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["\u2581Haus", "es", ".", "</s>"], ["Hauses", ".", "END"]),
        (["\u2581can", "'", "t"], ["can", "'t"]),
        (["\u2581", "x", "y", "\u2581", "z"], ["xy", "z"]),
        (["\u2581\u732b", "\u3068\u72ac"], ["\u732b", "\u3068\u72ac"]),
        (["\u2581a", "\u3000b"], ["a", "b"]),
        (["\u2581\U0001f600", "a", "\u2581b"], ["\U0001f600a", "b"]),
    ],
)
def test_pieces_become_words(page, url, pieces, words):
    page.open(url)
    text = "".join(piece for piece in pieces if piece != "</s>").replace("\u2581", " ").removeprefix(" ")
    placed, at = [], 0
    for number, piece in enumerate(pieces):
        end = at + (0 if piece == "</s>" else len(piece) - (number == 0))
        placed.append([piece, at, end])
        at = end
    assert words_of(page, placed, text) == words
