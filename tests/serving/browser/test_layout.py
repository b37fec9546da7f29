"""How the page looks and how it can be used: accessibility by axe-core, and small screens."""

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver.common.keys import Keys

TEXT = "one red cats and four here"
LONG = "\n".join([TEXT, "x" * 200, " ".join([TEXT] * 4)])


def check_accessibility(page) -> None:
    result = Axe().run(page.driver)
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in result["violations"]] == []
    passed = {each["id"] for each in result["passes"]}
    assert {
        "color-contrast",
        "label",
        "button-name",
        "document-title",
        "html-has-lang",
        "page-has-heading-one",
    } <= passed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(page, url, scheme):
    page.prefer(color_scheme=scheme, reduced_motion="reduce")
    page.open(url)
    page.type(TEXT)
    page.wait(lambda: page.all("[role=option]"))
    page.run("arguments[0].focus()", page.all("[role=option]")[0])
    # All of what a page may ever show.
    page.run("""
        for (const id of ["key-form", "choice", "hint", "part-choice"]) document.getElementById(id).hidden = false;
        document.getElementById("message").textContent = "The server is busy.";
    """)
    check_accessibility(page)
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_on_the_strongest_shade_can_be_read(page, url, scheme):
    """WCAG 2.2, 1.4.3: 4.5 to 1, by the formula of relative luminance there; axe looks at no text on a mark."""
    page.prefer(color_scheme=scheme)
    page.open(url)
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    heat = [int(part) for part in page.run(f"return {style}('--heat')").split()]
    ink = [int(part) for part in page.run("return getComputedStyle(document.body).color")[4:-1].split(",")]
    light, dark = sorted((luminance(ink), luminance(heat)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(color: list[int]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(page, url, width):
    page.resize(width)
    page.open(url)
    page.paste(LONG)
    page.wait(lambda: page.all("[role=option]"))
    page.run("for (const id of ['key-form', 'choice']) document.getElementById(id).hidden = false")
    widths = (
        "const {scrollWidth, clientWidth} = document.documentElement; return [innerWidth, scrollWidth, clientWidth]"
    )
    inner, scrolled, seen = page.run(widths)
    assert (inner, scrolled) == (width, seen)
    # A wide map scrolls in a box of its own, which the keyboard reaches.
    (box,) = page.all(".wide")
    assert box.get_attribute("tabindex") == "0" and box.accessible_name == "Attention"
    assert box.get_property("clientWidth") <= width


def test_motion_is_left_out_where_it_is_not_wanted(page, upper):
    for wish, motion in (("no-preference", "wait"), ("reduce", "none")):
        page.prefer(reduced_motion=wish)
        page.open(upper)
        page.wait(lambda: page.shows(""))
        page.run("document.getElementById('translation').setAttribute('aria-busy', 'true')")
        found = page.run("return getComputedStyle(document.getElementById('translation'), '::before').animationName")
        assert found == motion


def test_every_stop_of_the_keyboard_can_be_seen(page, url):
    page.open(url)
    page.type(TEXT)
    page.wait(lambda: page.all("[role=option]"))
    stops = []
    while (element := page.driver.switch_to.active_element).tag_name != "body":
        # The box of the text has its outline around both that it lies on.
        outlined = "const box = arguments[0].closest('textarea')?.parentElement ?? arguments[0];"
        assert page.run(f"{outlined} return getComputedStyle(box).outlineStyle", element) == "solid"
        stops.append(element.aria_role)
        element.send_keys(Keys.TAB)
    assert stops == ["textbox", "option", "DisclosureTriangle", "region"]


def test_a_script_from_elsewhere_does_not_run(page, upper):
    page.open(upper)
    page.wait(lambda: page.shows(""))
    page.run("const script = document.createElement('script'); document.head.append(script);"
             " window.refused = 0; document.addEventListener('securitypolicyviolation', () => { refused++; });"
             " try { script.text = 'window.ran = true'; } catch { refused++; }"
             " try { document.body.innerHTML = '<p>'; } catch { refused++; }")  # fmt: skip
    assert page.run("return [window.ran, refused >= 2]") == [None, True]
    page.log()
