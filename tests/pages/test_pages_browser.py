"""Pages in a browser: clicked, hovered, dragged, typed at, and read."""

import json
import re

import made
import numpy as np
import pytest
from browser import is_foreign, violations

from minigen.training.figures import save_image
from minigen.training.pages import write_comparison

PLAIN = "<!doctype html><html lang=en><title>a</title><main><h1>a</h1>{}</main></html>"
DARK = {"color_scheme": "dark"}
NARROW = {"viewport": {"width": 360, "height": 740}}
EVIL = "</script><script>broken()</script><img src=x onerror='broken()'>\u2028{}"


def test_what_is_wrong_with_a_page_is_found(visit, tmp_path):
    """An error of its script, and a picture that says nothing to those who do not see it."""
    path = tmp_path / "bad.html"
    path.write_text(PLAIN.format("<img src='data:,'><script>nowhere()</script>"))
    page = visit(path)
    assert "nowhere is not defined" in page.errors[0]
    page.errors.clear()
    assert [line.split(":")[0] for line in violations(page)] == ["image-alt"]


@pytest.mark.parametrize("url, foreign", [
    ("file:///tmp/a.html", False), ("file://server/a.html", True), ("data:,", False),
    ("http://127.0.0.1:8000/", False), ("http://[::1]:8/", False), ("http://localhost.evil/", True),
    ("http://127.0.0.1.evil/", True), ("https://example.org/", True),
])  # fmt: skip
def test_which_requests_go_elsewhere(url, foreign):
    assert is_foreign(url) == foreign


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that are done, of 2,000 steps, with all that a page can show."""
    folder, rng = tmp_path_factory.mktemp("made") / "runs", np.random.default_rng(0)
    for i, name in enumerate(("one", "two")):
        run, page = made.begun(folder / name, lr=[1e-3, 2e-3][i])
        made.log(run, range(1, 2001))
        for step in range(500, 2001, 500):
            save_image(run.path("samples", f"{step}.png"), rng.integers(0, 99, (64, 64), np.uint8))
        save_image(run.path("truncation.png"), rng.integers(0, 99, (64, 64), np.uint8))
        scores = {"Fréchet distance": 6.4 + i, "Fréchet distance, floor": 1.65}
        (run.folder / "scores.json").write_text(json.dumps(scores))
        page(made.at(2000, 2000))
    write_comparison([folder / "one", folder / "two"], folder / "both.html")
    return folder


def drawn(page, chart=0):
    """What is drawn of a chart's first line."""
    return page.locator(".chart").nth(chart).locator("path.mean").first.get_attribute("d")


def test_curves_answer_the_pointer(visit, runs):
    page = visit(runs / "one/index.html")
    chart = page.locator(".chart").first
    assert chart.locator(".legend button").count() == 2
    assert chart.locator(".at").inner_text() == "step 2,000"
    box = chart.locator("svg").bounding_box()
    page.mouse.move(box["x"] + 54 + (box["width"] - 76) / 2, box["y"] + 50)
    step = int(chart.locator(".at").inner_text().split()[1].replace(",", ""))
    assert abs(step - 1000) <= 2000 / box["width"] * 4
    value = float(chart.locator(".value").first.inner_text().split()[0])
    near = [made.metrics(s)["loss_d"] for s in range(step - 3, step + 4)]
    assert min(near) - 0.001 <= value <= max(near) + 0.001  # four digits
    assert chart.locator("circle").count() == 2 and chart.locator("line.cursor").count() == 1
    page.mouse.move(5, 5)
    assert chart.locator("circle").count() == 0


def test_curves_answer_the_keyboard(visit, runs):
    page = visit(runs / "one/index.html")
    plot = page.locator(".plot").first
    plot.focus()
    steps = []
    for key in "Home", "ArrowRight", "Shift+ArrowRight", "End", "ArrowLeft":
        page.keyboard.press(key)
        steps.append(int(plot.get_attribute("aria-valuenow")))
    assert steps[0] < steps[1] < steps[2] < steps[4] < steps[3] and steps[0] <= 4
    said = plot.get_attribute("aria-valuetext")
    assert re.match(r"step \d+: loss_d [\d.]+ \([\d.]+ to [\d.]+\), loss_g", said)
    page.keyboard.press("Escape")
    assert page.locator("line.cursor").count() == 0


