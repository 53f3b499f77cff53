"""The pages of runs: what they say, what they keep to themselves, and what does not stop them."""

import json
import os
import re
import socket
import sys
import types

import made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import data_of, text_of

from minigen import training
from minigen.training.pages import RunList, pictures, seen, write_comparison, write_page
from minigen.training.pages.about import resume_command, setting
from minigen.training.pages.curves import ALL_COLUMNS
from minigen.training.pages.html import MARK, document, tag
from minigen.training.pages.seen import with_floors

EVIL = (
    "</script><script>window.broken = 1</script>", "<!--<script>", "\u2028\u2029'\"`", "&lt;",
    "<img src=x onerror='window.broken = 2'>", "javascript:window.broken = 3", "\udcff", "${main}",
)  # fmt: skip


def test_a_run_has_its_page_from_the_first_step_on(tmp_path):
    """Made by the loop: before the first step, at each checkpoint, and at the end."""
    run, page = made.begun(tmp_path / "run")
    pages = []
    run.at_save += [
        page,
        lambda loop: pages.append((loop.step, text_of(run.folder / "index.html"))),
    ]
    nothing = types.SimpleNamespace(state_dict=dict, load_state_dict=lambda state: None)
    loop = training.Loop(run, steps=25, state={"x": nothing}, log_every=5, save_every=10)
    for step in loop:
        loop.log({"loss": 1 / step})
    assert [step for step, _ in pages] == [0, 10, 20, 25]
    for step, content in pages:
        assert f"step {step} of 25, {'finished' if step == 25 else 'so far'}" in content
        charts = data_of(content)["charts"]
        assert [c["lines"][0]["x"] for c in charts] == ([[*range(5, step + 1, 5)]] if step else [])
    assert "learning rate of Adam (0.001)" in content and "--resume run" in content


def test_the_cost_does_not_grow_with_the_run(tmp_path, monkeypatch):
    """Each line is read once, each picture packed once, few are kept, and 10,000 steps with the
    samples of a colourful run are less than 2 MB."""
    run, page = made.begun(tmp_path / "run")
    read, packed, once = [], [], pictures.packed
    monkeypatch.setattr(pictures, "packed", lambda p, m: packed.append(p.name) or once(p, m))
    add = page._folder._metrics._add
    monkeypatch.setattr(page._folder._metrics, "_add", lambda line: (read.append(1), add(line)))
    last, sizes, new = 0, {}, {}
    for step in (100, 1000, 5000, 9500, 10_000):
        made.log(run, range(last + 1, step + 1))
        made.draw(run, [s for s in range(last + 1, step + 1) if s % 250 == 0])
        before, last = (len(read), len(packed)), step
        page(made.at(step))
        sizes[step] = (run.folder / "index.html").stat().st_size
        new[step] = len(read) - before[0], len(packed) - before[1]
    assert new[10_000][0] == 500 and new[10_000][1] <= 2  # those since step 9,500
    assert sum(lines for lines, _ in new.values()) == 10_000 and len(packed) == len({*packed})
    assert sizes[10_000] < 2e6
    shots = data_of(text_of(run.folder / "index.html"))["frames"][0]["shots"]
    assert 15 <= len(shots) <= 30 and (shots[0]["step"], shots[-1]["step"]) == (250, 10_000)


def test_the_largest_page_is_below_2_mb():
    """Pictures and curves as large as they may be, in base64 and in digits."""
    shots = 4 / 3 * (30 * pictures.FRAME_BYTES + 8 * pictures.FIGURE_BYTES)
    rows = ALL_COLUMNS * len(str(10_000) + 3 * ",-1.2345e-05" + ",")
    assert shots + rows < 2e6 - 50_000


def evil_run(folder, word):
    """A run whose every name is that word."""
    run, page = made.begun(folder, data=word, **{word: [word]})
    record = json.dumps({"step": 1, word: 1.5, "loss": 2})
    (run.folder / "metrics.jsonl").write_text(record + "\n", encoding="utf-8")
    (run.folder / "scores.json").write_text(json.dumps({word: 1, f"{word}, floor": 2}))
    page._about |= {"about": word, "help": {"lr": word}, "machine": {word: word}, "resume": word}
    page(made.at(1))
    return run


@pytest.mark.parametrize("word", EVIL)
def test_no_name_breaks_out_of_the_page(tmp_path, word):
    run = evil_run(tmp_path / "runs" / re.sub(r"[/\0]", "∕", word), word)
    write_comparison([run.folder, run.folder], tmp_path / "both.html")
    for path in run.folder / "index.html", tmp_path / "both.html", tmp_path / "runs/index.html":
        content = text_of(path)
        assert content.count("<script") == 2 == content.count("</script>")
        assert content.count("<!--") == 0 and "<img src=x" not in content
        assert not re.search("[\u2028\u2029]", content.partition('id="data">')[2])
        hrefs = re.findall(r'href="([^"]*)"', content)
        assert all(re.match(r"(\./|#|data:,|https://)", href) for href in hrefs)
    lines = data_of(text_of(run.folder / "index.html"))["charts"]
    assert word in [line["name"] for chart in lines for line in chart["lines"]]


@given(st.text(), st.text(), st.text())
def test_elements_hold_any_text(name, value, text):
    found = tag("p", text, tag("img", alt=value), class_=name)
    assert found.count("<") == 3 == found.count(">") and found.count('"') == 4
    content = document(name, found, "page.js", {"a": [value, text]}).decode()
    assert data_of(content) == {"a": [value, text]} and content.count("</script>") == 2


