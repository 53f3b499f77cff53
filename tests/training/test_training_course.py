"""What all demos do with a run: epochs, falling rates, pictures of the course, parts of data."""

import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, optim
from minigen.data import Batches
from minigen.training import (
    Run,
    begin,
    by_parts,
    course,
    draw_course,
    falling,
    loop_of_epochs,
    save_image,
    save_strip,
)


@given(st.integers(1, 40), st.integers(0, 40), st.floats(0, 1), st.booleans())
def test_a_rate_falls_to_0_in_the_last_steps_also_where_a_run_goes_on(steps, done, share, older):
    done = min(done, steps)
    adam = optim.Adam([minigen.zeros(2, requires_grad=True)], lr=0.1)
    if done:
        adam.param_groups[0] |= {"lr": 0.03} | ({} if older else {"initial_lr": 0.1})
    schedule = falling(adam, 0.1, steps, done, share)
    for step in range(done, steps + 1):
        left = 1 - step / steps
        expected = 0.1 * min(1.0, left / share) if share else 0.1
        assert adam.param_groups[0]["lr"] == schedule.get_last_lr()[0] == expected
        schedule.step()


def test_epochs_are_so_many_passes_and_go_on(tmp_path, capsys):
    def trained(epochs):
        args, seen = types.SimpleNamespace(epochs=epochs), []
        batches = Batches(np.arange(6), batch_size=2)
        run = Run.resume(folder) if (folder / "config.json").exists() else Run.create(folder, {})
        loop = loop_of_epochs(run, args, batches, {})
        begin(run, "6 numbers", (minigen.nn.Linear(3, 2), (3,)))
        stream = batches.forever()
        for _ in loop:
            seen += next(stream)[0].tolist()
        return seen

    folder = tmp_path / "whole"
    whole = trained(3)
    folder = tmp_path / "parts"
    assert trained(1) + trained(3) == whole
    assert sorted(whole) == sorted([*range(6)] * 3)
    said = capsys.readouterr().out
    assert "Linear" in said and f"6 numbers; the run folder is {folder}" in said


def test_the_course_is_drawn_of_what_is_there(tmp_path):
    run = Run.create(tmp_path, {})
    assert draw_course(run, {}) == [] and not list(tmp_path.glob("*.*g*"))
    save_image(run.path("samples", "0.png"), np.zeros((5, 4), np.uint8))  # an older version's
    frames = [run.path("samples", f"{i}.png") for i in (1, 2)]
    for frame in frames:
        save_image(frame, np.zeros((4, 4), np.uint8))
    run.log(1, {"loss": 1.0})
    assert draw_course(run, {"losses": ["loss"]}, seconds_per_frame=0.1) == frames
    assert {"samples.gif", "curves.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_strip_has_the_first_frame_and_the_last_and_says_their_steps(monkeypatch, tmp_path):
    drawn = []
    note = lambda path, strip, **told: drawn.append((strip, told))
    monkeypatch.setattr(course, "save_image", note)
    frames = [tmp_path / f"{i:04d}.png" for i in range(0, 5000, 500)]
    for level, frame in enumerate(frames):
        save_image(frame, np.full((2, 3), level, np.uint8))
    for some, expected in ((10, [0, 3, 6, 9]), (4, [0, 1, 2, 3]), (2, [0, 1]), (1, [0]), (0, None)):
        save_strip(tmp_path / "strip.png", frames[:some], "what it is")
        if expected is None:
            assert not drawn
        else:
            [(strip, told)] = drawn
            np.testing.assert_array_equal(strip, np.tile(np.repeat(expected, 3), (2, 1)))
            steps = ", ".join(f"{500 * i:,}" for i in expected)
            assert told == {"title": f"from left to right steps {steps}", "caption": "what it is"}
        drawn.clear()


@pytest.mark.parametrize("rows", [1, 3, 7, 500])
def test_parts_of_any_size_give_the_same_unrecorded(rows):
    x = Tensor(np.arange(14.0).reshape(7, 2), requires_grad=True)
    parts = []
    found = by_parts(lambda part: parts.append(2 * part) or parts[-1], x, rows)
    np.testing.assert_array_equal(found, 2 * x.numpy())
    assert max(map(len, parts)) == min(rows, 7) and not parts[0].requires_grad
