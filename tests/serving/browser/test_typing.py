"""What is typed is translated, and shown as it is."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

EVIL = "<img src=x onerror=document.title='broken'> <b>&amp; </textarea><script>document.title='broken'</script>"


def test_typing_translates(page, upper):
    page.open(upper)
    page["text"].send_keys("one")
    page.wait(lambda: page.shows("ONE"))
    page["text"].send_keys(" two\nthree")
    page.wait(lambda: page.shows("ONE TWO\nTHREE"))
    # A screen reader is told, once there is no more typing.
    page.wait(lambda: page.text_of("announcement") == "ONE TWO\nTHREE")
    assert page["announcement"].aria_role == "status"
    page["text"].send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    page.wait(lambda: page.shows(""))
    assert not page["best"].is_displayed() and not page["attention"].is_displayed()


def test_nothing_is_complained_of_and_no_other_host_is_asked(page, upper):
    page.open(upper)
    page.type("one")
    page.wait(lambda: page.shows("ONE"))
    assert page.log() == []
    asked = page.requests()
    assert {url.partition(f"{page.base}/")[0] for url in asked} == {""}
    assert {f"{page.base}/", f"{page.base}/page/page.js", f"{upper}:predict"} <= set(asked)


def test_a_keystroke_does_not_make_a_request(page, upper):
    page.open(upper)
    page.wait(lambda: page.shows(""))
    page.run("""
        const fetched = fetch, box = document.getElementById("text");
        window.asked = 0;
        window.fetch = (...all) => { asked++; return fetched(...all); };
        for (const letter of "abc") {
            box.value += letter;
            box.dispatchEvent(new InputEvent("input"));
        }
    """)
    page.wait(lambda: page.shows("ABC"))
    assert page.run("return asked") == 1


def test_a_late_answer_does_not_take_the_place_of_a_newer_one(page, upper):
    page.open(upper)
    page.wait(lambda: page.shows(""))
    # Answers for `old` are held back, and cannot be given up.
    page.run("""
        const fetched = fetch;
        window.held = new Promise(resolve => { window.release = resolve; });
        window.fetch = async (path, request) => {
            const isOld = request.body?.includes("old");
            if (!isOld) return fetched(path, request);
            const answer = await fetched(path, {...request, signal: undefined});
            window.arrived = true;
            await window.held;
            return answer;
        };
    """)
    page.type("old")
    page.wait(lambda: page.run("return window.arrived"))
    page.type("new")
    page.wait(lambda: page.shows("NEW"))
    page.driver.execute_async_script("release(); setTimeout(arguments[0], 300)")
    assert page.shows("NEW")
    assert page.texts("#best-list span") == ["NEW", "new"]


def test_best_translations_with_scores(page, upper):
    page.open(upper)
    page.type("aBc")
    page.wait(lambda: page.shows("ABC"))
    assert page.texts("#best-list span") == ["ABC", "abc"]
    # The model's own: a tenth of the length, and the length below nothing.
    assert page.texts("#best-list data") == ["0.30", "\u22123.00"]
    assert [float(each.get_attribute("value")) for each in page.all("#best-list data")] == pytest.approx([0.3, -3])


def test_whatever_a_text_holds_is_text(page, url):
    page.open(url)
    page.type(EVIL)
    page.wait(lambda: page.text_of("translation") and page["attention"].is_displayed())
    assert page["text"].get_property("value") == EVIL
    assert page.text_of("marks") == f"{EVIL}\n"
    assert not page.all("main img, main b, main script")
    assert page.driver.title == "Translation"


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("e\u0301 \u212b", "\u00e9 \u00c5"),
        ("a \U0001f600 b", "A \U0001f600 B"),
        ("a \ud83d b", "A \ufffd B"),
        ("a\u2028b\tc", "A\u2028B\tC"),
    ],
)
def test_characters_of_all_kinds(page, upper, text, translation):
    page.open(upper)
    page.paste(text)
    page.wait(lambda: page.shows(translation))


def test_a_text_from_right_to_left(page, upper):
    page.open(upper)
    for text, direction in (("\u05e9\u05dc\u05d5\u05dd abc", "rtl"), ("abc \u05e9\u05dc\u05d5\u05dd", "ltr")):
        page.type(text)
        page.wait(lambda text=text: page.shows(text.upper()))
        shown = [page[name] for name in ("text", "marks", "translation")]
        shown.append(page["best-list"].find_element(By.TAG_NAME, "span"))
        assert {each.value_of_css_property("direction") for each in shown} == {direction}


def test_the_box_grows_with_its_text(page, upper):
    page.open(upper)
    page.type("a\n" * 30)
    sizes = page.run("const {clientHeight, scrollHeight} = document.getElementById('text');"
                     " return [clientHeight, scrollHeight]")  # fmt: skip
    assert sizes[0] >= sizes[1] > 500


def test_a_model_is_chosen_where_there_are_several(page, url):
    page.open(url)
    page.type("one")
    page.wait(lambda: page.shows("eins") and page["attention"].is_displayed())
    assert page.texts("#model option") == ["toy", "capitals"]
    assert page["model"].accessible_name == "Model"
    names = ["text", "marks", "translation", "announcement", "best-list"]
    languages = f"return {names}.map(name => document.getElementById(name).lang)"
    assert page.run(languages) == ["en", "en", "de", "de", "de"]
    # As many as the beam of the run.
    assert len(page.texts("#best-list span")) == 3
    page.choose_model("capitals")
    page.wait(lambda: page.shows("ONE"))
    assert not page["attention"].is_displayed() and not page.all("[role=option]")
    assert page.run(languages) == [""] * 5
    page.choose_model("toy")
    page.wait(lambda: page.shows("eins"))


def test_no_choice_where_there_is_one_model(page, upper):
    page.open(upper)
    page.type("one")
    page.wait(lambda: page.shows("ONE"))
    assert not page["choice"].is_displayed()
