"""The papers that the demos build, by the name of the demo: who, when, what, and where."""

from __future__ import annotations

from typing import NamedTuple


class Paper(NamedTuple):
    """A paper."""

    authors: str
    year: int
    title: str
    link: str


def _arxiv(authors: str, year: int, title: str, number: str) -> Paper:
    return Paper(authors, year, title, f"https://arxiv.org/abs/{number}")


GAN = _arxiv("Goodfellow et al.", 2014, "Generative Adversarial Networks", "1406.2661")
WGAN = _arxiv("Arjovsky, Chintala and Bottou", 2017, "Wasserstein GAN", "1701.07875")
PENALTY = _arxiv(
    "Gulrajani et al.", 2017, "Improved Training of Wasserstein GANs", "1704.00028"
)  # fmt: skip
VAE = _arxiv("Kingma and Welling", 2014, "Auto-Encoding Variational Bayes", "1312.6114")
DDPM = _arxiv("Ho, Jain and Abbeel", 2020, "Denoising Diffusion Probabilistic Models", "2006.11239")
GUIDANCE = _arxiv("Ho and Salimans", 2022, "Classifier-Free Diffusion Guidance", "2207.12598")
DISCOGAN = _arxiv(
    "Kim et al.", 2017,
    "Learning to Discover Cross-Domain Relations with Generative Adversarial Networks",
    "1703.05192",
)  # fmt: skip
AUTOENCODER = Paper(
    "Hinton and Salakhutdinov", 2006, "Reducing the Dimensionality of Data with Neural Networks",
    "https://doi.org/10.1126/science.1127647",
)  # fmt: skip

PAPERS: dict[str, tuple[Paper, ...]] = {
    "autoencoder": (
        AUTOENCODER,
        Paper("Vincent et al.", 2008,
              "Extracting and Composing Robust Features with Denoising Autoencoders",
              "https://doi.org/10.1145/1390156.1390294"),
    ),
    "biggan": (
        _arxiv("Brock, Donahue and Simonyan", 2019,
               "Large Scale GAN Training for High Fidelity Natural Image Synthesis", "1809.11096"),
    ),
    "classifier": (
        Paper("LeCun et al.", 1998, "Gradient-Based Learning Applied to Document Recognition",
              "https://doi.org/10.1109/5.726791"),
    ),
    "critic_vs_discriminator": (
        _arxiv("Arjovsky and Bottou", 2017,
               "Towards Principled Methods for Training Generative Adversarial Networks",
               "1701.04862"),
        WGAN,
    ),
    "cyclegan": (
        _arxiv("Zhu et al.", 2017,
               "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
               "1703.10593"),
        DISCOGAN,
    ),
    "dcgan": (
        _arxiv("Radford, Metz and Chintala", 2016,
               "Unsupervised Representation Learning with Deep Convolutional Generative"
               " Adversarial Networks", "1511.06434"),
        _arxiv("Chen et al.", 2016,
               "InfoGAN: Interpretable Representation Learning by Information Maximizing"
               " Generative Adversarial Nets", "1606.03657"),
    ),
    "diffusion": (
        DDPM,
        _arxiv("Song, Meng and Ermon", 2021, "Denoising Diffusion Implicit Models", "2010.02502"),
        _arxiv("Karras et al.", 2022,
               "Elucidating the Design Space of Diffusion-Based Generative Models", "2206.00364"),
        GUIDANCE,
    ),
    "diffusion_2d": (
        _arxiv("Lipman et al.", 2023, "Flow Matching for Generative Modeling", "2210.02747"),
        _arxiv("Liu, Gong and Liu", 2023,
               "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow",
               "2209.03003"),
        DDPM,
    ),
    "discogan_modes": (DISCOGAN,),
    "few_images": (GAN, VAE, DDPM),
    "gan": (GAN,),
    "latents": (AUTOENCODER, VAE),
    "mixture_gan": (
        GAN, WGAN, PENALTY,
        _arxiv("Lin et al.", 2018,
               "PacGAN: The Power of Two Samples in Generative Adversarial Networks", "1712.04086"),
    ),
    "parabola_gan": (GAN,),
    "phrases": (DDPM, GUIDANCE),
    "pix2pix": (
        _arxiv("Isola et al.", 2017,
               "Image-to-Image Translation with Conditional Adversarial Networks", "1611.07004"),
    ),
    "stargan": (
        _arxiv("Choi et al.", 2018,
               "StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image"
               " Translation", "1711.09020"),
    ),
    "stylegan": (
        _arxiv("Karras, Laine and Aila", 2019,
               "A Style-Based Generator Architecture for Generative Adversarial Networks",
               "1812.04948"),
        _arxiv("Karras et al.", 2020, "Analyzing and Improving the Image Quality of StyleGAN",
               "1912.04958"),
    ),
    "vae": (VAE,),
    "wgan": (WGAN, PENALTY),
    "word2vec": (
        _arxiv("Mikolov et al.", 2013,
               "Efficient Estimation of Word Representations in Vector Space", "1301.3781"),
        _arxiv("Mikolov et al.", 2013,
               "Distributed Representations of Words and Phrases and their Compositionality",
               "1310.4546"),
    ),
}  # fmt: skip
