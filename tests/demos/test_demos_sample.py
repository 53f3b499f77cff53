"""sample.py uses runs of all kinds, and says what a run cannot do."""

import numpy as np
import pytest
from in_process import run
from made_runs import made_run
from PIL import Image

from minigen import training
from minigen.training import video


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by the names of SMALL, made when they are asked for."""
    parent = tmp_path_factory.mktemp("runs")

    def of(name):
        folder = parent / name
        return folder if folder.exists() else made_run(folder, name)

    return of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def size(path):
    with Image.open(path) as image:
        return image.size


def side(pictures, of=8, scale=2):
    """Of a grid of so many, in pixels."""
    return scale * (pictures * (of + 2) + 2)


def test_a_grid_has_a_row_of_each_class(runs):
    assert "6 pictures" in run("sample.py", runs("gan"), "--count", 6)
    width, height = size("sample.png")
    assert width > side(3) and height > 2 * side(1)  # names to the left, a caption below
    run("sample.py", runs("gan"), "--count", 6, "--class", 1, "--out", "dogs.png")
    assert size("dogs.png")[1] < height + 60
    with Image.open("sample.png") as image:
        assert "in each row what its name says" in image.info["Description"]
    with Image.open("dogs.png") as image:
        assert "all asked for as “dog”" in image.info["Description"]


def test_pictures_are_an_array_or_files_of_their_own(runs, here):
    run("sample.py", runs("gan"), "--count", 5, "--out", "x.npz")
    with np.load("x.npz") as found:
        assert found["pictures"].shape == (5, 1, 8, 8) and found["labels"].tolist() == [
            0,
            0,
            0,
            1,
            1,
        ]
    run("sample.py", runs("gan"), "--count", 5, "--out", "x.npy")
    pictures = np.load("x.npy")
    assert pictures.dtype == np.float32 and 0 <= pictures.min() <= pictures.max() <= 1
    run("sample.py", runs("gan"), "--count", 5, "--single", "each")
    assert len([*(here / "each").iterdir()]) == 5
    levels = np.asarray(Image.open(here / "each" / "00003.png"))
    np.testing.assert_array_equal(levels, (pictures[3, 0] * 255).round())
    run("sample.py", runs("gan"), "--count", 5, "--out", "y.npy", "--seed", 1)
    assert (np.load("y.npy") != pictures).any()


@pytest.mark.parametrize("name, flags", [
    ("biggan", ("--truncation", 0.5)), ("stylegan", ("--truncation", 0.5)),
    ("diffusion", ("--steps", 2)), ("diffusion", ("--sampler", "ddpm")),
    ("diffusion", ("--guidance", 3)), ("phrases", ("--phrase", "two red fives")),
])  # fmt: skip
def test_every_flag_changes_the_pictures(runs, name, flags):
    small = ("sample.py", runs(name), "--count", 3)
    run(*small, "--out", "a.npy")
    run(*small, *flags, "--out", "b.npy")
    assert np.load("a.npy").shape == np.load("b.npy").shape
    assert (np.load("a.npy") != np.load("b.npy")).any()


def test_pictures_go_from_noise_to_noise_and_from_class_to_class(runs):
    run("sample.py", runs("wgan"), "--interpolate", "--count", 4, "--out", "way.gif")
    with Image.open("way.gif") as image:
        assert image.n_frames > 5 and image.height > side(2)
    classes = ("--class", 0, 1)
    run("sample.py", runs("biggan"), "--interpolate", *classes, "--count", 1, "--out", "way.gif")
    with Image.open("way.gif") as image:
        assert image.n_frames > 5


def test_a_film_where_it_can_be_had(runs, here, monkeypatch):
    film = ("sample.py", runs("wgan"), "--interpolate", "--count", 1, "--out", "way.mp4")
    if video.can_write_mp4():
        run(*film)
        assert (here / "way.mp4").read_bytes()[4:8] == b"ftyp"
    monkeypatch.setattr(video, "NEEDED", ("nothing_of_this_name",))
    assert "MP4 needs imageio" in run(*film, status=2)


def test_latents_are_gone_through_and_test_images_made_again(tmp_path):
    for name in "vae", "autoencoder":
        folder = made_run(tmp_path / name, name, shape=(1, 28, 28), limit=30)
        said = run("sample.py", folder, "--reconstruct", "--count", 4, "--out", "again.png")
        assert "4 test images again, squared error of a pixel 0." in said
        assert "the 3 latents of 3" in run("sample.py", folder, "--traverse", "--out", "each.png")
        assert size("each.png")[1] > 3 * side(1, 28) > size("again.png")[1] > 2 * side(1, 28)


def test_each_of_several_models_draws_and_makes_test_images_again(tmp_path):
    folder = made_run(tmp_path / "latents", "latents", shape=(1, 28, 28), limit=30)
    names = [*training.load(folder).model]
    said = run("sample.py", folder, "--count", 3, "--out", "drawn.npz")
    assert said.startswith(", ".join(names)) and "VAE" in said and "autoencoder" in said
    with np.load("drawn.npz") as drawn:
        assert drawn["pictures"].shape == (3 * len(names), 1, 28, 28)
        assert drawn["labels"].tolist() == np.repeat(np.arange(len(names)), 3).tolist()
    run("sample.py", folder, "--reconstruct", "--count", 3, "--out", "again.npy")
    again = np.load("again.npy").reshape(1 + len(names), 3, 28, 28)
    args = training.load(folder).settings
    np.testing.assert_array_equal(again[0], training.load_images(args, "test").scaled(low=0)[:3, 0])
    assert len({made.tobytes() for made in again}) == len(again)  # each by a model of its own
    run("sample.py", folder, "--reconstruct", "--count", 3, "--out", "again.png")
    assert size("again.png")[1] > (1 + len(names)) * side(1, 28)
    run("sample.py", folder, "--count", 2, "--single", "each")
    assert len([*(tmp_path / "each").iterdir()]) == 2 * len(names)


@pytest.fixture
def pictures(here):
    """Three pictures, two of one name."""
    rng = np.random.default_rng(0)
    for name in "a/one", "b/one", "two":
        path = here / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    return here / "pictures"


def test_a_folder_of_pictures_is_translated(runs, here, pictures):
    for name, ways in ("pix2pix", 1), ("cyclegan", 2), ("discogan", 2), ("stargan", 6):
        said = run("sample.py", runs(name), "--inputs", pictures, "--out", f"{name}.npy")
        assert "3 pictures" in said and len(np.load(f"{name}.npy")) == 3 * ways
        run("sample.py", runs(name), "--inputs", pictures, "--out", f"{name}.png")
    to = ("--to", "serif", "--single", "made")
    run("sample.py", runs("cyclegan"), "--inputs", pictures, *to)
    assert len([*(here / "made").iterdir()]) == 3
    run("sample.py", runs("cyclegan"), "--inputs", pictures, "--single", "both", "--count", 2)
    assert len([*(here / "both").iterdir()]) == 4


def test_a_classifier_reads_a_folder(runs, pictures):
    said = run("sample.py", runs("classifier"), "--inputs", pictures).splitlines()
    assert [line.split(":")[0] for line in said] == ["one.png", "one.png", "two.png"]
    assert all(line.endswith("%") for line in said)


@pytest.mark.parametrize("task", ["edges", "colour", "enlarge", "inpaint"])
def test_each_task_makes_its_inputs_of_whole_pictures(tmp_path, pictures, task):
    folder = made_run(tmp_path / task, "pix2pix", (3, 8, 8), task=task, data=str(pictures))
    run("sample.py", folder, "--inputs", pictures, "--out", "made.png")
    assert size("made.png")[1] > 3 * side(1)  # the picture, what is given, what was made


@pytest.mark.parametrize("name", [
    "spiral", "diffusion_2d", "chain", "discogan_modes", "mixture_gan", "parabola_gan",
])  # fmt: skip
def test_points_are_a_picture_or_an_array(runs, name):
    assert "7 points" in run("sample.py", runs(name), "--count", 7, "--out", "x.npy")
    assert np.load("x.npy").shape == (7, 2)
    if name == "chain":  # figures take most of the time
        run("sample.py", runs(name), "--steps", 3)
        assert size("sample.png")[0] >= 500


def test_words_answer(runs):
    said = run("sample.py", runs("word2vec"), "--near", "word1", "word2", "--count", 3)
    assert said.count("word1:") == 1 and said.splitlines()[1].startswith("word2: word")
    said = run("sample.py", runs("word2vec"), "--analogy", "word1", "word2", "word3")
    assert said.startswith("word1 is to word2 as word3 is to: ")
    assert "zebra" in run("sample.py", runs("word2vec"), "--near", "zebra", status=1)


@pytest.mark.parametrize("name, flags, said", [
    ("wgan", ("--class", 1), "knows no classes"),
    ("gan", ("--class", 1, 2), "the classes 0 to 1, not [2]"),
    ("gan", ("--near", "cat"), "--near has no effect on"),
    ("gan", ("--truncation", 1), "--truncation has no effect on"),
    ("gan", ("--traverse",), "a run of gan, which draws pictures from noise: leave it out"),
    ("gan", ("--half", "w.npz"), "--half has no effect on"),
    ("gan", ("--interpolate",), "a name that ends in .gif or .mp4, not sample.png"),
    ("gan", ("--out", "x.gif"), "a name that ends in .png, .npy or .npz, not x.gif"),
    ("vae", ("--traverse", "--reconstruct"), "give one of them"),
    ("vae", ("--traverse", "--out", "x.npy"), "a name that ends in .png"),
    ("phrases", ("--class", 1), "--class has no effect on"),
    ("phrases", ("--phrase", "two pink fives"), "unknown 'pink'"),
    ("cyclegan", (), "give --inputs FOLDER"),
    ("classifier", (), "reads pictures: give --inputs FOLDER"),
    ("classifier", ("--class", 1), "--class has no effect on"),
    ("latents", ("--traverse",), "--traverse has no effect on"),
    ("cyclegan", ("--inputs", ".", "--to", "bold"), "knows plain, serif, not 'bold'"),
    ("pix2pix", ("--inputs", ".", "--to", "bold"), "--to has no effect on"),
    ("mixture_gan", ("--sampler", "ddim"), "which draws points of the plane: leave it out"),
    ("word2vec", (), "give --near WORD or --analogy A B C"),
    ("diffusion", ("--steps", 9), "the chain has 4 alone, not 9"),
])  # fmt: skip
def test_what_a_run_cannot_do_is_said_in_a_line(runs, name, flags, said):
    found = run("sample.py", runs(name), *flags, status=2)
    assert said in found and found.count("\n") == 1


def test_an_empty_folder_is_said(runs, here):
    (here / "empty").mkdir()
    flags = ("--inputs", here / "empty")
    assert "pictures" in run("sample.py", runs("cyclegan"), *flags, status=1)
