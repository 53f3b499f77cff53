"""Why a critic: what a discriminator and a WGAN's critic tell a generator that is far off.

Four figures, and the theory behind them checked in numbers (printed, and in scores.json):

    gaussians.png   two Gaussians move apart: the best discriminator becomes a step, and the slope
                    of log(1 − D), by which a generator would learn, vanishes under the generated
                    ones; the critic stays a slope (WGAN paper, figure 2)
    lines.png       parallel lines at distance θ: the Jensen–Shannon divergence is log 2 wherever
                    they are, the Wasserstein distance is |θ|; computed, and learned by networks
                    (WGAN paper, example 1 and figure 1)
    clouds.png      the critic's gap, and gap / slope, against the exact Wasserstein distance of
                    point sets in the plane; and the penalty's own bias, the slope 1 + d / 2λ
                    between two points at distance d
    moving.gif      a generator's points on a line move under D(x), the probability P(real)

Ctrl-C lets the figure at hand be finished, a second one leaves it; --resume goes on with the next.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm

import minigen
from minigen import Tensor, metrics, nn, optim, training
from minigen import functional as F
from minigen.display import Bar
from minigen.models import gan as gan_model
from minigen.models import wgan as wgan_model
from minigen.models.networks import mlp
from minigen.training.common import write_json
from minigen.training.figures import COLOURS, head
from minigen.training.flags import whole
from minigen.training.plane import frame

REAL, MADE, JUDGE, CRITIC = COLOURS[:4]
PENALTY = 10.0  # λ
X = np.linspace(-8, 14, 2201)  # where densities are integrated

Sampler = Callable[[], Tensor]


def descend(network: nn.Module, loss: Callable[[float], Tensor], steps: int, lr: float) -> None:
    """Minimise a loss, a function of how much of the training is done, by Adam, its learning rate
    falling to 0 in the second half."""
    optimiser = optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.9))
    schedule = training.falling(optimiser, lr, steps)
    for step in Bar(range(steps), unit=" steps", leave=False, disable=None):
        optimiser.zero_grad()
        loss(step / steps).backward()
        optimiser.step()
        schedule.step()
    if not all(np.isfinite(p.numpy()).all() for p in network.parameters()):
        raise training.DivergedError("weights are not finite: training has diverged")


def trained_discriminator(real: Sampler, fake: Sampler, inputs: int, steps: int) -> nn.Module:
    """A discriminator trained on samples of two fixed distributions."""
    d = mlp(inputs, 64, 64, 1, activation=nn.Tanh)
    descend(d, lambda done: gan_model.discriminator_loss(d(real()), d(fake())), steps, lr=3e-3)
    return d


def trained_critic(real: Sampler, fake: Sampler, inputs: int, steps: int) -> nn.Module:
    """A critic trained with the gradient penalty on samples of two fixed distributions."""
    f = mlp(inputs, 128, 128, 1, activation=functools.partial(nn.LeakyReLU, 0.2))

    def loss(done: float) -> Tensor:
        x, y = real(), fake()
        slope = wgan_model.slopes(f, wgan_model.mixed(x, y), create_graph=True)
        # On a line a critic that slopes the wrong way is stuck: s·d − λ·(|s| − 1)² has a second
        # maximum, at s = −(1 − d / 2λ). Under a light penalty it turns round first.
        weight = PENALTY if done > 0.1 else 0.1
        penalty = weight * wgan_model.gradient_penalty(slope)
        return wgan_model.critic_loss(f(x), f(y)) + penalty

    descend(f, loss, steps, lr=2e-3)
    return f


def gap_and_slope(f: nn.Module, real: Tensor, fake: Tensor) -> tuple[float, float]:
    """E f(x) − E f(G(z)), and the mean slope between the points."""
    slope = wgan_model.slopes(f, wgan_model.mixed(real, fake)).mean()
    with minigen.no_grad():
        return -wgan_model.critic_loss(f(real), f(fake)).item(), slope.item()


def values_and_slopes(network: nn.Module, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f and f′ of a network of one number, at the points x."""
    points = Tensor(x[:, None].astype(np.float32), requires_grad=True)
    y = network(points)
    (g,) = minigen.grad(y.sum(), points)
    return y.numpy()[:, 0].astype(np.float64), g.numpy()[:, 0].astype(np.float64)


