"""Absurd values for every flag of every demo: no traceback, and no nonsense accepted."""

import ast
import importlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from in_process import DEMOS, run

from minigen import training

ABSURD = ("0", "-1", "nan", "inf", "-inf", "1e400", "", "x", str(10**30), "1e300", "9" * 5000)
# Where 0 is no nonsense: a beginning, a weight, a share, a class.
MAY_BE_0 = {
    "--seed", "--class", "--classes", "--smoothing", "--decay", "--beta", "--warm-up",
    "--capacity", "--contrast", "--fall",
    "--random", "--guidance", "--port",
    "--average", "--sample", "--reconstruction", "--classification",
    "--matching", "--dropout", "--l1", "--adversarial", "--layers", "--cycle",
    "--identity", "--pool", "--gamma", "--path-weight", "--mixing",
    "--orthogonal", "--truncation", "--octaves",
}  # fmt: skip
WORDS = {
    "--out": "",
    "--half": "",
    "--json": "",
    "--resume": "",
    "--reflow": "",
    "--words": "",
    "--similarity": None,
    "--single": "",
    "--to": None,
    "--near": None,
    "--analogy": None,
    "--part": "",
}  # and what is none
NEEDED = {"file": "model.onnx"}  # by what it is called, where its name will not do
NAMES = sorted(
    path.stem for path in DEMOS.glob("*.py") if "flags(" in path.read_text(encoding="utf-8")
)
NAMES += ["benchmark.sections"]


@pytest.fixture(scope="module")
def parsers():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DEMOS)
        yield {name: importlib.import_module(name).flags() for name in NAMES}


def needed(parser):
    """A command line with what the flags cannot do without."""
    return [NEEDED.get(flag.dest, flag.dest) for flag in parser.flags.values() if flag.required]


def refused(parser, argv, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(argv)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and len(said) < 140, said
    return said


def test_no_demo_imports_another():
    """What they share is in the package, or in packages beside them; ctrl_c is to be the first."""
    names = {path.stem for path in DEMOS.glob("*.py")} - {"ctrl_c"}
    names -= {path.parent.name for path in DEMOS.glob("*/__init__.py")}
    for path in DEMOS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not names & {*modules}, f"{path} imports {modules}"


def test_all_command_lines_are_here():
    scripts = {path.stem for path in DEMOS.glob("*.py") if "__main__" in path.read_text("utf-8")}
    # The pages have no flags; benchmark.py has those of its package.
    assert scripts - {*NAMES} == {"benchmark", "gan_in_a_page", "tape_in_a_page"}


@pytest.mark.parametrize("name", NAMES)
def test_no_flag_accepts_nonsense(parsers, name, capsys):
    parser = parsers[name]
    for flag in parser.flags.values():
        if not flag.option_strings or flag.nargs == 0:
            continue
        (option,) = flag.option_strings
        absurd = ABSURD if option not in WORDS else (WORDS[option],)
        for text in absurd:
            if text is None or (text == "0" and option in MAY_BE_0):
                continue
            said = refused(parser, [*needed(parser), option, text], capsys)
            assert option in said


@pytest.mark.parametrize("command, said", [
    ("gan --size 8 --data mnist", "--size has no effect without a folder"),
    ("gan --classes 1", "--classes has no effect without --conditional"),
    ("gan --conditional --packing 2", "leave one of them out"),
    ("gan --conditional --auxiliary", "leave one of them out"),
    ("gan --packing 3", "multiple of it, not 64"),
    ("wgan --penalty 10 --clip 0.1", "--clip has no effect with --penalty"),
    ("mixture_gan --clip 0.1", "--clip has no effect without --model wgan"),
    ("mixture_gan --model wgan --penalty 1", "--penalty has no effect without --model wgan-gp"),
    ("mixture_gan --critic-steps 2", "--critic-steps has no effect with --model gan"),
    ("discogan_modes --form gan --reconstruction 2", "has no effect with --form gan"),
    ("stargan --data digits --domains white red --blocks 2", "no effect with --generator colours"),
    ("stargan --data digits --size 33", "--size has no effect without a folder"),
    ("cyclegan --form one", "--form has no effect without --model discogan"),
    ("cyclegan --model discogan --pool 9", "--pool has no effect with --model discogan"),
    ("stargan --data mnist --disjoint", "--disjoint has no effect without emoji"),
    ("stargan --data mnist --domains white pink", "the data set has others"),
    ("stargan --size 16", "--size has no effect without a folder"),
    ("diffusion --guidance 1", "--guidance has no effect without --conditional"),
    ("diffusion --chain 20", "--steps-to-draw 50: the --chain has 20 alone"),
    ("diffusion --patch 3", "from 1 to 2"),
    ("few_images --images 50 50", "expected each of them once"),
    ("few_images --models gans", "did you mean gan?"),
    ("few_images --data digits", "is of mnist: leave it out"),
    ("sample digits --half w.txt", "ends in .npz"),
    ("sample digits --sampler dim", "did you mean ddim?"),
    ("diffusion_2d --model diffusion --transport", "--transport has no effect without --model f"),
    ("diffusion_2d --predicts data", "--predicts has no effect without --model diffusion"),
    ("diffusion_2d --transport --reflow x", "leave one of them out"),
    ("vae --network conv --hidden 9", "--hidden has no effect with --network conv"),
    ("vae --width 9", "--width has no effect without --network conv"),
    ("vae --samples 5 --beta 2", "--beta has no effect with --samples above 1"),
    ("vae --binarise --likelihood gaussian", "leave one of them out"),
    ("autoencoder --amount 0.3", "--amount has no effect without --damage"),
    ("autoencoder --damage masking --amount 2", "at most 1, not 2"),
    ("autoencoder --data spiral --network deep", "--network has no effect with --data spiral"),
    ("latents --latents 2 2", "each of them once"),
    ("word2vec --model softmax --negative 3", "--negative has no effect without --model skipgram"),
    ("word2vec --model last-four --window 3", "--window has no effect with"),
    ("critic_vs_discriminator --device cuda", "CPU alone"),
    ("words RUN --similarity a b --count 3", "--count has no effect with --similarity"),
    ("pix2pix --adversarial 0 --layers 2", "--layers has no effect with --adversarial 0"),
    ("pix2pix --adversarial 0 --l1 0", "leave one of them out"),
    ("pix2pix --data glyphs --domains noto serif", "--domains: the data set has others"),
    ("cyclegan --domains noto plain", "--domains: the data set has others"),
    ("cyclegan --domains noto noto", "expected two of them"),
    ("cyclegan --data glyphs --size 64", "--size has no effect without a folder"),
    ("pix2pix --task paint", "did you mean inpaint?"),
    ("pix2pix --task colour --start blend", "--start blend is for --task style"),
    ("dcgan --network plain --width", "expected one argument"),
    ("dcgan --data minst", "did you mean mnist?"),
    ("dcgan --data /nowhere/pictures/of/my/own", "no folder /nowhere/pictures/of/my/own"),
    ("word2vec --corpus text9", "did you mean text8?"),
    ("gan --batch-size 1", "batch norm compares two or more"),
    ("gan --batch-size 2 --packing 2", "batch norm compares two or more"),
    ("dcgan --batch-size 1", "batch norm compares two or more"),
    ("wgan --batch-size 2 --packing 2", "batch norm compares two or more"),
    ("wgan --batch-size 1 --penalty 1", "batch norm compares two or more"),
])  # fmt: skip
def test_flags_that_do_not_go_together(parsers, command, said, capsys):
    name, *argv = command.split()
    assert said in refused(parsers[name], argv, capsys)


@pytest.mark.parametrize("command", ["gan --network mlp", "dcgan --network plain"])
def test_networks_without_batch_norm_take_one_image(parsers, command):
    name, *argv = command.split()
    assert parsers[name].parse_args([*argv, "--batch-size", "1"]).batch_size == 1


@pytest.mark.parametrize(
    ("command", "name", "value", "said"),
    [
        ([str(DEMOS / "gan.py")], "MINIGEN_THREADS", "two",
         "gan.py: MINIGEN_THREADS: expected a whole number from 1 to 4,096, got 'two'"),
        (["-m", "minigen.info"], "MINIGEN_THREADS", "9" * 5000,
         f"minigen: MINIGEN_THREADS: expected a whole number from 1 to 4,096, got '{'9' * 24}'"),
        (["-m", "minigen.info"], "MINIGEN_LIMITS", "nowhere",
         "minigen: MINIGEN_LIMITS: cannot read nowhere: No such file or directory"),
    ],
)  # fmt: skip
def test_nonsense_in_the_environment_is_said_in_a_line(command, name, value, said):
    command, environ = [sys.executable, *command], os.environ | {name: value}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, said + "\n")


