"""The data of translations, by flags: which pictures, in which order, and with what in common."""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import minigen
from minigen import data, distributed, training
from minigen.data import DataError, Domains
from minigen.distributed import group
from minigen.distributed.rehearsal import Rehearsal
from minigen.training import images
from minigen.training import translation as T
from minigen.training.builders import cyclegan

PLACED = ("--data", "glyphs", "--quick", "--start", "placed", "--contrast", "2")


def args(**given):
    names = {"task": "style", "size": 8, "limit": None, "augment": "none", "batch_size": 2}
    return argparse.Namespace(**names | given)


@pytest.fixture
def letters(monkeypatch):
    monkeypatch.setattr(T, "LETTERS", {"train": 60, "validation": 8, "test": 8})
    return args(data="glyphs", domains=["serif", "bold"])


def test_the_latter_domain_is_the_truth(letters):
    pairs = training.load_pairs(letters, "test")
    assert pairs.domains == ("serif", "bold")
    own = data.glyphs(8, "test", ("bold", "serif"))
    assert np.array_equal(pairs.images[:, 1], own.images[:, 0])
    assert np.array_equal(training.load_truths(letters, "test").images[:, 0], own.images[:, 0])
    x, y = training.inputs_and_truths("style", pairs.images, None)
    assert y == pytest.approx(pairs.scaled()[:, 1], abs=1e-6)
    assert x == pytest.approx(pairs.scaled()[:, 0], abs=1e-6)
    unpaired = training.load_unpaired(letters, "test")
    assert unpaired.classes == ("serif", "bold") and len(unpaired) == 8


def test_a_limit_takes_whole_families_as_chance_has_it(letters):
    letters.limit = 20
    some = training.load_pairs(letters, "train")
    letters.limit = None
    everything = training.load_pairs(letters, "train")
    assert len(some) == 20 and len(training.load_pairs(letters, "test")) == 8
    sizes = {f: (everything.families == f).sum() for f in everything.families}
    taken = {f: (some.families == f).sum() for f in some.families}
    assert sum(taken[f] != sizes[f] for f in taken) <= 1


def test_pictures_are_told_by_where_their_generators_begin():
    model = cyclegan.build(cyclegan.flags().parse_args(PLACED), 1, 12)
    assert model.contrast == 2
    for generator, start in zip((model.to_y, model.to_x), model.starts, strict=True):
        assert start is generator[0] and "Placed" in repr(start)


def test_each_rank_tells_its_pictures_from_all_truths_and_the_same_others(monkeypatch):
    levels = np.arange(200, dtype=np.uint8).reshape(-1, 1, 1, 1)
    flags = args(seed=0, others=112)
    y = np.float32([[[[-3]]], [[[-2]]], [[[2]]], [[[3]]]])
    alone = T.others(flags, levels, y, 7)
    assert len(np.unique(alone)) == len(alone) == 112 and abs(alone).max() <= 1
    assert not np.array_equal(alone, T.others(flags, levels, y, 8))
    assert len(T.others(args(seed=0, others=10**6), levels, y, 7)) == 200
    for rank, theirs in (0, y[2:]), (1, y[:2]):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        monkeypatch.setattr(distributed, "all_gather_object", lambda _: [y[:2], y[2:]])
        found = T.others(flags, levels, y[2 * rank :][:2], 7)
        assert np.array_equal(found, np.concatenate([theirs, alone]))


@pytest.fixture
def folders(tmp_path):
    """Four pictures a side in each layout; those of A are dark."""
    for i in range(4):
        for side, level in ("A", 20), ("B", 200):
            for split in "train", "test":
                path = tmp_path / "two" / f"{split}{side}"
                path.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (9, 8), (level + i,) * 3).save(path / f"{side}{i}.png")
        both = Image.new("RGB", (16, 8), (20 + i,) * 3)
        both.paste((200 + i,) * 3, (8, 0, 16, 8))
        for split in "train", "val":
            (tmp_path / "pairs" / split).mkdir(parents=True, exist_ok=True)
            both.save(tmp_path / "pairs" / split / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("domains", [["A", "B"], ["B", "A"]])
def test_ones_own_folders(folders, domains):
    dark = domains.index("A")
    pairs = training.load_pairs(args(data=str(folders / "pairs"), domains=domains), "test")
    assert (pairs.images[:, dark] < 100).all() and (pairs.images[:, 1 - dark] > 150).all()
    found = training.load_unpaired(args(data=str(folders / "two"), domains=domains), "validation")
    assert found.classes == tuple(domains) and len(found) == 8
    assert (found.images[found.labels == dark] < 100).all()
    plain = training.load_truths(args(data=str(folders / "two"), domains=domains), "train")
    assert plain.images.shape[1] == 1 and len(plain) == 14  # of 16, with a tenth each held out


def test_what_is_wrong_with_a_folder_is_said(folders):
    for load, folder in (
        (training.load_pairs, "nowhere"),
        (training.load_unpaired, "pairs"),
        (training.load_pairs, "two"),
    ):
        with pytest.raises(DataError, match=folder):
            load(args(data=str(folders / folder), domains=["A", "B"]), "train")


def test_both_domains_are_moved_alike():
    minigen.manual_seed(0)
    pictures = np.arange(64, dtype=np.uint8).reshape(1, 1, 1, 8, 8).repeat(200, 0).repeat(2, 1)
    for augment in "mirror", "shift", "flip":
        moved = T.augmented(args(augment=augment), pictures)
        assert np.array_equal(moved[:, 0], moved[:, 1]) and moved.shape == pictures.shape
        middles = {int(m) for m in moved[:, 0, 0, 4, 4]}
        rows = {m // 8 for m in middles}
        assert rows == ({4} if augment == "mirror" else {2, 3, 4, 5, 6})
        mirrored = moved[:, 0, 0, 4, 4] > moved[:, 0, 0, 4, 5]
        assert 0.35 < mirrored.mean() < 0.65 if augment != "shift" else not mirrored.any()
    assert T.augmented(args(), pictures) is pictures
    assert np.array_equal(np.unique(moved[0]), np.unique(moved[0] & 63))  # nothing comes in


def test_too_small_a_set_and_colourless_letters_are_refused(letters):
    with pytest.raises(DataError, match="--batch-size 2 is more than the 1 pictures of noto"):
        training.fit_batches(None, args(), {"pictures of serif": 2, "pictures of noto": 1})
    domains = training.load_truths(letters, "test")
    with pytest.raises(DataError, match="the pictures are grey"):
        training.inputs_and_truths("colour", domains.images, None)
    assert isinstance(domains, Domains)


def test_batches_of_a_quick_run_are_fitted_to_the_smallest_domain_on_all_ranks(monkeypatch):
    run, quick = SimpleNamespace(config={}), args(quick_batches=True, batch_size=8, packing=2)
    monkeypatch.setattr(images, "rows", [8])
    with group.in_place(Rehearsal(4)):
        training.fit_batches(run, quick, {"of A": 23, "of B": 30})
        assert (run.config["batch_size"], quick.batch_size, images.rows) == (16, 4, [4])
        training.fit_batches(run, quick, {"of A": 16})
        assert run.config["batch_size"] == 16
        with pytest.raises(DataError, match="--batch-size 16 is more than the 15 of A"):
            training.fit_batches(run, quick, {"of A": 15})  # one pair on a rank