def gaussians(path: Any, steps: int) -> dict[str, float]:
    """N(0, 1) against N(d, 1): the trained discriminator against p / (p + q), and the critic."""
    scores, drawn = {}, []
    for d in (0.0, 2.0, 4.0, 8.0):
        real = lambda: minigen.randn(512, 1)
        fake = lambda d=d: minigen.randn(512, 1) + d
        discriminator = trained_discriminator(real, fake, 1, steps)
        p, q = norm.pdf(X), norm.pdf(X, d)
        logit, slope = values_and_slopes(discriminator, X)
        learned = expit(logit)
        best = np.clip(p / (p + q), 1e-13, 1 - 1e-13)
        jsd = metrics.jensen_shannon(p, q, X)
        value = metrics.discriminator_value(p, q, X, best)
        weight = (p + q) / (p + q).sum()
        scores[f"d = {d:g}: V(D*, G) − (2·JSD − log 4)"] = value - (2 * jsd - math.log(4))
        scores[f"d = {d:g}: mean |D − p/(p + q)|"] = float(weight @ abs(learned - best))
        scores[f"d = {d:g}: V(D*, G) − V(D, G)"] = value - metrics.discriminator_value(
            p, q, X, np.clip(learned, 1e-13, 1 - 1e-13)
        )
        if d:
            critic = trained_critic(real, fake, 1, steps // 2)
            gap, mean = gap_and_slope(critic, real(), fake())
            scores[f"d = {d:g}: critic's gap / slope"] = gap / mean
            f, f_slope = values_and_slopes(critic, X)
            # d/dx log(1 − σ(l)) = −σ(l)·l′
            drawn.append((d, p, q, best, learned, abs(learned * slope), f / mean, abs(f_slope)))

    def draw(axes: Any) -> None:
        for i, (d, p, q, best, learned, vanishing, f, f_slope) in enumerate(drawn):
            top, bottom = axes[i], axes[3 + i]
            top.fill_between(X, p, color=REAL, alpha=0.4, linewidth=0, label="real")
            top.fill_between(X, q, color=MADE, alpha=0.4, linewidth=0, label="generated")
            top.plot(X, best, color="black", linewidth=3, alpha=0.3, label="p / (p + q)")
            top.plot(X, learned, color=JUDGE, linewidth=1.2, label="D, trained")
            middle = f[np.searchsorted(X, d / 2)]
            top.plot(X, 0.5 + 0.1 * (f - middle), color=CRITIC, linewidth=1.2, label="f / 10 + ½")
            top.set(xlim=(-4, 12), ylim=(-0.1, 1.1))
            bottom.semilogy(X, vanishing, color=JUDGE, linewidth=1.2, label="|d log(1 − D) / dx|")
            bottom.semilogy(X, f_slope, color=CRITIC, linewidth=1.2, label="|df / dx|")
            bottom.axvspan(d - 2, d + 2, color=MADE, alpha=0.15, linewidth=0)
            bottom.set(xlim=(-4, 12), ylim=(1e-5, 30))
            head(top, f"means {d:g} apart")
            head(bottom, "slopes")
            bottom.set_xlabel("x", fontsize=8)

    training.save_image(
        path("gaussians.png"), frame(draw, 3, 3.2, rows=2),
        caption="Above: densities of real points, p, and generated ones, q, on a line, 2, 4 and 8"
        " apart; the best discriminator, p / (p + q), a trained one, D, and a trained critic, f,"
        " scaled so that it fits. Below, on a log axis: the slope that each of the two gives the"
        " generator; generated points lie in the coloured strip. There D's slope falls by powers of"
        " ten as the two get apart: nothing tells the points where to go; the critic's stays near"
        " 1.",
    )  # fmt: skip
    return scores


def lines(path: Any, steps: int) -> dict[str, float]:
    """(0, u) against (θ, u), u ~ U(0, 1): both distances, computed and learned."""
    points = np.linspace(-1, 1, 401)
    thetas = np.linspace(-1, 1, 9)
    exact_jsd = np.where(points == 0, 0.0, math.log(2))
    learned_jsd, learned_w = [], []
    up = Tensor([0.0, 1.0])
    for theta in thetas:
        shift = Tensor([float(theta), 0.0])
        real = lambda: minigen.rand(256, 2) * up
        fake = lambda shift=shift: minigen.rand(256, 2) * up + shift
        d = trained_discriminator(real, fake, 2, steps // 3)
        with minigen.no_grad():
            value = -gan_model.discriminator_loss(d(real()), d(fake())).item()
        learned_jsd.append((value + math.log(4)) / 2)
        gap, slope = gap_and_slope(trained_critic(real, fake, 2, steps // 3), real(), fake())
        learned_w.append(gap / slope)

    def draw(axes: Any) -> None:
        for each, exact, learned, colour, title in (
            (axes[0], exact_jsd, learned_jsd, JUDGE, "Jensen–Shannon divergence"),
            (axes[1], abs(points), learned_w, CRITIC, "Wasserstein-1 distance"),
        ):
            each.plot(points, exact, color="black", alpha=0.4, linewidth=3, label="computed")
            each.plot(thetas, learned, "o", color=colour, markersize=5, label="learned")
            each.set(xlabel="θ", ylim=(-0.05, 1.1))
            head(each, title)

    training.save_image(
        path("lines.png"), frame(draw, 2, 3.2),
        caption="Two vertical lines of points, θ apart: two distances between them, over θ, as they"
        " are (grey) and as networks have learnt them (dots). The Jensen–Shannon divergence is log"
        " 2 = 0.69 all the way but at 0, and leads nowhere; a discriminator of few steps finds too"
        " little of it. Wasserstein's distance is |θ|, and a good critic's dots lie on it.",
    )  # fmt: skip
    far = thetas != 0
    return {
        "lines: learned JSD at θ ≠ 0, mean (log 2 = 0.6931)": float(
            np.mean(np.array(learned_jsd)[far])
        ),
        "lines: |gap / slope − |θ||, largest": float(np.abs(learned_w - abs(thetas)).max()),
    }


def clouds(path: Any, steps: int) -> dict[str, float]:
    """Point sets in the plane: gap and gap / slope against the exact distance."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((256, 2))
    turn = rng.uniform(0, 2 * np.pi, 256)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    sets = {
        "a shift": rng.standard_normal((256, 2)) + [3, 1],
        "another shape": rng.standard_normal((256, 2)) * [2.5, 0.3],
        "a ring": 3 * circle + 0.1 * rng.standard_normal((256, 2)),
        "far away": rng.standard_normal((256, 2)) + [0, 8],
    }
    scores, table = {}, []
    for name, points in sets.items():
        exact = metrics.wasserstein(base, points)
        x, y = Tensor(base.astype(np.float32)), Tensor(points.astype(np.float32))
        shuffled = lambda y=y: y[Tensor(rng.permutation(256))]
        f = trained_critic(lambda x=x: x, shuffled, 2, steps)
        gap, slope = gap_and_slope(f, x, shuffled())
        table.append((name, exact, gap, gap / slope))
        scores[f"{name}: exact W1"] = exact
        scores[f"{name}: gap / W1"] = gap / exact
        scores[f"{name}: gap / slope / W1"] = gap / slope / exact

    distances, slopes = (1.0, 2.0, 4.0, 8.0), []
    for distance in distances:  # between two points
        x, y = Tensor(np.full((64, 1), distance, "f")), Tensor(np.zeros((64, 1), "f"))
        f = trained_critic(lambda x=x: x, lambda y=y: y, 1, steps // 2)
        slopes.append(gap_and_slope(f, x, y)[1])
        scores[f"two points {distance:g} apart: slope"] = slopes[-1]
        scores[f"two points {distance:g} apart: 1 + d / 2λ"] = 1 + distance / (2 * PENALTY)

    def draw(axes: Any) -> None:
        names, exact, gap, ratio = zip(*table, strict=True)
        top = 1.2 * max(gap)
        axes[0].plot([0, top], [0, top], color="black", alpha=0.3, linewidth=3)
        axes[0].plot(exact, gap, "o", color=MADE, markersize=5, label="gap")
        axes[0].plot(exact, ratio, "o", color=CRITIC, markersize=5, label="gap / slope")
        for label, x, y in zip(names, exact, ratio, strict=True):
            axes[0].annotate(label, (x, y), (6, -9), textcoords="offset points", fontsize=7)
        axes[0].set(xlabel="exact W1", ylabel="estimate", xlim=(0, top), ylim=(0, top))
        line = np.linspace(0, 9, 2)
        axes[1].plot(line, 1 + line / (2 * PENALTY), color="black", alpha=0.3, linewidth=3,
                     label="1 + d / 2λ")  # fmt: skip
        axes[1].plot(distances, slopes, "o", color=CRITIC, markersize=5, label="learned")
        axes[1].set(xlabel="distance d of two points", ylabel="slope")
        head(axes[0], "the critic's estimate")
        head(axes[1], "the critic's slope")

    training.save_image(
        path("clouds.png"), frame(draw, 2, 3.2),
        caption="On the left what a trained critic says of four sets of points in the plane, over"
        " the exact Wasserstein distance W1 from one more: on the grey line it is right. Its gap is"
        " too large, gap over slope is right where the critic is good. On the right why: a gradient"
        " penalty of weight λ lets the slope grow with the distance d, as the grey line says.",
    )  # fmt: skip
    return scores


def duality() -> dict[str, float]:
    """Primal and dual of a transport problem with a general cost (see `optimal_prices`)."""
    rng = np.random.default_rng(0)
    p, q, cost = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5)), rng.normal(size=(6, 5))
    plan, prices = metrics.optimal_plan(p, q, cost), metrics.optimal_prices(p, q, cost)
    return {
        "transport with a general cost, primal": plan.value,
        "transport with a general cost, dual": prices.value,
    }


def moving(path: Any, steps: int) -> dict[str, float]:
    """Points G(z) on a line, step by step: D learns a little, then G follows its slope."""
    generator = mlp(1, 32, 1, activation=nn.Tanh)
    judge = mlp(1, 32, 32, 1, activation=nn.Tanh)
    gan = gan_model.GAN(
        generator,
        judge,
        noise=1,
        optimiser=functools.partial(optim.Adam, lr=2e-3, betas=(0.0, 0.9)),
    )
    with minigen.no_grad():
        generator[-1].bias.fill_(-4.0)  # far from the real points, which are round 2
    z = minigen.randn(40, 1)
    grid = np.linspace(-7, 7, 281)
    real = minigen.randn(200, 1).numpy()[:, 0] * 0.7 + 2

    def draw(axes: Any) -> None:
        (axis,) = axes
        logit, _ = values_and_slopes(judge, grid)
        points = generator(z).detach().requires_grad_()
        (g,) = minigen.grad(gan.loss_given().generator(judge(points)), points)
        x, pull = points.numpy()[:, 0], -g.numpy()[:, 0] * len(z)
        axis.plot(grid, expit(logit), color=JUDGE, linewidth=1.5, label="P(real)")
        axis.axhline(0.5, color="#999999", linewidth=0.6, linestyle=":")
        axis.plot(real, np.full(len(real), 1.06), "|", color=REAL, markersize=7, label="real")
        axis.plot(x, np.full(len(x), -0.06), "|", color=MADE, markersize=9, label="generated")
        axis.quiver(x, np.full(len(x), -0.13), pull, np.zeros(len(x)), color=MADE, alpha=0.5,
                    angles="xy", scale_units="xy", scale=1, width=0.004)  # fmt: skip
        axis.set(xlim=(-7, 7), ylim=(-0.2, 1.15))
        axis.set_xlabel("x", fontsize=8)
        head(axis, "")

    frames, titles, schedules = [], [], [training.falling(o, 2e-3, steps) for o in gan.optimisers()]
    for step in Bar(range(steps), unit=" steps", leave=False, disable=None):
        if step % max(1, steps // 60) == 0 or step == steps - 1:
            frames.append(frame(draw, 1, 3.6))
            titles.append(f"step {step:,}")
        gan.step(*(minigen.randn(256, 1) * 0.7 + 2 for _ in range(2)))
        for schedule in schedules:
            schedule.step()
    training.save_gif(
        path("moving.gif"), frames, seconds_per_frame=0.12, colours=32, titles=titles,
        caption="Real points, above, and generated ones, below, on a line; the curve is how"
        " probable D finds it at each place that a point is real. Arrows, the slope of G's loss,"
        " move the generated points: in the end they should lie as the real ones do, and the"
        " curve at ½.",
    )  # fmt: skip
    with minigen.no_grad():
        made = generator(minigen.randn(2000, 1)).numpy()
        half = F.sigmoid(judge(Tensor(made))).numpy()
    return {
        "moving: mean of generated points (2)": float(made.mean()),
        "moving: their deviation (0.7)": float(made.std()),
        "moving: mean |D − ½| there, at the end": float(abs(half - 0.5).mean()),
    }


STUDIES = gaussians, lines, clouds, moving


class Scores(dict[str, float]):
    """All numbers so far, by name."""

    def state_dict(self) -> dict[str, Any]:
        return {"scores": dict(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear()
        self.update(state["scores"])


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__, name="critic_vs_discriminator", quick={"steps": 30}, may_change=()
    )
    parser.add_argument("--steps", type=whole(3, 10**6), default=1500,
        help="of training for each network; some take fewer")  # fmt: skip
    parser.refuse(lambda args: args.device != "cpu", "--device: this runs on the CPU alone")
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()
    minigen.manual_seed(args.seed)
    print(f"the run folder is {run.folder}; three minutes with the default --steps")
    scores = Scores(duality())
    state = {"scores": scores, "random": minigen.default_generator}
    loop = training.Loop(run, steps=len(STUDIES), state=state, save_every=1)

    @loop.at_save
    def write() -> None:
        write_json(run.path("scores.json"), scores)

    for i in loop:
        study = STUDIES[i - 1]
        loop.say(f"{i} of {len(STUDIES)}: {study.__doc__}")
        found = study(run.path, args.steps)
        scores.update(found)
        loop.log(found)
    for name, value in scores.items():
        print(f"{name:55}{value:10.4f}")
    pictures = "gaussians.png, lines.png, clouds.png and moving.gif"
    reading = (
        "Each number stands beside what it should be: a ratio to an exact distance is good near 1,"
        " a difference or a mean distance near 0; a critic's gap alone is too large by the slope's"
        " excess over 1."
    )
    training.finish(loop, pictures, reading=reading, then=["wgan.py", "--penalty", "10"])


if __name__ == "__main__":
    main()
