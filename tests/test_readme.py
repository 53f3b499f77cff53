"""The README's examples run and print what it says; the lines and files that it, the tour and the
page of figures quote are there."""

import contextlib
import io
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
README, TOUR, FIGURES = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "minigen/TOUR.md", "demos/FIGURES.md")
)


def test_examples_print_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one of them draws a picture
    printed, namespace = io.StringIO(), {}
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "README.md", "exec"), namespace)
        for expected in re.findall(r"print\(.*?\)\s+# (.*)", block):
            assert expected in printed.getvalue()
    (error,) = re.findall(r"```text\n(gradient of order.*?)\n```", README)
    assert error in printed.getvalue()


def test_quoted_lines_and_files_exist():
    table = TOUR[TOUR.index("From the formula to the line") :]
    rows = re.findall(r"^\| [^|]+ \| `(.+?)` \| `(.+?)` \|$", table, re.M)
    assert len(rows) > 10
    for line, file in rows:
        assert line in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no line {line}"
    for file in re.findall(r"`(?:\w+ )*((?:minigen|demos|tests)/[\w./]+)", README + TOUR + FIGURES):
        assert (ROOT / file).exists(), f"{file} is named, which is not there"


def test_the_readme_is_read_in_ten_minutes():
    assert len(README.split()) <= 1500
