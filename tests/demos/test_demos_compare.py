"""Runs of demos on pages: that of a run, and of several side by side."""

import re

import made
from in_process import DEMOS, run
from made import data_of, text_of

from minigen.training.pages.papers import papers


def test_every_demo_that_trains_names_its_paper():
    paths = [*DEMOS.glob("*.py"), *(DEMOS.parent / "minigen/training/builders").glob("*.py")]
    begun = re.compile(r'Parser\(\s*(?:__doc__|description),\s*name="(\w+)"')
    names = {name for path in paths for name in begun.findall(path.read_text("utf-8"))}
    assert names == papers().keys()


def test_runs_are_put_side_by_side(tmp_path):
    folders = [tmp_path / name for name in ("a/run", "b/run", "c")]
    for i, folder in enumerate(folders):
        made_run, page = made.begun(folder, lr=[1e-3, 1e-3, 2e-3][i])
        made.log(made_run, range(1, 5))
        page(made.at(4, 4))
    out = tmp_path / "both.html"
    assert "3 runs side by side" in run("compare.py", *folders, "--out", out)
    content = text_of(out)
    charts = {c["title"]: [line["name"] for line in c["lines"]] for c in data_of(content)["charts"]}
    assert charts == dict.fromkeys(made.PANEL, ["a/run", "b/run", f"{tmp_path.name}/c"])
    marked = re.findall(r'<tr class="differs">.*?<code>(\w+)', content)
    assert marked == ["lr"] and content.index("<code>lr") < content.index("<code>demo")
    said = run("compare.py", tmp_path / "nowhere", status=1)
    assert said.count("\n") == 1 and "there is no such folder" in said
