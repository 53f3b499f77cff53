"""Plans: the arithmetic of messages, what a rehearsal notes, and the table."""

import math
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import SMALL, made_run

from minigen.distributed import group, network
from minigen.distributed.network import Network
from minigen.distributed.rehearsal import Rehearsal
from minigen.training import RunError, load, planning
from minigen.training.planning import Machines, Work
from minigen.training.practice import practice

UNPLANNED = {
    "spiral", "diffusion_2d", "chain", "discogan_modes", "latents", "mixture_gan", "parabola_gan",
    "word2vec",
}  # fmt: skip
NETWORKS = st.builds(Network, st.floats(1e-6, 1e-2), st.floats(1e5, 1e11))


@given(NETWORKS, st.integers(1, 10), st.floats(1, 1e8))
def test_a_sum_is_the_quicker_of_two_ways_round_by_round(net, rounds, size):
    whole = sum(net.latency + size / net.bandwidth for _ in range(rounds))
    halves = [net.latency + size / 2**i / net.bandwidth for i in range(1, rounds + 1)]
    expected = min(whole, 2 * sum(halves))  # sums of ever smaller parts, and back
    assert math.isclose(net.all_reduce(size, 2**rounds), expected, rel_tol=1e-9)


@given(NETWORKS, st.sampled_from([2, 4, 32]))
def test_what_is_measured_of_a_network_is_that_network(net, ranks):
    with pytest.MonkeyPatch.context() as patched, group.in_place(Rehearsal(ranks)):
        patched.setattr(network, "seconds_of", lambda size, times: net.all_reduce(size, ranks))
        found = network.measured()
    # Of a message of 8 bytes hardly more than the latency is left, else it is no measure of it.
    slow = 8 / net.bandwidth / net.latency
    by_halves = ranks == 2 or net.all_reduce(2**20, ranks) < net.all_reduce(2**20, 2) * 2
    if slow < 1e-3 and by_halves and net.latency * net.bandwidth < 2**16:
        assert math.isclose(found.latency, net.latency, rel_tol=2e-3)
        assert math.isclose(found.bandwidth, net.bandwidth, rel_tol=2e-2)


@pytest.mark.parametrize("name", [*SMALL])
def test_a_step_of_each_run_is_rehearsed_or_refused(tmp_path, name):
    trained = load(made_run(tmp_path / "run", name))
    if name in UNPLANNED:
        with pytest.raises(RunError, match="cannot be planned"):
            practice(trained, 4)
        return
    rehearsals = planning.Rehearsals(trained)
    few, many = (rehearsals.rehearsed(ranks, 4, 0.0).sent for ranks in (2, 32))
    model = trained.model
    networks = model.networks() if hasattr(model, "networks") else [model]
    assert sum(few) > 4 * sum(p.numel() for n in networks for p in n.parameters())
    assert len(many) >= len(few)


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_what_pictures_are_told_from_is_rehearsed(tmp_path, name):
    trained = load(made_run(tmp_path / "run", name, contrast=2.0, others=5))
    assert planning.Rehearsals(trained).rehearsed(2, 4, 0.0).sent


def test_a_table_says_what_its_parts_say():
    machines = Machines(2, Network(1e-5, 1e9), Network(1e-3, 1e8))
    alone, dealt = Work(0.1), Work(0.05, (8, 10**6))

    def same(ranks):
        return Work(0.11, (8, 10**6))

    rows = {
        int(r[0].replace(",", "")): r for r in planning.lines(64, alone, same, {2: dealt}, machines)
    }
    assert [*rows] == [2**i for i in range(11)]
    assert rows[1] == ("1", "1", "100.0", "0%", "640", "100.0", "0%", "640")
    assert rows[2][1:3] == ("1", "111.0") and rows[2][5] == "51.0"
    # 2 machines share 10⁸ bytes a second: 2·2·1 ms + 2·¾·10⁶ bytes at half of it, and 2 ms more.
    assert rows[4][1:3] == ("2", f"{110 + 34 + 2.0:.1f}") and rows[4][5] == "–"
    said = planning.summary(64, alone, same, {2: dealt}, machines)
    assert "fastest by 2 of 2 ranks" in said and "2.0 times as fast" in said


def test_a_plan_without_mpi_is_of_a_network_that_is_given(tmp_path, monkeypatch, capsys):
    run = made_run(tmp_path / "run", "gan")
    monkeypatch.setattr(planning, "SECONDS", 0.0)
    monkeypatch.setattr(planning, "MPIEXEC", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["plan", str(run), "--batch-size", "4"])
    with pytest.raises(SystemExit, match="give --latency and --bandwidth"):
        planning.command()
    sys.argv += ["--latency", "50", "--bandwidth", "10"]
    planning.command()
    said, told = capsys.readouterr()
    assert "measuring 4 examples on one process" in told
    assert "measuring 4 examples on one of 64 ranks" in told
    assert "50.0 µs, 10.00 Gbit/s" in said
    assert len([line for line in said.splitlines() if line.lstrip()[:1].isdigit()]) >= 11


@pytest.mark.parametrize("name, settings", [("gan", {"packing": 2}), ("vae", {"hidden": [200]})])
def test_the_memory_of_a_large_step_is_told_from_small_ones(tmp_path, name, settings):
    settings = {"conditional": False, **settings} if name == "gan" else settings
    trained = load(made_run(tmp_path / "run", name, shape=(1, 16, 16), **settings))
    told, found = [*planning.needed(trained, 2000)], planning.peak(trained, 2000)
    assert told[-1] > found / 2 and max(told) < 2 * found


def test_more_examples_than_there_is_memory_for_are_refused_before_they_are_made(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(planning, "free_memory", lambda: 1e9)
    monkeypatch.setattr(planning, "MPIEXEC", tmp_path / "none")
    run, network = made_run(tmp_path / "run", "vae"), ["--latency", "50", "--bandwidth", "10"]
    monkeypatch.setattr(sys, "argv", ["plan", str(run), "--batch-size", "1000000", *network])
    with pytest.raises(SystemExit, match=r"and 1.0 GB are free: give a smaller --batch-size"):
        planning.command()
    trained = load(run)
    planning.require_room(trained, 64, 1000)
    monkeypatch.setattr(planning, "peak", lambda trained, examples: 1e6 * examples)
    planning.require_room(trained, 900, 1)
    with pytest.raises(RunError, match="900 examples each take about 1.8 GB, and 1.0 GB"):
        planning.require_room(trained, 900, 2)


def test_the_memory_that_is_free_is_some_of_this_machines():
    if os.path.exists("/proc/meminfo"):
        everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert everything / 1000 < planning.free_memory() <= everything
    else:
        assert planning.free_memory() == math.inf
