"""What each rank does in tests/distributed: `mpiexec -n 2 python on_ranks.py FOLDER CHECK…` leaves
what each check found on rank r in FOLDER/r.json."""

import functools
import json
import os
import sys
from pathlib import Path

import numpy as np

import minigen
from minigen import Tensor, distributed, nn, optim
from minigen.distributed import DistributedDataParallel, DistributedSampler, SyncBatchNorm, parallel
from minigen.distributed.group import go_apart, in_place, the_group
from minigen.distributed.rehearsal import Rehearsal
from minigen.distributed.tables import Tables, share_of_sum
from minigen.kernels import limits
from minigen.models import autoencoder, biggan, classifier, diffusion, flow_matching, stylegan, vae
from minigen.models import networks as N
from minigen.models.adversaries import Parts
from minigen.models.augment import Augmentation
from minigen.models.cyclegan import CycleGAN
from minigen.models.denoiser import Denoiser
from minigen.models.gan import GAN, AuxiliaryGAN
from minigen.models.pix2pix import Pix2Pix
from minigen.models.stargan import Added, StarGAN, StarJudge, by_pixels
from minigen.models.translators import PatchJudge, ResNetTranslator, UNet
from minigen.models.wgan import WGAN
from minigen.models.word2vec import Predictor, Word2Vec
from minigen.training import ranks

WHOLE = 8  # samples of a batch


def messages():
    """Sums, greatest and least numbers, rank 0's, of several kinds and layouts."""
    rank, size, found = distributed.get_rank(), distributed.get_world_size(), {}
    for kind in ["float16", "float32", "float64", "int64", "uint8"]:
        x = Tensor(np.arange(6).reshape(2, 3).astype(kind) + np.dtype(kind).type(rank))
        x = x.t() if kind == "float32" else x  # not in a row
        for op in distributed.ReduceOp.SUM, distributed.ReduceOp.MAX, distributed.ReduceOp.MIN:
            y = x.clone() if kind != "float32" else Tensor(x.numpy().copy().T).t()
            work = distributed.all_reduce(y, op, async_op=True)
            work.wait()
            each = np.stack([x.numpy().astype(float) - rank + r for r in range(size)])
            right = {"sum": each.sum(0), "max": each.max(0), "min": each.min(0)}[op]
            found[f"{kind} {op}"] = bool((y.numpy() == right).all())
        distributed.broadcast(x, src=size - 1)
        found[f"{kind} broadcast"] = x.reshape(-1)[0].item() == size - 1
    distributed.barrier()
    found["objects"] = distributed.all_gather_object("ä" * rank) == ["ä" * r for r in range(size)]
    return found


def tower(dtype="float64"):
    minigen.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(),
        nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5),
    ).to(dtype=dtype)  # fmt: skip


def sloped(net, x):
    """A loss with a gradient penalty, so that the statistics are differentiated twice."""
    x = x.detach().requires_grad_()
    y = net(x).square().mean(1)
    (slope,) = minigen.grad(y.sum(), x, create_graph=True)
    norms = (slope.square().sum((1, 2, 3)) + 1e-3).sqrt()
    return y.mean() + (norms - 1).square().mean()


def apart(pairs):
    """How far two lists of tensors are from each other, in the greatest number of the first."""
    scale = max(abs(a.numpy()).max() for a, _ in pairs)
    return float(max(abs(a.numpy() - b.numpy()).max() for a, b in pairs) / scale)


def my(x):
    part = len(x) // distributed.get_world_size()
    return x[distributed.get_rank() * part :][:part]


