"""The page in a browser: by pointer, by keyboard, narrow and dark, with hostile names."""

import itertools
from contextlib import ExitStack, suppress

import numpy as np
import pytest
from browser import violations
from made_runs import made_run
from PIL import Image
from served import Grey, serving, token_of

import minigen
from minigen import training
from minigen.explorer import view_of
from minigen.explorer.uploads import decoded

HOSTILE = "<img src=x onerror=alert(1)>"
END = "</script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A VAE; a GAN that is told classes, all with hostile names; points; words."""
    parent, found = tmp_path_factory.mktemp("runs"), {}
    names = {"vae": HOSTILE, "gan": "gan", "mixture_gan": "points", "word2vec": "words"}
    with ExitStack() as until_then:
        for name, folder in names.items():
            run = made_run(parent / folder, name, classes=(HOSTILE, END))
            view = view_of(training.load(run))
            found[name] = until_then.enter_context(serving(view))
        with minigen.no_grad():  # untrained ones hardly change what they draw
            for parameter in found["vae"].view.trained.model.decoder.parameters():
                parameter *= 20
        yield found


def until(page, condition, *given):
    """Wait until JavaScript is true. Playwright's own wait is kept out by the page's policy."""
    for _ in range(1000):
        with suppress(Exception):  # while the page is loaded, there is none
            if page.evaluate(condition, *given):
                return
        page.wait_for_timeout(20)
    pytest.fail(f"it never came: {condition}")


def opened(visit, server, **options):
    page = visit(server.door.address, **options)
    page.set_default_timeout(60_000)
    until(page, "document.body.className")  # the controls are there
    return page


def picture_after(page, act):
    """The picture that comes after something is done."""
    page.wait_for_selector("#picture")
    before = page.get_attribute("#picture", "src")
    act()
    until(page, "before => document.getElementById('picture').src != before", before)
    return page.get_attribute("#picture", "src")


def test_the_token_leaves_the_address_and_comes_back_after_a_reload(visit, served):
    page = opened(visit, served["gan"])
    assert page.url == f"{served['gan'].door.origin}/"
    assert token_of(served["gan"]) not in page.content()
    page.evaluate("document.title = 'before'; setTimeout(() => location.reload())")
    until(page, "document.title.startsWith('gan') && document.getElementById('picture').src")
    assert page.url == f"{served['gan'].door.origin}/"
    assert all("403" in error for error in page.errors)  # the browser's own word on the reload
    page.errors.clear()


def test_without_the_token_there_is_no_page(visit, served):
    page = visit(served["gan"].door.origin)
    assert "Open the address that explore.py has printed" in page.inner_text("body")
    assert not page.query_selector("form")
    page.errors.clear()  # 403


def test_sliders_move_by_keyboard_and_the_picture_moves_along(visit, served):
    page = opened(visit, served["gan"])
    page.focus("#z-0")
    one = picture_after(page, lambda: page.keyboard.press("ArrowRight"))
    two = picture_after(page, lambda: page.keyboard.press("End"))
    assert one != two and page.input_value("#z-0") == "3"
    assert page.inner_text("output[for=z-0]") == "3.00"
    picture_after(page, lambda: page.click("text=draw anew"))
    picture_after(page, lambda: page.select_option("#class", "1"))
    assert page.inner_text("#message") == ""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") != "class"  # nobody is caught


SEEN = """() => {
    const picture = document.getElementById("picture"), canvas = document.createElement("canvas");
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
}"""  # the grey level that is on the screen


def test_what_is_seen_follows_the_slider_as_it_is_dragged_and_by_keys(visit):
    with serving(Grey()) as server:
        page = opened(visit, server)
        box = page.locator("#level").bounding_box()
        row = box["y"] + box["height"] / 2

        def matches():
            level = round(255 * float(page.input_value("#level")))
            until(page, f"level => Math.abs(({SEEN})() - level) <= 1", level)
            return level

        page.mouse.move(box["x"] + box["width"] / 2, row)
        page.mouse.down()
        levels = []
        for share in 0.7, 0.9, 0.2, 0.4:
            page.mouse.move(box["x"] + share * box["width"], row, steps=5)
            levels.append(matches())
        page.mouse.up()
        for key in "ArrowRight", "PageUp", "End", "ArrowLeft", "Home":
            page.keyboard.press(key)
            levels.append(matches())
        assert all(a != b for a, b in itertools.pairwise(levels))
        assert levels[2] < levels[0] < levels[1] and (levels[-3], levels[-1]) == (255, 0)


