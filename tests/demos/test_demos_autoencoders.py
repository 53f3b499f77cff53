"""The demos of the VAE and the autoencoders run, resume bit for bit, and refuse bad pictures."""

import json

import numpy as np
import pytest
from in_process import run, same_end
from PIL import Image

DIGITS = ("--data", "digits", "--quick", "--limit", 150)


def test_vae_resumed_is_vae_uninterrupted(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = (*DIGITS, "--latent", 2, "--binarise", "--activation", "tanh", "--average", 0.9)
    flags = (*flags, "--fall", 0, "--limit", 128)
    said = run("vae.py", *flags, "--epochs", 2, "--out", whole)
    assert "epoch 2: test elbo" in said and "samples.gif" in said
    run("vae.py", *flags, "--epochs", 1, "--out", parts)
    run("vae.py", "--resume", parts, "--epochs", 2)
    state = same_end(whole, parts)
    network, average = state["model"], state["average"]
    assert any((network[n] != x).any() for n, x in average["averages"].items())
    pictures = ("reconstructions", "interpolations", "traversal", "manifold", "latents", "curves")
    for name in pictures:
        assert (parts / f"{name}.png").stat().st_size > 0
    lines = [json.loads(line) for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert sum("test elbo" in line for line in lines) == 2


@pytest.mark.parametrize("flags", [
    ("--network", "conv", "--likelihood", "gaussian", "--capacity", 5, "--beta", 10),
    ("--samples", 3, "--activation", "tanh", "--latent", 1),
])  # fmt: skip
def test_every_kind_of_vae_runs(tmp_path, flags):
    assert "test elbo" in run("vae.py", *DIGITS, *flags, "--out", tmp_path / "run")


@pytest.mark.parametrize("network", ["linear", "deep", "conv"])
def test_autoencoders_mend_damaged_digits(tmp_path, network):
    flags = ("--network", network, "--damage", "gaussian", "--latent", 4)
    said = run("autoencoder.py", *DIGITS, *flags, "--out", tmp_path / "run")
    assert float(said.split("damaged ")[1].split(",")[0]) == pytest.approx(0.25, rel=0.02)
    assert "epoch 1: test loss" in said
    assert (tmp_path / "run" / "inpainted.png").stat().st_size > 0


def test_few_latents_beside_many(tmp_path):
    said = run("latents.py", *DIGITS, "--latents", 1, 3, "--out", tmp_path / "run")
    assert "gaussian.png" in said
    for name in "gaussian", "dimensions":
        assert (tmp_path / "run" / f"{name}.png").stat().st_size > 0


def test_arrows_of_points(tmp_path):
    flags = ("--quick", "--data", "spiral", "--damage", "gaussian", "--amount", 0.1)
    run("autoencoder.py", *flags, "--out", tmp_path / "run")
    assert (tmp_path / "run" / "arrows.png").stat().st_size > 0


def test_they_are_measured(tmp_path, monkeypatch):
    """In black and white a bound of log p is below it, and that is below 0."""
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for i in range(40):
        Image.new("L", (8, 8), int(rng.integers(20, 230))).save(folder / f"{i}.png")
    flags = ("--data", folder, "--size", 8, "--quick", "--limit", 30, "--batch-size", 4)
    run("vae.py", *flags, "--binarise", "--average", 0.5, "--out", tmp_path / "vae")
    run("autoencoder.py", *flags, "--damage", "block", "--out", tmp_path / "autoencoder")
    runs = (tmp_path / "vae", tmp_path / "autoencoder")
    said = run("evaluate.py", *runs, "--images", 20, "--samples", 50)
    assert "k = 50" in said and said.count("features measure nothing here") == 2  # all is grey
    vae, plain = (json.loads((path / "scores.json").read_text()) for path in runs)
    assert 0 < vae["−log p(x), k = 50"] < -vae["test ELBO"] + 1
    assert 0 < vae["−log p(x), standard error"] < 10
    assert plain["squared error, damaged"] > 0 and "Fréchet distance" not in plain
    said = run("evaluate.py", runs[0], "--images", 20, "--likelihood-images", 2, "--samples", 50)
    assert "done 2 of 2" in said  # it had been kept


@pytest.mark.parametrize("demo", ["vae.py", "autoencoder.py"])
@pytest.mark.parametrize("count, said", [(0, "found none"), (1, "pictures")])
def test_a_folder_of_too_few_pictures(tmp_path, demo, count, said):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(count):
        Image.new("L", (9, 9)).save(folder / f"{i}.png")
    output = run(demo, "--data", folder, "--quick", "--out", tmp_path / "run", status=1)
    assert said in output and "Traceback" not in output
