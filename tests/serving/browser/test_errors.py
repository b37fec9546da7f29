"""What goes wrong is told in words, and is over when its reason is."""

import contextlib
import socket
import threading

import httpx
import pytest

from serving.embedded.config import BatcherConfig, ServerConfig
from serving.embedded.server import running


@pytest.fixture(scope="module")
def slow_export(tmp_path_factory):
    """The export of a model that writes in capitals, but finds no end of the text `slow`."""
    import tensorflow as tf

    class Slow(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def translate(self, text):
            rounds = tf.where(tf.reduce_any(text == "slow"), 2**31 - 1, 0)
            (count,) = tf.while_loop(lambda n: n < rounds, lambda n: [n + 1], [tf.constant(0)])
            return {"translation": tf.strings.upper(text) + tf.where(count < 0, "?", "")}

    module, folder = Slow(), tmp_path_factory.mktemp("slow")
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": module.translate})
    return folder


def test_a_server_that_goes_and_comes_back(page, small_export):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with running(str(small_export), port=port) as url:
        page.open(url)
        page.type("one")
        page.wait(lambda: page.shows("ONE"))
    page["text"].send_keys(" two")
    page.wait(lambda: page.text_of("message") == "The server cannot be reached. Trying again\u2026")
    # What was shown is no translation of what stands there now.
    assert page.text_of("translation") == "" and not page["best"].is_displayed()
    assert page["message"].aria_role == "alert"
    with running(str(small_export), port=port):
        page.wait(lambda: page.shows("ONE TWO"))
        assert page.text_of("message") == ""


@contextlib.contextmanager
def busy(page):
    """A request that runs until the server's time limit, and one that waits behind it."""
    sent = {"json": {"instances": ["slow"]}, "timeout": 60}
    url = f"{page.base}/v1/models/nmt:predict"
    threads = [threading.Thread(target=httpx.post, args=[url], kwargs=sent) for _ in range(2)]
    for thread in threads:
        thread.start()
    metrics = f"{page.base}/monitoring/prometheus/metrics"
    page.wait(lambda: 'nmt_queue_rows{model_name="nmt"} 1\n' in httpx.get(metrics).text)
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def test_a_busy_server(page, slow_export):
    config = ServerConfig(
        request_timeout=6, batching=BatcherConfig(max_batch_size=1, parallel_runs=1, max_queued_rows=1)
    )
    with running(str(slow_export), config=config) as url:
        page.open(url)
        page.wait(lambda: page.shows(""))
        with busy(page):
            page.paste("one")
            page.wait(lambda: page.text_of("message") == "The server is busy. Trying again\u2026")
        page.wait(lambda: page.shows("ONE"))
        assert page.text_of("message") == ""


def test_a_text_that_takes_the_server_too_long(page, slow_export):
    with running(str(slow_export), config=ServerConfig(request_timeout=1)) as url:
        page.open(url)
        page.type("slow")
        page.wait(lambda: page.text_of("message") == "The server needed too long for this text.")
        page.type("one")
        page.wait(lambda: page.shows("ONE"))
        assert page.text_of("message") == "" and not page["best"].is_displayed()


def test_a_text_beyond_the_servers_limits(page, url, small_export):
    page.open(url)
    page.paste("one " * 21_000)
    page.wait(
        lambda: (
            page.text_of("message")
            == "The server refused (400): text: expected at most 20000 pieces, received more; divide the text"
        )
    )
    page.paste("one")
    page.wait(lambda: page.shows("eins"))
    assert page.text_of("message") == ""
    with running(str(small_export), config=ServerConfig(max_body_bytes=100)) as small:
        page.open(small)
        page.paste("one " * 30)
        page.wait(lambda: page.text_of("message") == "The text is too long for this server.")


@pytest.fixture(scope="module")
def guarded(small_export, tmp_path_factory):
    """The URL of a server that asks for the key `secret`."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("secret\n")
    with running(str(small_export), config=ServerConfig(api_key_file=str(keys))) as url:
        yield url


def test_a_key_is_asked_for_and_kept_for_the_tab(page, guarded):
    page.open(guarded)
    page.wait(lambda: page["key-form"].is_displayed())
    assert page.text_of("message") == "The server asks for a key."
    assert page["key"].accessible_name == "API key"
    assert page.driver.switch_to.active_element == page["key"]
    for wrong, told in (
        ("wrong", "The server does not know this key."),
        ("schl\u00fcssel", "A key has letters, digits and signs of ASCII, and no spaces."),
    ):
        page["key"].clear()
        page["key"].send_keys(f"{wrong}\n")
        page.wait(lambda told=told: page.text_of("message") == told)
        assert page["key-form"].is_displayed()
    page["key"].clear()
    page["key"].send_keys(" secret \n")
    page.wait(lambda: not page["key-form"].is_displayed())
    assert page.text_of("message") == ""
    page.type("one")
    page.wait(lambda: page.shows("ONE"))
    page.driver.get(f"{page.base}/")
    page.type("two")
    page.wait(lambda: page.shows("TWO"))
    kept = page.run("return [Object.values(sessionStorage), localStorage.length, document.cookie, location.href]")
    assert kept == [["secret"], 0, "", f"{page.base}/"]


def test_without_a_key_the_page_tells_nothing_of_the_models(page, guarded):
    page.open(guarded)
    page.wait(lambda: page["key-form"].is_displayed())
    assert page.texts("#model option") == []
    assert "nmt" not in page.run("return document.documentElement.textContent")
