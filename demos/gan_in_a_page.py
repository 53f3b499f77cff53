"""A whole generative adversarial network in a page: networks, losses, loop, picture.

    python demos/gan_in_a_page.py

D is shown real digits and those that G makes of noise, and learns to tell them apart; G learns to
be taken for real (Goodfellow et al. 2014, algorithm 1). demos/gan.py has what a page has no room
for: progress, checkpoints, resuming, curves, classes, other data.
"""

import ctrl_c  # noqa: F401 - first: Ctrl-C ends the program in one line

import numpy as np
from PIL import Image

import minigen
from minigen import Tensor, data, nn, optim
from minigen import functional as F

STEPS, BATCH, NOISE = 1500, 64, 64

generator = nn.Sequential(
    nn.Linear(NOISE, 64 * 7 * 7),
    nn.Unflatten(1, (64, 7, 7)),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),  # 14×14
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # 28×28
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 32, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, stride=2, padding=1),
    nn.BatchNorm2d(64),
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Linear(64 * 7 * 7, 1),  # a logit: D = sigmoid of it is how probably the image is real
)


def save_picture(images, path, columns=16):
    """Images (N, 1, H, W) from −1, black, to 1, white, side by side in rows."""
    n, _, height, width = images.shape
    grid = images.reshape(n // columns, columns, height, width).swapaxes(1, 2)
    pixels = (grid.reshape(-1, columns * width) * 127.5 + 127.5).round().astype(np.uint8)
    Image.fromarray(pixels).save(path)


def main():
    minigen.manual_seed(0)
    generator_adam = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    discriminator_adam = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    images = data.load("auto")  # MNIST, or digits drawn on the spot where it cannot be had
    batches = data.Batches(images.scaled(low=-1), batch_size=BATCH, seed=0).forever()
    print(f"{len(images):,} images of {images.name}")
    for step in range(1, STEPS + 1):
        (real,) = map(Tensor, next(batches))
        fake = generator(minigen.randn(BATCH, NOISE))

        # D maximises log D(x) + log(1 − D(G(z))); −log σ(l) is softplus(−l).
        judged, judged_fake = discriminator(real), discriminator(fake.detach())
        loss_d = F.softplus(-judged).mean() + F.softplus(judged_fake).mean()
        discriminator_adam.zero_grad()
        loss_d.backward()
        discriminator_adam.step()

        # G maximises log D(G(z)), whose slope does not fade where D is sure.
        loss_g = F.softplus(-discriminator(fake)).mean()
        generator_adam.zero_grad()
        loss_g.backward()
        generator_adam.step()

        if step % 100 == 0:
            print(f"step {step} of {STEPS}: loss_d {loss_d.item():.3f}, loss_g {loss_g.item():.3f}")
    with minigen.no_grad():
        save_picture(generator(minigen.randn(128, NOISE)).numpy(), "gan.png")
    print(
        "gan.png shows 128 digits that nobody wrote: good ones could be taken for real, and differ"
    )
    print("next: python demos/dcgan.py, which shows how such digits come about")


if __name__ == "__main__":
    main()
