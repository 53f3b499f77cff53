"""The gallery of mistakes shows what is wrong beside what is right."""

from in_process import run


def test_a_mistake_is_told_from_its_absence(tmp_path):
    small = ("--data", "digits", "--limit", 500, "--only", "average", "labels", "--seeds", 2)
    said = run("bugs.py", *small, "--steps", 40, "--out", tmp_path / "run")
    assert said.count(": seen") == 2
    lines = (tmp_path / "run" / "table.md").read_text("utf-8").splitlines()
    assert len(lines) == 4 and all("| seen |" in line for line in lines[2:])
    run("bugs.py", "--resume", tmp_path / "run", "--seeds", 3)
    assert len([*(tmp_path / "run" / "cells").glob("*.npz")]) == 3 * 4
    assert (tmp_path / "run" / "average.png").exists()
