"""The benchmark's whole networks: both libraries compute the same, in processes of their own that
are asked in turn."""

import contextlib
import json
import os
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "demos"))

from benchmark import child, drawn, sections, versus
from benchmark import networks as written
from benchmark.measuring import Bench, installed
from benchmark.versus import Side, alternating, line, networks

import minigen.torch_names as ours
from minigen import backend

NAMED = [*written.NINE, *written.MORE]


@pytest.fixture(autouse=True)
def no_time_is_taken(monkeypatch, limit_restored):
    backend.limit_threads(1)
    for name in ("PAUSE", "SETTLE", "BLOCK"):
        monkeypatch.setattr(versus, name, 1e-4)


def first_step(name, torch):
    """The loss of a step without dropout, and the gradients that it leaves."""
    batch = {} if name.startswith("random-") else {"batch": 2}
    trained = written.build(name, torch, dtype="float64", **batch)
    loss = child.without_dropout(torch, trained)
    parameters = {
        f"{i}.{key}": p.grad.detach().numpy()
        for i, network in enumerate(trained.networks)
        for key, p in network.named_parameters()
    }
    return loss, parameters


@pytest.mark.skipif(not installed("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("name", [*NAMED, *(f"random-{i}" for i in (0, 5, 8, 14, 18))])
def test_both_libraries_compute_the_same(name):
    import torch

    torch.set_num_threads(1)
    (loss, gradients), (expected, theirs) = (first_step(name, lib) for lib in (ours, torch))
    assert loss == pytest.approx(expected, rel=1e-9)
    assert gradients.keys() == theirs.keys()
    size = max(np.abs(g).max() for g in theirs.values())
    for key, gradient in theirs.items():
        np.testing.assert_allclose(gradients[key], gradient, rtol=0, atol=1e-7 * size, err_msg=key)


def test_a_seed_draws_the_same_networks_and_in_time_every_kind():
    found = [drawn.drawn(0, i) for i in range(60)]
    assert found == [drawn.drawn(0, i) for i in range(60)]
    assert found[:5] != [drawn.drawn(1, i) for i in range(5)]
    low, high = drawn.SECONDS
    assert all(low <= network.seconds() <= high for network in found)
    layers = [layer for network in found for layer in network.layers]
    kinds = {*drawn.ACTIVATIONS, *drawn.NORMS} - {"none"}
    assert kinds <= {layer[0] for layer in layers}
    convolutions = [layer for layer in layers if layer[0] in ("conv", "transposed")]
    assert {kernel for _, _, _, kernel, *_ in convolutions} == {*range(1, 8)}
    assert {stride for _, _, _, _, stride, *_ in convolutions} == {1, 2}


def test_flops_are_those_of_the_products():
    step = written.build("mnist", ours, batch=2).step
    first, second = 26 * 26 * 32 * 9, 24 * 24 * 64 * 32 * 9
    dense = 9216 * 128 + 128 * 10
    # Forward, for the weights, and for what comes in, which no layer comes before the first.
    assert child.product_flops(step) == 2 * 2 * (2 * first + 3 * second + 3 * dense)


class FakeSide:
    """Takes as long for a step as it is told; others compute during blocks of these numbers."""

    def __init__(self, who, seconds, log, disturbed=()):
        self.who, self.seconds, self.log, self.disturbed = who, seconds, log, disturbed

    def block(self, steps):
        self.log.append(self.who)
        disturbed = len(self.log) in self.disturbed
        return {"seconds": self.seconds, "idle": 0.001, "disturbed": disturbed}


def test_blocks_alternate():
    log = []
    sides = {who: FakeSide(who, seconds, log) for who, seconds in (("a", 1.0), ("b", 2.0))}
    times, notes = alternating(sides, budget=0, rounds=3)
    assert "".join(log) == "ababbaab"  # to see how long a step takes ab, then ab, ba, ab
    assert list(times["a"]) == [1.0] * 3 and list(times["b"]) == [2.0] * 3
    assert notes == {"idle": 0.001, "disturbed": 0, "kept": 0}
    assert len(alternating(sides, budget=0)[0]["a"]) == versus.ROUNDS[0]


def test_rounds_in_which_others_compute_are_thrown_away():
    def measured(budget):
        log = []
        sides = {who: FakeSide(who, 1.0, log, range(4, 11)) for who in "ab"}
        times, notes = alternating(sides, budget)
        return len(times["a"]), len(log), notes["disturbed"], notes["kept"]

    assert measured(budget=0) == (3, 10, 4, 3)  # no patience: three rounds, whatever they are
    rounds, blocks, disturbed, kept = measured(budget=60)
    assert (disturbed, kept) == (4, 0) and blocks == 2 + 2 * (rounds + 4)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not tell")
def test_cores_are_busy_for_users_nice_ones_and_the_system(monkeypatch):
    monkeypatch.setattr(pathlib.Path, "exists", lambda path: True)
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path: "cpu  100 20 30 4000 5\ncpu0 50")
    assert versus.busy() == 150 / os.sysconf("SC_CLK_TCK")


def test_a_line_says_where_the_first_losses_differ():
    side = {"seconds": 0.01, "loss": 2.0, "memory": 10**7}
    row = {"name": "some", "kept": 0, "floor": 0.001, "floor_ratio": 10.0, "minigen": side}
    alone = line(row)
    row |= {"ratio": 1.0, "quartiles": [0.9, 1.1], "memory_ratio": 1.0, "torch": side}
    assert "10 ms" in alone and len(line(row)) > len(alone) and "differ" not in line(row)
    assert "in 3 rounds" in line(row | {"kept": 3})
    for loss in (2.003, float("nan")):
        row["torch"] = side | {"loss": loss}
        assert "the first losses differ: 2" in line(row)


def test_a_pair_in_processes_of_their_own(monkeypatch, capsys):
    """This engine beside itself, as if it were PyTorch."""
    monkeypatch.setitem(versus.MODULES, "torch", "minigen.torch_names")
    bench = Bench(against=(), rounds=2)
    bench.torch, bench.rows["networks"] = True, []
    networks(bench, only=["plane", "random-0"])
    plane, drawn, *notes = bench.rows["networks"]
    assert plane["minigen"]["loss"] == plane["torch"]["loss"]
    assert drawn["name"] == "random-0" and drawn["flops"] > 0
    for row in plane, drawn:
        assert row["floor_ratio"] == row["minigen"]["seconds"] / row["floor"]
        assert row["ratio"] > 0 and 1 / 3 < row["memory_ratio"] < 3
    assert [note["name"] for note in notes] == ["ten more", "random ones", "memory", "idle"]
    assert "median of 2 ratios" in capsys.readouterr().out
    json.dumps(bench.rows)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="one process for all networks")
