"""Programs as PyTorch's users write them, each written once and run on both libraries: losses of
50 steps in float64, from the same weights, noise and data."""

import numpy as np
import pytest

import minigen.torch_names as ours

theirs = pytest.importorskip("torch")

STEPS = 50


class Numbers:
    """Data and noise, the same for both."""

    def __init__(self, torch):
        self.torch, self.rng = torch, np.random.default_rng(0)

    def normal(self, *shape):
        return self.torch.from_numpy(self.rng.standard_normal(shape))

    def images(self, *shape):
        return self.torch.from_numpy(np.tanh(self.rng.standard_normal(shape)))

    def labels(self, count, classes):
        return self.torch.from_numpy(self.rng.integers(0, classes, count))

    def weights(self, *networks):
        """Networks in float64, with weights of NumPy's."""
        for net in networks:
            net.double()
            for name, p in net.named_parameters():
                p.data.copy_(self.normal(*p.shape) * (0.1 if p.dim() > 1 else 0.05))
                if "norm" in name:
                    p.data.add_(1.0)


def gan(torch, numbers):
    nn = torch.nn

    def block(i, o, normalize=True):
        layers = [nn.Linear(i, o)]
        if normalize:
            layers.append(nn.BatchNorm1d(o, 0.8))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        return layers

    g = nn.Sequential(*block(8, 16, False), *block(16, 32), nn.Linear(32, 64), nn.Tanh())
    d = nn.Sequential(
        nn.Linear(64, 32), nn.LeakyReLU(0.2, inplace=True), nn.Linear(32, 1), nn.Sigmoid()
    )
    numbers.weights(g, d)
    loss = nn.BCELoss()
    adam_g = torch.optim.Adam(g.parameters(), lr=2e-3, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(d.parameters(), lr=2e-3, betas=(0.5, 0.999))
    one, zero = (torch.full((10, 1), v, dtype=torch.float64) for v in (1.0, 0.0))
    for _ in range(STEPS):
        real = numbers.images(10, 64)
        adam_g.zero_grad()
        fake = g(numbers.normal(10, 8))
        g_loss = loss(d(fake), one)
        g_loss.backward()
        adam_g.step()
        adam_d.zero_grad()
        d_loss = (loss(d(real), one) + loss(d(fake.detach()), zero)) / 2
        d_loss.backward()
        adam_d.step()
        yield f"{g_loss.item():.17g} {d_loss.item():.17g}"


def wgan_gp(torch, numbers):
    nn = torch.nn
    g = nn.Sequential(
        nn.Linear(6, 8 * 4 * 4), nn.Unflatten(1, (8, 4, 4)), nn.BatchNorm2d(8, momentum=0.2),
        nn.Upsample(scale_factor=2), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(True),
        nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    d = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, 1), nn.LeakyReLU(0.2, True), nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(6, 8, 3, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(8 * 5 * 5, 1),
    )  # fmt: skip
    numbers.weights(g, d)
    adam_g = torch.optim.Adam(g.parameters(), lr=1e-3, betas=(0.0, 0.9))
    adam_d = torch.optim.RMSprop(d.parameters(), lr=1e-3)
    for step in range(STEPS):
        real, fake = numbers.images(4, 1, 16, 16), g(numbers.normal(4, 6)).detach()
        alpha = torch.sigmoid(numbers.normal(4, 1, 1, 1))
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        out = d(mixed)
        slope = torch.autograd.grad(
            outputs=out, inputs=mixed, grad_outputs=torch.ones_like(out), create_graph=True,
            retain_graph=True, only_inputs=True,
        )[0]  # fmt: skip
        penalty = ((slope.view(slope.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()
        d_loss = -torch.mean(d(real)) + torch.mean(d(fake)) + 10 * penalty
        adam_d.zero_grad()
        d_loss.backward()
        adam_d.step()
        if step % 2 == 0:
            adam_g.zero_grad()
            g_loss = -d(g(numbers.normal(4, 6))).mean()
            g_loss.backward()
            adam_g.step()
        yield f"{d_loss.item():.17g} {g_loss.item():.17g} {penalty.item():.17g}"


def vae(torch, numbers):
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc21, self.fc22 = nn.Linear(36, 20), nn.Linear(20, 4), nn.Linear(20, 4)
            self.fc3, self.fc4 = nn.Linear(4, 20), nn.Linear(20, 36)

        def forward(self, x):
            h = F.relu(self.fc1(x.view(-1, 36)))
            mu, logvar = self.fc21(h), self.fc22(h)
            z = mu + numbers.normal(*mu.shape) * torch.exp(0.5 * logvar)
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar

    model = VAE()
    numbers.weights(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    for _ in range(STEPS):
        x = torch.sigmoid(numbers.normal(12, 1, 6, 6))
        optimizer.zero_grad()
        recon, mu, logvar = model(x)
        loss = F.binary_cross_entropy(recon, x.view(-1, 36), reduction="sum")
        loss = loss - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 50.0)
        optimizer.step()
        schedule.step()
        yield f"{loss.item():.17g}"


def pix2pix(torch, numbers):
    nn = torch.nn

    class Down(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.InstanceNorm2d(o)

        def forward(self, x):
            return nn.functional.leaky_relu(self.norm(self.conv(x)), 0.2, inplace=True)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.d1, self.d2 = Down(2, 4), Down(4, 8)
            self.up = nn.Sequential(nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.ReLU(inplace=True))
            self.pad, self.res = nn.ReflectionPad2d(1), nn.Conv2d(8, 8, 3)
            self.last = nn.Sequential(
                nn.Upsample(scale_factor=2), nn.Conv2d(8, 2, 3, 1, 1), nn.Tanh()
            )

        def forward(self, x):
            one = self.d1(x)
            both = torch.cat((self.up(self.d2(one)), one), 1)
            both += self.res(self.pad(both.clone()))
            return self.last(both)

    net = Net()
    numbers.weights(net)
    sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    pixel, square = nn.L1Loss(), nn.MSELoss()
    for _ in range(STEPS):
        x = numbers.images(3, 2, 16, 16)
        y, masked = x.flip(3), x.clone()
        masked[:, :, 4:9, 4:9] = 0.5
        out = net(masked)
        loss = pixel(out, y) + 3 * square(out[:, :, ::2], y[:, :, ::2])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        yield f"{loss.item():.17g}"


def acgan(torch, numbers):
    nn = torch.nn

    class Judge(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(20, 16), nn.PReLU(), nn.LayerNorm(16))
            self.adv = nn.Sequential(nn.Linear(16, 1), nn.Sigmoid())
            self.aux = nn.Sequential(nn.Linear(16, 5), nn.Softmax(dim=1))

        def forward(self, x):
            h = self.body(x)
            return self.adv(h), self.aux(h)

    table, g, d = nn.Embedding(5, 7), nn.Linear(7, 20), Judge()
    numbers.weights(table, g, d)
    loss, of_class = nn.BCELoss(), nn.CrossEntropyLoss()
    both = [*table.parameters(), *g.parameters()]
    adagrad, adadelta = torch.optim.Adagrad(both, lr=0.05), torch.optim.Adadelta(d.parameters())
    valid = torch.ones(9, 1).double()
    for _ in range(STEPS):
        labels, noise = numbers.labels(9, 5), numbers.normal(9, 7)
        fake = torch.tanh(g(torch.mul(table(labels), noise)))
        validity, which = d(fake)
        g_loss = 0.5 * (loss(validity, valid) + of_class(which, labels))
        adagrad.zero_grad()
        g_loss.backward()
        adagrad.step()
        validity, which = d(fake.detach())
        real, seen = d(numbers.images(9, 20))
        d_loss = loss(validity, 1 - valid) + loss(real, valid) + of_class(seen, labels)
        adadelta.zero_grad()
        d_loss.backward()
        adadelta.step()
        accuracy = (which.data.max(1)[1] == labels).float().mean()
        yield f"{g_loss.item():.17g} {d_loss.item():.17g} {accuracy.item():.6f}"


@pytest.mark.parametrize("program", [gan, wgan_gp, vae, pix2pix, acgan], ids=lambda f: f.__name__)
def test_the_losses_of_both_agree_over_fifty_steps(program):
    mine, other = (
        [[float(x) for x in line.split()] for line in program(library, Numbers(library))]
        for library in (ours, theirs)
    )
    # Both round by 1e-16 a step, which training amplifies: 1e-8 leaves it a factor of 10⁶.
    np.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-10)
    assert len(mine) == STEPS and len({tuple(line) for line in mine}) == STEPS
