"""What the demos are shown."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """40 small pictures, bright ones and dark ones, in two subfolders."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(40):
        kind = folder / ("bright", "dark")[i % 2]
        kind.mkdir(exist_ok=True)
        noise = rng.normal(200 - 150 * (i % 2), 20, (8, 8))
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(kind / f"{i}.png")
    return folder


@pytest.fixture
def coloured(tmp_path):
    """60 small coloured pictures of two classes."""
    rng = np.random.default_rng(0)
    for i in range(60):
        kind = tmp_path / "pictures" / ("bright", "dark")[i % 2]
        kind.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8) + 150 * (i % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(kind / f"{i}.png")
    return tmp_path / "pictures"
