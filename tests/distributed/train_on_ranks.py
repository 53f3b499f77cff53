"""A small training under the shared loop. MISDEED=WHAT:RANK:STEP lets a rank do something at a
step: die, hang, stop, raise, drift or interrupt."""

import os
import signal
import time

import numpy as np

import minigen
from minigen import Tensor, data, distributed, nn, optim, training
from minigen.distributed import mpi
from minigen.training import ranks
from minigen.training.flags import whole

what, rank, when = os.environ.get("MISDEED", "nothing:0:0").split(":")
me = next((os.environ[name] for name in mpi.RANKS if name in os.environ), "0")
mine = me == rank
if "TEST_TIMEOUT" in os.environ:
    distributed.group.init_process_group.__defaults__ = "mpi", float(os.environ["TEST_TIMEOUT"])
if what == "version" and mine:
    minigen.__version__ = "0.0.1"


def misbehave(model):
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "hang":
        time.sleep(600)
    if what == "raise":
        raise ZeroDivisionError("no reason")
    if what == "drift":
        model[0].weight.data += 1.0
    if what == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)


@training.script
def main():
    parser = training.Parser("A small training.", name="small", quick={})
    parser.add_argument("--steps", type=whole(), default=20)
    parser.add_argument("--batch-size", type=whole(), default=8)
    parser.add_argument("--pause", type=whole(0), default=0)
    args, run = parser.open_run()
    ranks.require_same("text", what == "text" and mine)
    minigen.manual_seed(args.seed)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    batches = data.Batches(x, y, batch_size=args.batch_size)
    first = nn.Linear(3, 4, bias=False)  # one before batch norm has no slope but for rounding
    model = nn.Sequential(first, nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 2))
    model.to(dtype="float64")
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    state = {"model": model, "optimiser": optimiser, "batches": batches}
    state["random"] = minigen.default_generator
    loop = training.Loop(run, steps=args.steps, state=state, log_every=1, save_every=5)
    stream = batches.forever()

    @loop.at_every(10)
    def draw(step):
        if what == "stop while others are patient" and step == int(when):
            os.kill(os.getpid(), signal.SIGSTOP)
        run.path("samples", f"{step}.txt").write_text(f"drawn by rank {me}")

    for step in loop:
        time.sleep(args.pause / 1000)
        x, y = (Tensor(a) for a in next(stream))
        loss = (model(x + 0.1 * minigen.randn(*x.shape, dtype="float64")) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        if mine and step == int(when):
            misbehave(model)
        optimiser.step()
        loop.log({"loss": loss.detach()})
    training.finish(loop)


if __name__ == "__main__":
    main()