def test_axis_smoothing_and_lines_are_the_readers(visit, runs):
    """They change what is drawn, and outlive a reload."""
    page = visit(runs / "one/index.html")
    paths = {drawn(page)}
    page.get_by_label("logarithmic").check()
    paths.add(drawn(page))
    labels = page.locator(".chart").first.locator("text").all_text_contents()
    assert {"0.5", "1"} <= {*labels} and not {"0.6", "0.8"} & {*labels}
    page.get_by_label("smoothing").fill("9")
    paths.add(drawn(page))
    assert len(paths) == 3 and page.locator("#smooth-said").inner_text() == "9 %"
    with page.expect_navigation():
        page.get_by_role("button", name="Reload").click()
    assert page.get_by_label("logarithmic").is_checked() and drawn(page) in paths
    first = page.locator(".legend button").first
    first.click()
    assert first.get_attribute("aria-pressed") == "false"
    assert page.locator(".chart").first.locator("path.mean").count() == 1
    first.click()
    assert page.locator(".chart").first.locator("path.mean").count() == 2


def test_samples_follow_the_slider(visit, runs):
    page = visit(runs / "one/index.html")
    image, slider = page.locator("#frames img"), page.locator("#step")
    assert image.get_attribute("alt") == "samples at step 2000"
    seen = {image.get_attribute("src")}
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert image.get_attribute("alt") == "samples at step 1000"
    seen.add(image.get_attribute("src"))
    page.keyboard.press("ArrowLeft")
    assert page.locator("#step-said").inner_text() == "500"
    seen.add(image.get_attribute("src"))
    assert len(seen) == 3
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()
    assert page.locator("#step-said").inner_text() == "2,000"
    assert image.evaluate("image => image.naturalWidth") == 64


def test_runs_lie_over_one_another(visit, runs):
    page = visit(runs / "both.html")
    assert page.locator(".chart").count() == 4
    assert page.locator(".chart").first.locator("path.mean").count() == 2
    page.locator("#step").fill("0")
    boxes = "all => all.map(image => image.getBoundingClientRect().toJSON())"
    left, right = page.locator("#frames img").evaluate_all(boxes)
    assert left["y"] == right["y"] and left["right"] < right["x"]
    alts = page.locator("#frames img").evaluate_all("all => all.map(image => image.alt)")
    assert alts == ["samples of one at step 500", "samples of two at step 500"]
    assert page.locator("tr.differs th").inner_text() == "≠lr"
    assert page.locator("section", has_text="Scores").get_by_text("floor 1.65").count() == 2


def test_the_list_leads_to_its_runs(visit, runs):
    page = visit(runs / "index.html")
    assert page.locator("tbody tr").count() == 2
    assert page.locator("img").evaluate_all("all => Promise.all(all.map(i => i.decode()))")
    with page.expect_navigation():
        page.get_by_role("link", name="two").click()
    assert page.locator("h1").inner_text() == "two"


@pytest.mark.parametrize("options", [{}, DARK, NARROW], ids=["light", "dark", "narrow"])
def test_everybody_can_read_them(visit, runs, options):
    """No violation of accessibility, and nothing wider than the screen."""
    for name in "one/index.html", "both.html", "index.html":
        page = visit(runs / name, **options)
        assert not violations(page)
        inside = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert inside
        for text in page.locator(".plot text").all() if options is NARROW else ():
            assert 0 <= text.bounding_box()["x"] <= 360


def test_names_are_text_alone(visit, tmp_path):
    """Nothing that a run, a metric, a setting or a score is called becomes markup or code."""
    run, page = made.begun(tmp_path / "runs" / EVIL.replace("/", "∕"), **{EVIL: EVIL})
    (run.folder / "metrics.jsonl").write_text(json.dumps({"step": 1, EVIL: 2.5}) + "\n", "utf-8")
    (run.folder / "scores.json").write_text(json.dumps({EVIL: 1}))
    save_image(run.path("samples", "1.png"), np.zeros((8, 8), np.uint8))
    page._about["about"] = EVIL
    page(made.at(1))
    write_comparison([run.folder, run.folder], tmp_path / "both.html")
    for path in run.folder / "index.html", tmp_path / "both.html", tmp_path / "runs/index.html":
        page = visit(path)
        assert page.locator("script").count() == 2 and page.locator("img[onerror]").count() == 0
    page = visit(run.folder / "index.html")
    assert EVIL in page.locator(".legend button").evaluate("button => button.textContent")


def test_an_injected_script_would_not_run(visit, tmp_path, runs):
    """The last wall: even markup that got in could neither run nor ask another machine."""
    content = (runs / "one/index.html").read_text("utf-8")
    bad = "<script>window.broken = 1</script><img src='https://example.org/a.png' alt=''></main>"
    (tmp_path / "bad.html").write_text(content.replace("</main>", bad), "utf-8")
    page = visit(tmp_path / "bad.html")
    assert page.evaluate("window.broken") is None and page.locator(".chart").count() == 2
    assert len([text for text in page.errors if "Content Security Policy" in text]) == 2
    page.errors.clear()