def test_a_page_says_nothing_about_who_trains(tmp_path, monkeypatch):
    home = tmp_path / "home" / "ada-lovelace"
    (home / "pictures").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(socket, "gethostname", lambda: "analytical-engine")
    monkeypatch.setattr(sys, "argv", [str(home / "minigen/demos/made.py")])
    run, page = made.begun(
        home / "runs/one", data=str(home / "pictures"), reflow=str(home), w=["a"]
    )
    page(made.at(3))
    write_comparison([run.folder, run.folder], home / "both.html")
    files = home / "both.html", run.folder / "index.html", home / "runs/index.html"
    for content in map(text_of, (*files, run.folder / "about.json")):
        for word in "ada-lovelace", "analytical-engine", os.uname().nodename, str(tmp_path):
            assert word not in content
    content = text_of(run.folder / "index.html")
    assert "…/pictures" in content and "python made.py --resume one" in content


@pytest.mark.parametrize("value, said", [
    ("mnist", "mnist"), ("/data/cats", "…/cats"), ("C:\\Users\\ada\\cats", "…/cats"), ("/", "…"),
    ("~/cats", "…/cats"), ("../../ada/cats", "…/cats"), (None, "–"), (True, "yes"),
    ([1, "/a/b"], "1 …/b"),
    ("and/or", "and/or"), (0.5, "0.5"), ([], "none"), ("\\\\server\\share\\cats", "…/cats"),
])  # fmt: skip
def test_settings_as_people_read_them(value, said):
    assert setting(value) == said


@pytest.mark.parametrize("stored, shown", [
    ("python demos/gan.py --resume runs/gan", "python demos/gan.py --resume runs/gan"),
    ("python 'a b.py' --resume '$(date)'", "python 'a b.py' --resume '$(date)'"),
    ("rm -r runs", ""), ("python gan.py --resume runs; date", ""), ("python 'gan.py", ""), (3, ""),
    ("sh gan.py --resume runs", ""), (None, ""),
])  # fmt: skip
def test_no_other_command_is_shown_than_one_that_resumes(stored, shown):
    assert resume_command({"resume": stored}) == shown


def test_scores_have_their_floors_beside_them():
    scores = {"error": 1, "error, floor": 2, "error: copy": 3, "a, b": 4, "to x: error": 5,
              "to x: error: copy": 6, "floor": 7, "error, floor, 8 bits": 8}  # fmt: skip
    assert with_floors(scores) == {
        "error": {"floor": 2, "copy": 3}, "error, floor": {"8 bits": 8},
        "a, b": {}, "to x: error": {"copy": 6}, "floor": {},
    }  # fmt: skip


BROKEN = (
    "", "[]", "{", "7", "[" * 100_000, '{"a": 1' + "0" * 5000 + "}",
    '{"data": {"a": [[]]}, "demo": {}}',
    '{"step": "x", "steps": -1, "help": 3, "machine": [], "seconds": "NaN", "resume": 3}',
    '{"step": 1e400, "steps": 3, "help": {"lr": {}}, "machine": {"a": []}, "written": {}}',
)  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_damaged_folders_are_listed_and_end_nothing(tmp_path, content):
    runs = tmp_path / "runs"
    run, page = made.begun(runs / "good")
    for name in "config.json", "about.json", "scores.json", "metrics.jsonl":
        (runs / name).mkdir(parents=True)
        (runs / name / "config.json").write_text("{}")
        (runs / name / name).write_text(content)
        write_page(runs / name)
    (runs / "empty").mkdir()
    (runs / "a file").write_text("")
    (runs / "config.json" / "samples").write_text("no folder")
    (run.folder / "scores.json").write_text(content)
    page(made.at(1))
    found = re.findall(r'<th scope="row"><a href="\./([^/]*)/', text_of(runs / "index.html"))
    assert sorted(found) == ["about.json", "config.json", "good", "metrics.jsonl", "scores.json"]


def test_a_list_reads_only_what_has_changed(tmp_path, monkeypatch):
    runs = [made.begun(tmp_path / "runs" / f"run-{i}") for i in range(4)]
    for _, page in runs:
        page(made.at(1))
    listed, read = RunList(tmp_path / "runs"), []
    once = seen.read_object
    monkeypatch.setattr(
        "minigen.training.pages.runlist.read_object", lambda p: read.append(p) or once(p)
    )
    listed.write()
    assert len(read) == 12
    runs[2][1](made.at(2))
    read.clear()
    listed.write()
    assert len(read) == 3 and "step 2 of" in text_of(tmp_path / "runs/index.html")


def test_files_of_others_stay(tmp_path, capsys):
    """No list in a folder that is not for runs, and nothing in place of somebody's page."""
    run, page = made.begun(tmp_path / "site" / "run")
    (run.folder / "index.html").write_text("<h1>mine</h1>")
    page(made.at(1))
    page(made.at(2))
    assert text_of(run.folder / "index.html") == "<h1>mine</h1>"
    assert capsys.readouterr().out.count("is no page of a run") == 1
    assert not (tmp_path / "site/index.html").exists()
    (tmp_path / "site/index.html").write_text(MARK)
    page(made.at(3))
    assert "run" in text_of(tmp_path / "site/index.html")
    with pytest.raises(training.RunError, match="no page of runs: give --out another name"):
        write_comparison([run.folder], run.folder / "index.html")
