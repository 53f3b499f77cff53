"""The README's examples run and print what it says; the lines and files that it, the tour and the
page of figures quote are there; the tour's order is that of the imports."""

import ast
import contextlib
import io
import pathlib
import re
import subprocess
import sys

import pytest

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
    table = section("From the formula to the line")
    rows = re.findall(r"^\| [^|]+ \| `(.+?)` \| `(.+?)` \|$", table, re.M)
    assert len(rows) == table.count("\n|") - 2 > 20  # of one table, without its head
    for line, file in rows:
        assert line in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no line {line}"
    for file in re.findall(r"`(?:\w+ )*((?:minigen|demos|tests)/[\w./]+)", README + TOUR + FIGURES):
        assert (ROOT / file).exists(), f"{file} is named, which is not there"


def section(title):
    return re.search(rf"^##? {title}\n(.*?)(?:^## |\Z)", TOUR, re.M | re.S)[1]


ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in section("A tour of minigen").splitlines()
    if line.startswith("| `")
]
MARKS = ("*the idea*: ", "*speed: skip at first*: ", "*tools*: ")


def named(row):
    """The files that a row names, by themselves or by their folder."""
    for name in re.findall(r"`([\w/.]+)`", row[0]):
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imported(file):
    """The files of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.partition(".")[0] == "minigen":
                ways = [name, name.rpartition(".")[0]]  # a module, or something out of one
                files = [ROOT / f"{way.replace('.', '/')}{e}" for way in ways for e in ENDS]
                yield next(found for found in files if found.is_file())


ENDS = (".py", "/__init__.py")


def test_each_file_of_the_tour_needs_only_those_before_it():
    first = {}
    for number, row in enumerate(ROWS):
        for file in named(row):
            first.setdefault(file, number)
    package = {f for f in (ROOT / "minigen").rglob("*.py") if f.stat().st_size}
    assert not {str(f.relative_to(ROOT)) for f in package - set(first)}, "not in the tour"
    early = [
        f"{file.relative_to(ROOT)} imports {needed.relative_to(ROOT)}, which a later row names"
        for file, number in first.items()
        for needed in imported(file)
        if first[needed] > number
    ]
    assert not early


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_of_the_tour_has_a_mark_and_ends_with_a_command(row):
    _, lesson, exercise = row
    assert lesson.startswith(MARKS)
    command = re.search(r"`((?:\w+=\w+ )?(?:pytest|python) [^`]+)`(?:, [^`|]+`\w+`)?$", exercise)[1]
    files = [ROOT / name for name in re.findall(r"tests/[\w/]+\.py", command)]
    text = "".join(f.read_text(encoding="utf-8") for f in files)
    names = " ".join(re.findall(r"^def (test_\w+)", text, re.M))
    if "operations" in command:  # whose names are those of cases
        names += (ROOT / "tests/operations.py").read_text(encoding="utf-8")
    for chosen in re.findall(r"-k (\w+|\"[^\"]+\")", command):
        for word in set(re.findall(r"\w+", chosen)) - {"and", "or"}:
            assert word in names, f"-k {word} chooses no test"


LOOK = """
import os, random, signal, sys, threading, warnings
import numpy as np, scipy.optimize, scipy.sparse, scipy.stats, threadpoolctl

def process():
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    blas = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    return repr([
        affinity, blas, handlers, threading.enumerate(), sys.getrecursionlimit(), sys.excepthook,
        dict(os.environ), os.getcwd(), np.geterr(), np.get_printoptions(), np.random.get_state(),
        random.getstate(), warnings.filters,
    ])

before = process()
import minigen
from minigen import data, metrics, models
assert process() == before
assert "cupy" not in sys.modules
"""


def test_importing_sets_nothing_that_the_tour_does_not_name():
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_is_read_in_ten_minutes():
    assert len(README.split()) <= 1500