def data_parallel():
    """A network under its own steps, batch norm and buckets."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    x = minigen.randn(WHOLE, 3, 8, 8, dtype="float64", generator=minigen.Generator(3))
    alone, net = tower(), SyncBatchNorm.convert_sync_batchnorm(tower())
    if rank:
        net[0].weight.data.fill_(rank)  # rank 0's are taken
    wrapped = DistributedDataParallel(net, bucket_cap_mb=0.001)
    sloped(alone, x).backward()
    sloped(wrapped, my(x)).backward()
    both = [*zip(alone.parameters(), net.parameters(), strict=True)]
    found = {
        "buckets": len(wrapped._reducer.buckets),
        "gradients": apart([(p.grad, q.grad) for p, q in both]),
        "statistics": apart([*zip(alone.buffers(), net.buffers(), strict=True)]),
    }
    alone.zero_grad(), net.zero_grad()
    parallel.TABLE = 1  # as of many ranks
    with limits.use(by_blocks=1):  # as of large batches
        alone(x).square().mean().backward()
        wrapped(my(x)).square().mean().backward()
    parallel.TABLE = 16
    found["by blocks"] = apart([(p.grad, q.grad) for p, q in both])

    with wrapped.no_sync():
        wrapped(my(x)[:1]).sum().backward()
    before = [q.grad.numpy().copy() for q in net.parameters()]
    wrapped(x[rank : rank + 1]).sum().backward()  # of other rows on each
    each = distributed.all_gather_object(before[0].tobytes())
    found["differ while not averaged"] = len(set(each)) == size
    hashes = distributed.all_gather_object([q.grad.numpy().tobytes() for q in net.parameters()])
    found["agree afterwards"] = all(h == hashes[0] for h in hashes)

    # What a rank does not use counts as zero, what none uses has no gradient.
    minigen.manual_seed(2)
    branches = nn.ModuleList([nn.Linear(2, 1).to(dtype="float64") for _ in range(size + 1)])
    wrapped = DistributedDataParallel(branches, bucket_cap_mb=1e-9)  # a bucket for each
    one = minigen.ones(1, 2, dtype="float64")
    branches[rank](one).sum().backward()
    found["unused on a rank"] = [branches[r].weight.grad.numpy().tolist() for r in range(size)]
    found["unused on all"] = branches[size].weight.grad is None

    # A judge through which the generator's gradient passes sends nothing.
    maker, judge = (nn.Linear(2, 2).to(dtype="float64") for _ in range(2))
    pair = DistributedDataParallel(maker), DistributedDataParallel(judge)
    sent, send = [], the_group().all_reduce
    the_group().all_reduce = lambda x, op, lane=None: sent.append(x.size) or send(x, op, lane)
    pair[1](pair[0](one)).sum().backward(inputs=[*maker.parameters()])
    found["numbers sent past a judge"] = sent
    the_group().all_reduce = send
    return found


class Judged(Parts):
    """One network and its optimiser under the step of a model file."""

    def __init__(self, network, step):
        self.network, self.of = network, step
        self.optimiser = optim.Adam(network.parameters(), lr=1e-3)

    def step(self, *batch):
        return self.of(self.network, self.optimiser, *batch)


def pairs(model):
    """`model.step(x, y)` of a batch (x, labels), for those that take two pictures."""
    step = model.step
    model.step = lambda xy: step(xy[0], -xy[0].flip(3))
    return model


def with_batch(model):
    step = model.step
    model.step = lambda xy: step(*xy)
    return model


def with_domains(model):
    """`model.step((x, domains))`, two batches of them."""
    step = model.step
    model.step = lambda xy: step(xy, xy)
    return model


def images_only(model):
    step = model.step
    model.step = lambda xy: step(xy[0])
    return model


def small_denoiser():
    return Denoiser(1, 1, 4, (1, 2), attention=(1,), classes=3, dropout=0.2)


def damaged(model, optimiser, x, _):
    return autoencoder.step(
        model, optimiser, x, lambda x: autoencoder.corrupted(x, "salt-and-pepper", 0.3)
    )


SIZE = 8
COMPARING = {"stylegan"}  # whose judge compares pictures of a rank's part: ranks agree, no more
MODELS = {
    "gan, batch norm": lambda: images_only(GAN(
        N.DenseConvGenerator(1, 4, size=SIZE), N.DenseConvJudge(1, 4, SIZE))),
    "gan, dropout": lambda: images_only(GAN(
        N.ConvGenerator(1, 4, size=SIZE), N.ConvDiscriminator(1, 4, size=SIZE, dropout=0.3))),
    "conditional gan": lambda: GAN(
        N.Conditional(N.MLPGenerator(103, 16, SIZE, 1), 3),
        N.Conditional(N.MLPDiscriminator(8, 2, SIZE, 1, 3), 3, flat=True), loss="hinge"),
    "auxiliary gan": lambda: AuxiliaryGAN(
        N.Conditional(N.DenseConvGenerator(1, 4, 103, SIZE), 3),
        N.DenseConvJudge(1, 4, SIZE, outputs=4)),
    "gan, augmented": lambda: images_only(GAN(
        N.MLPGenerator(100, 16, SIZE, 1), N.ConvDiscriminator(1, 4, size=SIZE),
        augmentation=Augmentation("colour", "translation", "cutout"), loss="least-squares")),
    "wgan, penalty": lambda: images_only(WGAN(
        N.DenseConvGenerator(1, 4, size=SIZE), N.DenseConvJudge(1, 4, SIZE, "layer"),
        penalty=10.0, optimiser=functools.partial(optim.Adam, lr=1e-3))),
    "wgan, clipped": lambda: images_only(WGAN(
        N.DenseConvGenerator(1, 4, size=SIZE), N.DenseConvJudge(1, 4, SIZE, "batch"), clip=0.01,
        optimiser=functools.partial(optim.RMSprop, lr=1e-3))),
    "vae": lambda: with_batch(Judged(
        vae.conv_vae(3, 4, SIZE, 1), lambda m, o, x, y: vae.step(m, o, x.sigmoid()))),
    "vae, importance weighted": lambda: with_batch(Judged(
        vae.mlp_vae(3, [16], SIZE, 1),
        lambda m, o, x, y: vae.step(m, o, x.sigmoid(), samples=3))),
    "autoencoder": lambda: with_batch(Judged(
        autoencoder.Autoencoder(
            N.MLPEncoder(3, [16], SIZE, 1), N.MLPDecoder(3, [16], SIZE, 1)), damaged)),
    "diffusion": lambda: with_batch(Judged(
        diffusion.Diffusion(small_denoiser(), diffusion.SCHEDULES["cosine"](20)), diffusion.step)),
    "flow matching": lambda: with_batch(Judged(
        flow_matching.Flow(small_denoiser()), flow_matching.step)),
    "stylegan": lambda: images_only(stylegan.StyleGAN(
        stylegan.Generator(1, size=SIZE, width=4, noise=8, style=8),
        stylegan.Judge(1, size=SIZE, width=4),
        noise=8, judge_every=1, path_weight=1.0, path_every=1)),
    "classifier": lambda: with_batch(Judged(
        classifier.Classifier(1, 3, 4, SIZE, 16, dropout=0.3), classifier.step)),
    "pix2pix": lambda: pairs(Pix2Pix(
        UNet(1, 1, 4, SIZE, 2, "running", 0.5), PatchJudge(2, 4, 1, size=SIZE))),
    "cyclegan": lambda: pairs(CycleGAN(
        ResNetTranslator(1, 1, 4, 1), ResNetTranslator(1, 1, 4, 1), PatchJudge(1, 4, 1, size=SIZE),
        PatchJudge(1, 4, 1, size=SIZE), pool=0)),
    "stargan": lambda: with_domains(StarGAN(
        N.Conditional(Added(by_pixels(1 + 3, 1, 4, 2), 1), 3), StarJudge(1, 3, 4, SIZE, 2, True))),
    "biggan": lambda: biggan.BigGAN(
        biggan.BigGenerator(1, 4, SIZE, 3, 4), biggan.BigJudge(1, 4, SIZE, 3)),
}  # fmt: skip


def first_step(build, batch):
    """The gradients and statistics after a model's first step."""
    minigen.manual_seed(5)
    model = build()
    networks = model.networks()
    rng = np.random.default_rng(7)
    for network in networks:
        network.to(dtype="float64")
        for p in network.parameters():  # so that none of them is zero, as last layers are
            p.data += Tensor(0.05 * rng.standard_normal(p.shape))
    minigen.manual_seed(6)
    together = ranks.Together({"model": model})
    with together.training():
        model.step(tuple(Tensor(x) for x in batch))
    gradients = [
        p.grad.clone() if p.grad is not None else None
        for network in networks
        for p in network.parameters()
    ]
    buffers = [b.clone() for network in networks for b in network.buffers()]
    weights = [p.detach().clone() for network in networks for p in network.parameters()]
    return gradients, buffers, weights