def test_the_latent_plane_is_clicked_dragged_and_walked_by_arrow_keys(visit, served):
    page = opened(visit, served["vae"])
    until(page, "document.querySelector('.latent img').src")
    box = page.locator(".latent").bounding_box()
    x, y = box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"]
    picture_after(page, lambda: page.mouse.click(x, y))
    assert float(page.inner_text("output[for=z-0]")) == pytest.approx(2.4, abs=0.05)
    assert float(page.inner_text("output[for=z-1]")) == pytest.approx(1.8, abs=0.05)
    page.mouse.down()
    picture_after(page, lambda: page.mouse.move(box["x"] + 5, y, steps=4))
    page.mouse.up()
    until(page, "document.querySelector('output[for=z-0]').textContent < -2.8")
    page.focus(".latent")
    picture_after(page, lambda: page.keyboard.press("ArrowUp"))
    assert float(page.inner_text("output[for=z-1]")) == pytest.approx(1.9, abs=0.05)
    plane = page.get_attribute(".latent img", "src")
    page.select_option("#plane-0", "2")
    until(page, "before => document.querySelector('.latent img').src != before", plane)


def test_a_picture_of_ones_own_is_encoded_and_can_be_changed(visit, served, tmp_path):
    page = opened(visit, served["vae"])
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "own.png")
    picture_after(page, lambda: page.set_input_files("#upload", tmp_path / "own.png"))
    page.wait_for_selector("#seen")
    view = served["vae"].view
    z = view.trained.encode(decoded((tmp_path / "own.png").read_bytes(), *view.takes))[0]
    for i, value in enumerate(z.clip(-3, 3)):
        assert float(page.inner_text(f"output[for=z-{i}]")) == pytest.approx(value, abs=0.006)
    (tmp_path / "none.png").write_text("no picture")
    page.set_input_files("#upload", tmp_path / "none.png")
    until(page, "document.getElementById('message').textContent.includes('expected')")
    page.errors.clear()  # 400
    (tmp_path / "large.png").write_bytes(bytes(5 << 20))
    page.set_input_files("#upload", tmp_path / "large.png")
    until(page, "document.getElementById('message').textContent.includes('4 MB')")


def test_words_are_searched_and_unknown_ones_are_a_line(visit, served):
    page = opened(visit, served["word2vec"])
    page.fill("#words", "word1")
    page.wait_for_selector("#near li")
    assert page.locator("#near li").count() == 11
    assert page.inner_text("#map button.asked") == "word1"
    page.locator("#map button", has_text="word5").click()
    until(page, "document.querySelector('#map .asked').textContent == 'word5'")
    page.fill("#words", "unheard")
    until(page, "document.getElementById('message').textContent.includes('unheard')")


def test_names_are_text_whatever_they_hold(visit, served):
    for name in "vae", "gan":
        page = opened(visit, served[name])
        page.wait_for_selector("#picture")
        assert page.evaluate("document.images.length") <= 3 and not page.query_selector("[onerror]")
        assert page.locator("script").count() == 1
    assert page.locator("#class option").all_inner_texts() == [HOSTILE, END]
    page = opened(visit, served["vae"])
    assert page.inner_text("h1") == HOSTILE and page.title() == f"{HOSTILE} · minigen"


@pytest.mark.parametrize("options", [
    {}, {"color_scheme": "dark"}, {"viewport": {"width": 340, "height": 700}},
], ids=["light", "dark", "narrow"])  # fmt: skip
def test_it_can_be_used_by_all(visit, served, options):
    for server in served.values():
        page = opened(visit, server, **options)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(page) == []


def test_when_the_server_has_ended_the_page_says_so(visit):
    with serving(Grey()) as server:
        page = opened(visit, server)
        page.wait_for_selector("#picture")
    page.focus("#level")
    page.context.set_offline(True)
    page.keyboard.press("End")
    until(
        page,
        "document.getElementById('message').textContent.includes('is explore.py still running')",
    )
    page.errors.clear()
