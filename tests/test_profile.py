"""What a profile counts is what was computed: each operation once, and nothing after the end."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.engine.calls import onlookers
from minigen.kernels.ways import preferred
from minigen.profile import machine_speed
from minigen.tape import Leaf, after_their_uses


def normal(*shape, requires_grad=False):
    array = np.random.default_rng(0).standard_normal(shape).astype("f")
    return Tensor(array, requires_grad=requires_grad)


def rows(p, phase):
    return {row.name: row for row in p.rows if row.phase == phase}


def test_flops_of_a_network_are_those_counted_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1), nn.Flatten(),
        nn.Linear(4 * 20 * 20, 5),
    )  # fmt: skip
    x = normal(2, 3, 10, 10)
    with minigen.profile() as p:
        y = net(x)
        y.backward(minigen.ones(*y.shape))
    conv = 2 * (2 * 8 * 10 * 10) * 3 * 3 * 3  # outputs, each of 3·3·3 products
    transposed = 2 * (2 * 8 * 10 * 10) * 4 * 4 * 4  # inputs, each spread over 4·4·4 outputs
    linear = 2 * 2 * 1600 * 5
    forward, backward = rows(p, "forward"), rows(p, "backward")
    assert forward["conv2d"].flops == conv
    assert forward["conv2d_input"].flops == transposed
    assert forward["linear"].flops == linear
    assert forward["leaky_relu"].flops == 2 * 8 * 10 * 10
    assert forward["reshape"].flops == 0
    # No gradient for x: the first layer has that of its weight alone, the others both.
    parts = backward["conv2d"].parts
    assert {name: (r.calls, r.flops) for name, r in parts.items() if name != "sum"} == {
        "conv2d_weight": (1, conv)
    }
    parts = backward["conv2d_input"].parts
    assert [parts[name].flops for name in ("conv2d", "conv2d_weight")] == [transposed] * 2
    assert parts["sum"].flops == 2 * 4 * 20 * 20  # for the bias
    assert backward["linear"].parts["matmul"].flops == 2 * linear
    assert p.flops == sum(row.flops for row in p.rows)
    assert forward["linear"].bytes == 4 * (2 * 1600 + 5 * 1600 + 5 + 2 * 5)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_flops_of_products(batch, n, k, m):
    cases = [
        (lambda: normal(batch, n, k) @ normal(k, m), 2 * batch * n * k * m),
        (lambda: F.linear(normal(batch, n, k), normal(m, k)), 2 * batch * n * k * m),
        (lambda: minigen.einsum("bnk,km->bnm", normal(batch, n, k), normal(k, m)),
         2 * batch * n * k * m),
        (lambda: F.avg_pool2d(normal(batch, n, 2 * k, 2 * m), 2), 5 * batch * n * k * m),
        (lambda: normal(batch, n) + 1.0, batch * n),
        (lambda: normal(batch, n).sum(), batch * n),
    ]  # fmt: skip
    for f, flops in cases:
        with minigen.profile() as p:
            f()
        assert p.flops == flops


def test_bilinear_counts_the_products_in_the_order_that_is_taken():
    x, w, z = normal(7, 3), normal(5, 3, 4), normal(7, 4)
    with minigen.profile() as p:
        F.bilinear(x, z, w)
    least = 2 * 7 * 3 * 4 * 5  # x·w and then ·z, or the other way about, or both at once
    assert least <= p.flops <= 3 * least


def test_calls_and_phases():
    x = normal(3, 4, requires_grad=True)
    with minigen.profile() as p:
        for _ in range(3):
            y = (x * 2.0 + x).exp()
        y.sum().backward()
    forward, backward = rows(p, "forward"), rows(p, "backward")
    calls = {name: row.calls for name, row in forward.items()}
    assert calls == {"mul": 3, "add": 3, "exp": 3, "sum": 1}
    assert {name: row.calls for name, row in backward.items() if name != "clone"} == {
        "sum": 1, "exp": 1, "mul": 1, "add": 2,  # add: its pullback, and the sum of two paths
    }  # fmt: skip
    assert backward["exp"].parts["mul"].calls == 1


def test_time_is_counted_once():
    x = normal(200, 200, requires_grad=True)
    with minigen.profile() as p:
        y = F.softmax(x @ x, dim=1).var()
        (g,) = minigen.grad(y, x, create_graph=True)
        (g**2).sum().backward()
    assert 0 < sum(row.seconds for row in p.rows) <= p.seconds
    for row in p.rows:
        assert 0 <= sum(part.seconds for part in row.parts.values()) <= row.seconds
        assert not any(part.parts for part in row.parts.values())
    assert rows(p, "backward")["matmul"].calls >= 2  # of both orders


def nodes_keep(*outputs):
    """The bytes that the graph keeps, the slow way: each array once, without those of leaves."""
    order = after_their_uses([y._node for y in outputs])
    leaves = {id(n.tensor().array) for n in order if isinstance(n, Leaf)}
    arrays = {id(a): a for n in order for a, *_ in (n.kept or {}).values()}
    arrays |= {id(a): a for n in order for a in n.options.values() if isinstance(a, np.ndarray)}
    return sum(a.nbytes for i, a in arrays.items() if i not in leaves)


def test_what_is_kept_is_what_the_tape_keeps():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(8 * 8 * 8, 1),
    )  # fmt: skip
    x = normal(4, 3, 10, 10)
    with minigen.profile() as p:
        for _ in range(3):
            y = net(x).sigmoid()
            kept = nodes_keep(y)
            assert p.kept == kept and sum(row.kept for row in p.rows) == kept
            y.sum().backward()
            del y
            gc.collect()
    with minigen.profile() as p:
        a, b = net(x), net(x)
    assert p.kept == nodes_keep(a, b)
    with minigen.profile() as p, minigen.no_grad():
        net(x)
    assert p.kept == 0


def test_a_view_of_what_is_kept_is_not_counted_again():
    x = normal(8, 8, requires_grad=True)
    with minigen.profile() as p:
        y = x.exp()
        z = y.reshape(64) * y.transpose(0, 1).reshape(-1)
    assert z.requires_grad and p.kept == 2 * 64 * 4  # y, and the copy that its transpose needs


def test_the_optimiser_is_a_row():
    net = nn.Linear(3, 4)
    adam = optim.Adam(net.parameters())
    net(normal(2, 3)).sum().backward()
    with minigen.profile() as p:
        adam.step()
        adam.step()
    row = rows(p, "step")["Adam"]
    assert row.calls == 2 and row.flops == 2 * 16
    assert row.bytes == 2 * 16 * 4 * 7  # p, m and v read and written, the gradient read


def test_second_order_inside_and_the_results_are_the_same():
    x = normal(2, 3, 6, 6, requires_grad=True)
    w = normal(4, 3, 3, 3, requires_grad=True)

    def penalty():
        (g,) = minigen.grad(F.conv2d(x, w).tanh().sum(), x, create_graph=True)
        return minigen.grad((g**2).sum(), w)[0].numpy()

    plain = penalty()
    with minigen.profile() as p:
        watched = penalty()
    np.testing.assert_array_equal(plain, watched)
    backward = rows(p, "backward")
    assert {"conv2d", "conv2d_input", "tanh"} <= backward.keys()
    # Twice back through conv2d: for x in the first, for w in the second.
    assert backward["conv2d"].calls == 2
    assert {"conv2d_input", "conv2d_weight"} <= backward["conv2d"].parts.keys()


def test_nothing_is_recorded_afterwards_and_errors_leave_no_trace():
    x = normal(3, requires_grad=True)
    with minigen.profile() as p:
        with pytest.raises(ValueError, match="add"):
            x + normal(4)
        y = x + x
        with pytest.raises(RuntimeError, match="broken"):
            broken(x).sum().backward()
        y.sum().backward()
    before = p.table()
    assert not onlookers and not p._frames
    y = x + x
    y.sum().backward()
    assert p.table() == before and "add" in before
    with pytest.raises(KeyboardInterrupt), minigen.profile() as p:
        raise KeyboardInterrupt
    assert not onlookers and p.seconds > 0


def break_it(g):
    raise RuntimeError("broken")


@minigen.operation(input=break_it)
def broken(input):
    return input + 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of log(0)
def test_profiles_nest_and_anomalies_are_still_found():
    x = normal(5, requires_grad=True)
    with minigen.profile() as outer:
        x.exp()
        with minigen.detect_anomaly(), minigen.profile() as inner:
            x.exp()
            with pytest.raises(minigen.AnomalyError):
                (x * 0).log()
        x.exp()
    assert rows(outer, "forward")["exp"].calls == 3 and rows(inner, "forward")["exp"].calls == 1


def test_other_threads_are_left_alone():
    ready, go = threading.Event(), threading.Event()

    def other():
        x = normal(4, requires_grad=True)
        ready.set()
        go.wait()
        for _ in range(200):
            x.tanh().sum().backward()

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    with minigen.profile() as p:
        go.set()
        for _ in range(200):
            normal(4).exp()
        thread.join()
    assert {(r.name, r.calls) for r in p.rows} == {("exp", 200)}


def test_an_operation_made_of_operations_counts_what_it_calls():
    @minigen.operation(input=lambda g: g)
    def outer(input):
        return (Tensor(input) @ Tensor(input)).exp().numpy()

    with minigen.profile() as p:
        outer(normal(6, 6))
    (row,) = p.rows
    assert row.name == "outer" and row.parts.keys() == {"matmul", "exp"}
    assert p.flops == 2 * 6**3 + 36

    @minigen.operation(input=lambda g: g)
    def outermost(input):
        return outer(Tensor(input)).numpy()

    with minigen.profile() as p:
        outermost(normal(300, 300))
    (row,) = p.rows
    assert row.parts.keys() == {"outer", "matmul", "exp"}
    assert sum(part.seconds for part in row.parts.values()) <= row.seconds


def test_an_operation_says_how_much_it_computes():
    @minigen.operation(
        input=lambda g, weight: g @ weight,
        flops=lambda y, weight, times: 2 * times * y.size * weight.shape[1],
    )
    def matmul(input, weight, *, times):
        return times * (input @ weight.T)

    @minigen.operation(input=lambda g: g, exact=True)
    def linear(input):
        return input[::-1].copy()

    with minigen.profile() as p:
        linear(matmul(normal(6, 5), normal(4, 5), times=3))
    assert p.flops == 2 * 3 * 6 * 4 * 5  # whatever ours of that name would


def test_what_is_only_moved_costs_no_arithmetic_and_what_picks_reads_no_more():
    table, rows = normal(1000, 8), Tensor(np.array([3, 5, 3]))
    cases = [
        (lambda: F.embedding(rows, table), 3 * 8 + 3 * 8 + 2 * 3),
        (lambda: table[np.array([1, 2])], 2 * 8 + 2 * 8),
        (lambda: table.gather(0, Tensor(np.zeros((2, 8), np.int64))), 2 * 16 + 2 * 16),
        (lambda: table.roll(1, 0), 2 * 8000),
        (lambda: F.unfold(normal(1, 1, 4, 4), 2), 16 + 4 * 9),
        (lambda: F.pad(normal(3), (1, 2)), 3 + 6),
        (lambda: minigen.cat([normal(3), normal(4)]), 2 * 7),
    ]
    for f, numbers in cases:
        with minigen.profile() as p:
            f()
        assert (p.flops, p.bytes) == (0, 4 * numbers)


def test_which_way_each_convolution_went():
    x, w = normal(2, 12, 6, 6, requires_grad=True), normal(12, 12, 3, 3, requires_grad=True)
    with minigen.profile() as p:
        y = F.conv2d(x, w)
        with preferred("winograd"):
            F.conv2d(x, w)
            y.sum().backward()
        with preferred("few outputs"):
            F.conv2d(x, w[:4])
    assert rows(p, "forward")["conv2d"].ways == {"gather": 1, "winograd": 1, "few outputs": 1}
    parts = rows(p, "backward")["conv2d"].parts
    assert parts["conv2d_input"].ways == parts["conv2d_weight"].ways == {"winograd": 1}
    assert "conv2d: few outputs, gather, winograd  " in p.table()
    F.conv2d(x, w)
    assert rows(p, "forward")["conv2d"].ways.total() == 3  # nothing after the end


def test_the_table_in_any_order():
    x = normal(64, 64, requires_grad=True)
    with minigen.profile() as p:
        (x @ x).exp().sum().backward()
    for sort in ("time", "calls", "flops", "bytes", "kept", "name"):
        text = p.table(sort=sort)
        assert text.index("forward") < text.index("backward") and "GFLOP/s in matrix" in text
    forward = p.table("flops").split("forward")[1].split("backward")[0]
    assert [line.split()[0] for line in forward.splitlines()[1:]][:1] == ["matmul"]
    assert str(p) == p.table("time")
    with pytest.raises(ValueError, match="one of time, calls, .* not 'speed'"):
        p.table(sort="speed")
    with minigen.profile() as empty:
        pass
    assert empty.flops == 0 and "Operation" in str(empty)


def test_the_speed_of_the_machine_is_measured_once():
    speed = machine_speed("cpu", "float32")
    assert speed is machine_speed("cpu", "float32") and speed.product > 0 < speed.copy