def models():
    """How far the gradients of each model's first step are from those of one process."""
    rng, found = np.random.default_rng(4), {}
    batch = rng.uniform(-1, 1, (WHOLE, 1, SIZE, SIZE)), rng.integers(0, 3, WHOLE)
    ranks.rows[:] = [WHOLE // distributed.get_world_size()]
    for name, build in MODELS.items():
        go_apart()
        several, ranks.several = ranks.several, lambda: False
        alone, statistics, _ = first_step(build, batch)
        go_apart(False)
        ranks.several = several
        mine, own, weights = first_step(build, [my(x) for x in batch])
        both = [(a, b) for a, b in zip(alone, mine, strict=True) if a is not None]
        found[name] = {
            "gradients": apart(both),
            "without": [a is None for a in alone] == [b is None for b in mine],
            "statistics": apart([*zip(statistics, own, strict=True)]) if own else 0.0,
        }
        if name in COMPARING:
            found[name] |= {"gradients": 0.0, "statistics": 0.0}
        code = b"".join(np.ascontiguousarray(t.numpy()).tobytes() for t in (*weights, *own))
        found[name]["alike"] = len(set(distributed.all_gather_object(code))) == 1
    return found


def words():
    """Tables that meet; steps of word vectors beside those of one process."""
    rank, size, found = distributed.get_rank(), distributed.get_world_size(), {}
    rng = np.random.default_rng(rank)
    mine = [np.ones((7, 3)), np.zeros(7)]
    tables = Tables(mine)
    changes = [rng.standard_normal(t.shape) for t in mine]
    x = np.array([0, 1e-3, 0.1, 1, 2, 50, 1e6])
    for meeting in 1, 2:
        for table, change in zip(mine, changes, strict=True):
            table += change
        tables.meet(x[:4])  # of the others a part of the way
        tables.meet(x)
        share = share_of_sum(x, size)
        for i, before in enumerate((1.0, 0.0)):
            total = sum(distributed.all_gather_object(changes[i]))
            expected = before + meeting * (share.reshape(-1, *[1] * (total.ndim - 1)) * total)
            found[f"table {i} at meeting {meeting}"] = float(abs(mine[i] - expected).max())

    counts = 1000 // np.arange(1, 41)
    text = np.random.default_rng(0).choice(40, 900, p=counts / counts.sum()).astype(np.int32)

    def word2vec(workers):
        return Word2Vec(counts, dim=8, workers=workers, sample=0, bias=True)

    go_apart()
    alone = word2vec(size).step(text, 1, 0.0, 0.5)
    go_apart(False)
    model = word2vec(1)
    found["as many pairs"] = model.step(text, 1, 0.0, 0.5)["pairs"] == alone["pairs"]
    model.step(text[:2], 2, 0.5, 0.6)  # which only one rank has a part of
    model.meet()
    met = [t.numpy().tobytes() for t in model.state_dict().values()]
    found["alike"] = len({b"".join(m) for m in distributed.all_gather_object(met)}) == 1

    for kind in "softmax", "last-four":
        go_apart()
        alone = predicted(kind, counts, text)
        go_apart(False)
        both = zip(alone, predicted(kind, counts, text), strict=True)
        found[kind] = apart([*both])
    return found


def predicted(kind, counts, text):
    """The weights of a language model after steps in double precision, of odd batches."""
    model = Predictor(counts, model=kind, dim=4, sample=0)
    model.network.to(dtype="float64")
    model.batch = 13
    with ranks.Together({"model": model}).training():
        model.step(text[:41], 1, 0.0, 0.5)
    return [p.detach().clone() for p in model.network.parameters()]


def rehearsed():
    """Bytes of each message of a step, and of its rehearsal."""
    ranks.rows[:] = [WHOLE // distributed.get_world_size()]
    x = Tensor(np.random.default_rng(0).uniform(-1, 1, (ranks.rows[0], 1, SIZE, SIZE)))
    sent, send = [], the_group().all_reduce

    def noted(array, op, lane=None):
        sent.append(array.nbytes)
        return send(array, op, lane)

    def step():
        model = MODELS["gan, batch norm"]()
        with ranks.Together({"model": model}).training():
            sent.clear()
            model.step((x.to(dtype="float32"),))

    the_group().all_reduce = noted
    step()
    the_group().all_reduce, earnest = send, [*sent]
    stage = Rehearsal(distributed.get_world_size())
    with in_place(stage):
        step()
    return {"sent": earnest, "rehearsed": stage.sent[-len(earnest) :]}


def dealt():
    """Indices of a sampler; noise of ranks."""
    epochs = []
    sampler = DistributedSampler(range(11), seed=3)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append([*sampler])
    return {"indices": epochs, "count": len(sampler)}


def main():
    folder, *names = sys.argv[1:]
    distributed.init_process_group(timeout=float(os.environ.get("TEST_TIMEOUT", 20)))
    found = {name: globals()[name]() for name in names}
    path = Path(folder, f"{distributed.get_rank()}.json")
    path.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