def test_batches_larger_than_the_data_are_refused_before_there_is_a_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = ("--data", "digits", "--limit", 20)
    for demo in "vae", "autoencoder", "latents", "classifier":
        said = run(f"{demo}.py", *digits, "--batch-size", 10**6, status=1)
        assert f"{demo}.py: --batch-size 1,000,000 is more than the 20 images" in said
    huge = ("--batch-size", 4, "--network", "conv", "--width", 10**6)
    assert "out of memory: " in run("vae.py", *digits, *huge, status=1)
    assert not list(pathlib.Path("runs").glob("*/checkpoint.npz"))


def test_a_quick_run_takes_batches_as_small_as_the_data_and_goes_on_with_them(tmp_path, pictures):
    flags = ("--data", pictures, "--size", 8)
    said = run("classifier.py", "--quick", *flags, "--out", tmp_path / "run")
    assert "--quick: a batch is 36, for there are 36 images of" in said
    run("classifier.py", "--resume", tmp_path / "run", "--epochs", 2)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["batch_size"] == 36
    for told in (), ("--quick", "--batch-size", 64):
        said = run("classifier.py", *flags, *told, "--out", tmp_path / "other", status=1)
        assert "classifier.py: --batch-size 64 is more than the 36 images" in said


def test_a_checkpoint_that_cannot_be_scored_is_said_in_a_line(tmp_path):
    run("mixture_gan.py", "--quick", "--steps", 1, "--out", tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.npz"
    saved = training.load_checkpoint(path)
    training.save_checkpoint(path, {"step": 1})
    said = run("evaluate.py", path.parent, status=1)
    assert "no checkpoint of a training loop: expected step and state, got 'step'" in said
    saved["state"]["gan"]["generator"]["0.weight"] *= np.float32(np.nan)
    training.save_checkpoint(path, saved)
    assert "gan holds NaN" in run("evaluate.py", path.parent, status=1)