def test_a_process_that_fails_says_why():
    side = Side("minigen")
    try:
        assert side.hear() == {"ready": True}
        with pytest.raises(RuntimeError, match="(?s)minigen: .*KeyError: 'gone'"):
            side.ask("build", name="gone", seed=0)
    finally:
        side.close()
    assert side.hear() == {"ended": True}
    with pytest.raises(RuntimeError, match="minigen: the process ended"):
        side.hear()


def test_from_the_command_line_without_pytorch(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sections, "installed", lambda name: False)
    given = ["networks", "--only", "plane", "--budget", "0.01", "--json", str(tmp_path / "f.json")]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *given])
    with contextlib.chdir(tmp_path):
        sections.main()
    (row,) = json.loads((tmp_path / "f.json").read_text())["sections"]["networks"]
    assert row["name"] == "plane" and "torch" not in row
    assert row["minigen"].keys() == {"loss", "memory", "seconds"}
    assert "plane" in capsys.readouterr().out


@pytest.mark.parametrize("given, reason", [
    (["vae", "--only", "gan"], "--only has no effect without networks"),
    (["networks", "--only", "gun"], "did you mean gan?"),
    (["networks", "--budget", "0"], "above 0"),
])  # fmt: skip
def test_flags_of_this_section(given, reason, capsys):
    with pytest.raises(SystemExit):
        sections.arguments(given)
    assert reason in capsys.readouterr().err
