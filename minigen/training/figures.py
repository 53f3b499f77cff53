"""Pictures of a run: grids of images, animations of them, and curves of the metrics."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from scipy.ndimage import gaussian_filter1d

from minigen.data.images import require_finite
from minigen.tiles import tiled
from minigen.training.captions import font, told
from minigen.training.common import StrPath, as_array, written_whole

WHITE = 255
LARGEST = 1e300  # beyond it matplotlib's differences overflow
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito, 2008
INK, GRID = "#333333", "#e4e4e4"
NAMES, LONGEST = 9, 32  # pixels of the letters of a row's name, and how many there are at most
LINES = "Light lines are the values as logged, but for a few far off; strong ones their course."


def image_grid(
    images: Any,
    columns: int | None = None,
    padding: int = 2,
    low: float = -1.0,
    high: float = 1.0,
) -> np.ndarray:
    """Lay images out in rows, left to right, top to bottom, on white.

    Args:
        images: (N, C, H, W) floats, N >= 1, C = 1 for grey or 3 for RGB; an array or a Tensor.
        columns: images in a row; by default as many as make the grid about square.
        padding: white pixels around and between the images.
        low: the value that becomes black; smaller ones do too.
        high: the value that becomes white, or full colour; larger ones do too.

    Returns:
        uint8 array (rows·(H + padding) + padding, columns·(W + padding) + padding), and for RGB
        a last axis of 3.

    Raises:
        TypeError: the images are not floats.
        ValueError: another shape, or arguments that make no grid.
        DataError: values that are not finite; it is a ValueError, too.
    """
    images = as_array(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"image_grid wants (N, C, H, W) with C = 1 or 3 and no side of 0, got {images.shape}"
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            f"image_grid wants floats from low = {low} to high = {high}, got {images.dtype}:"
            " convert the images, and give low and high"
        )
    if not low < high:
        raise ValueError(f"image_grid wants low < high, got low = {low} and high = {high}")
    if padding < 0 or (columns is not None and columns < 1):
        raise ValueError(
            f"image_grid wants padding >= 0 and columns >= 1, got {padding} and {columns}"
        )
    require_finite("image_grid", images, "image")

    levels = np.rint((np.clip(images, low, high) - low) * (255 / (high - low))).astype(np.uint8)
    columns = columns or math.ceil(math.sqrt(len(images)))
    grid = np.ascontiguousarray(tiled(levels, columns, padding, WHITE).transpose(1, 2, 0))
    return grid[..., 0] if grid.shape[2] == 1 else grid


def named_rows(
    rows: Mapping[str, Any] | Iterable[tuple[str, Any]],
    padding: int = 2,
    low: float = -1.0,
    high: float = 1.0,
    columns: Sequence[str] = (),
) -> np.ndarray:
    """Rows of images below each other, the name of each to its left, on white.

    Args:
        rows: images of each row by its name, as many in each and of one size, as for `image_grid`;
            grey ones may stand beside coloured ones. Pairs, where two names may be the same.
        padding, low, high: as for `image_grid`.
        columns: a name above each column; what is wider than an image is cut.

    Returns:
        uint8 array (H', W', 3).

    Raises:
        TypeError, ValueError, DataError: as `image_grid`, or there are no rows, or rows of several
            lengths, or another number of columns.
    """
    pairs = [*(rows.items() if isinstance(rows, Mapping) else rows)]
    if len({len(images) for _, images in pairs} | ({len(columns)} if columns else set())) != 1:
        lengths = [(name, len(images)) for name, images in pairs]
        said = f", and {len(columns)} columns" if columns else ""
        raise ValueError(f"named_rows wants rows of one length, got {lengths}{said}")
    small = font(NAMES)
    pairs = [(_shortened(name), images) for name, images in pairs]
    margin = math.ceil(max(small.getlength(name) for name, _ in pairs)) + 2 * padding
    parts = []
    for name, images in pairs:
        grid = image_grid(images, len(images), padding, low, high)
        grid = np.repeat(grid[..., None], 3, axis=2) if grid.ndim == 2 else grid
        label = Image.new("RGB", (margin, len(grid)), "white")
        _, top, right, bottom = small.getbbox(name)
        place = (margin - padding - right, (len(grid) - top - bottom) // 2)
        ImageDraw.Draw(label).text(place, name, fill="black", font=small)
        parts.append(np.concatenate([np.array(label), grid], axis=1))
    if columns:
        parts.insert(0, _names_above(columns, margin, parts[0].shape[1]))
    return np.concatenate(parts)


def _names_above(names: Sequence[str], left: int, right: int) -> np.ndarray:
    """Names in the middle of columns of one width between these pixels."""
    small, width = font(NAMES), (right - left) / len(names)
    above = Image.new("RGB", (right, NAMES + 4), "white")
    for i, name in enumerate(names):
        while small.getlength(name) > width:
            name = f"{name[:-2]}…" if len(name) > 2 else name[:-1]
        place = left + (i + 0.5) * width, NAMES + 1
        ImageDraw.Draw(above).text(place, name, fill="black", font=small, anchor="ms")
    return np.array(above)


def _shortened(name: str) -> str:
    """The name of a row."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def save_image(
    path: StrPath, array: np.ndarray, scale: int = 1, *, title: str = "", caption: str = ""
) -> None:
    """Write an image as a PNG file.

    Args:
        path: the file; its folder must exist.
        array: uint8, (H, W) for grey or (H, W, 3) for RGB, as `image_grid` gives.
        scale: each pixel becomes a square of this side, so that small images can be seen.
        title: a line above the image.
        caption: what is to be seen, below the image, and in the file as its description.

    Raises:
        TypeError, ValueError: no such array, or a scale below 1.
        OSError: the file cannot be written.
    """
    image = told(_enlarged(_image(array), scale), title, caption)
    description = PngInfo()
    if caption:
        description.add_itxt("Description", caption)
    with written_whole(path) as file:
        image.save(file, format="PNG", optimize=True, pnginfo=description)


def save_gif(
    path: StrPath,
    frames: Iterable[np.ndarray | StrPath],
    seconds_per_frame: float = 0.2,
    hold_last: float = 2.0,
    scale: int = 1,
    colours: int = 128,
    *,
    titles: Iterable[str] = (),
    caption: str = "",
) -> None:
    """Write an animation that repeats for ever as a GIF file.

    All frames share one palette, so that what stays the same costs no bytes and does not flicker.

    Args:
        path: the file; its folder must exist.
        frames: at least one, all of one size: uint8 arrays as for `save_image`, or image files.
        seconds_per_frame: a multiple of 0.01 from 0.02 on, which is as fast as browsers go.
        hold_last: seconds for which the last frame stands.
        scale: each pixel becomes a square of this side.
        colours: size of the palette, 3 to 256; fewer make a smaller file.
        titles: a line above each frame.
        caption: what is to be seen, below all frames.

    Raises:
        TypeError, ValueError: no frames, frames of several sizes, or arguments out of range.
        OSError: a frame cannot be read or the file not written.
    """
    if min(seconds_per_frame, hold_last) < 0.02:
        raise ValueError(
            "save_gif wants seconds_per_frame and hold_last of 0.02 or more, got"
            f" {seconds_per_frame} and {hold_last}"
        )
    if not 3 <= colours <= 256:
        raise ValueError(f"save_gif wants 3 to 256 colours, got {colours}")
    images = [_image(frame) for frame in frames]
    if not images:
        raise ValueError("save_gif wants at least one frame, got none")
    sizes = sorted({image.size for image in images})
    if len(sizes) > 1:
        raise ValueError(f"save_gif wants frames of one size, got (width, height) {sizes}")

    palette = _palette(images, colours)
    # No dithering: its dots would crawl from frame to frame and swell the file.
    first, *rest = (
        told(_enlarged(image, scale), title, caption)
        .convert("RGB")
        .quantize(palette=palette, dither=Image.Dither.NONE)
        for image, title in zip(images, chain(titles, repeat("")), strict=False)
    )
    milliseconds = [round(1000 * seconds_per_frame)] * len(rest) + [round(1000 * hold_last)]
    with written_whole(path) as file:
        first.save(
            file, format="GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0
        )


def new_figure(width: float, height: float, **options: Any) -> Any:
    """A figure of matplotlib's, in inches, whose `canvas` draws it and writes it as PNG.

    Args:
        options: for `matplotlib.figure.Figure`.
    """
    # Here, because it takes as long as all other imports together. Without pyplot, which keeps
    # every figure, chooses a window system and is not safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=(width, height), **options)).figure


def plot_metrics(
    path: StrPath,
    records: Iterable[Mapping[str, float]],
    panels: Mapping[str, Sequence[str]],
    title: str | None = None,
    smoothing: float = 0.02,
    caption: str = "",
) -> None:
    """Draw metrics over the steps as a PNG file: panels side by side, some curves in each.

    Each curve is a light line through every finite value and a strong line through their means
    under a Gaussian window. A metric that no record holds yet is named so in the legend, so that
    a figure drawn during training fails on nothing. The window leaves out what lies far
    from all else, as first values may.

    Args:
        path: the file; its folder must exist.
        records: what `Run.metrics` gives: dicts with "step" and some of the metrics.
        panels: title of each panel and the metrics in it, one to six, such as
            `{"losses": ["loss_d", "loss_g"], "outputs of D": ["d_real", "d_fake"]}`.
        title: stands above all panels.
        smoothing: standard deviation of the window, as a fraction of a curve's points; 0 draws
            the values alone.
        caption: what is to be seen, below the panels; what light and strong lines are is added.

    Raises:
        ValueError: no panels, or more than six metrics in one.
        OSError: the file cannot be written.
    """
    if not panels or any(not 1 <= len(names) <= len(COLOURS) for names in panels.values()):
        raise ValueError(
            f"plot_metrics wants panels of 1 to {len(COLOURS)} metrics each, got {dict(panels)}"
        )
    records = list(records)
    last_step = max((record["step"] for record in records), default=0)
    rows = math.ceil(len(panels) / 3)
    columns = math.ceil(len(panels) / rows)
    figure = new_figure(4.4 * columns, 3.3 * rows, dpi=150, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    smoothed = False
    for i, (heading, names) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        for j, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
            width = 1.8 + 1.4 * (len(names) - 1 - j)  # one below another is seen nevertheless
            smoothed |= draw_curve(axes, records, name, colour, smoothing, width)
        axes.set_xlim(0, 1.02 * max(last_step, 1))  # or a mark at the last step is cut
        _keep_outliers_out(axes)
        _dress(axes, heading, columns=min(len(names), 3))
    if title:
        figure.suptitle(title, color=INK, fontsize=12, fontweight="bold")
    save_image(path, pixels(figure), caption=f"{caption} {LINES if smoothed else ''}".strip())


def _keep_outliers_out(axes: Any) -> None:
    """A window of all values but a hundredth at either end, where that makes it half as high."""
    values = np.concatenate([np.zeros(0), *(line.get_ydata() for line in axes.lines)])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = np.percentile(values, [1, 99])
    if high > low and np.ptp(values) > 2 * (high - low):
        edge = 0.05 * (high - low)
        axes.set_ylim(low - edge, high + edge)


def pixels(figure: Any) -> np.ndarray:
    """A figure of matplotlib's, drawn: uint8 array (H, W, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def draw_curve(
    axes: Any,
    records: Iterable[Mapping[str, float]],
    name: str,
    colour: str,
    smoothing: float = 0,
    linewidth: float = 1.8,
) -> bool:
    """One metric: its finite values, light, and their smoothed course, if there are enough of them
    to be smoothed, which is given back; see `plot_metrics`."""
    points = [(record["step"], record[name]) for record in records if name in record]
    steps, values = np.array(points, dtype=float).reshape(-1, 2).T
    finite = abs(values) < LARGEST
    raw = np.where(finite, values, np.nan)
    name = name if finite.any() else f"{name} (none yet)"
    width = smoothing * len(values)
    if width < 0.5:
        alone = "o" if finite.sum() == 1 else None  # a line wants two points
        axes.plot(steps, raw, color=colour, linewidth=linewidth, label=name, marker=alone)
        return False
    weight = gaussian_filter1d(finite.astype(float), width, mode="constant")
    mean = gaussian_filter1d(np.where(finite, values, 0.0), width, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        smooth = np.where(finite, mean / weight, np.nan)
    axes.plot(steps, raw, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(steps, smooth, color=colour, linewidth=linewidth, label=name)
    return True


def head(axes: Any, heading: str, columns: int = 3, size: float = 7, *handles: Any) -> None:
    """A heading, and below it, above the data, a legend of so many columns.

    Args:
        size: of the legend's letters, in points.
        handles: for matplotlib's `legend`, if the curves have no labels.
    """
    legend = axes.legend(
        *handles,
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.99),
        ncols=columns,
        frameon=False,
        fontsize=size,
        labelcolor=INK,
        handlelength=1.2,
        markerscale=2,
        columnspacing=1.4,
    )
    rows = math.ceil(len(legend.get_texts()) / columns)
    pad = 8 + 14 / 9 * size * rows
    axes.set_title(heading, loc="left", color=INK, fontsize=size + 2, fontweight="bold", pad=pad)


def _dress(axes: Any, heading: str, columns: int) -> None:
    """Heading, legend and a quiet frame."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    head(axes, heading, columns, 9)
    axes.set_xlabel("step", color=INK)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 20000 is 20k
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    quiet(axes, 9)
    axes.yaxis.get_offset_text().set(ha="right", size=9)  # 1e-5 beside the legend, not on it


def quiet(axes: Any, size: float) -> None:
    """Take from a frame what draws the eye from the data; numbers are of that size."""
    axes.tick_params(colors=INK, length=0, labelsize=size)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")


def _image(source: np.ndarray | StrPath) -> Image.Image:
    """The array, or the file, as an image of Pillow's, grey or RGB."""
    if not hasattr(source, "shape"):
        with Image.open(source) as image:
            return image.convert("L" if image.mode in ("1", "L") else "RGB")
    array = as_array(source)
    if array.dtype != np.uint8:
        raise TypeError(f"an image should be uint8, got {array.dtype}: image_grid makes such")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or 0 in array.shape:
        raise ValueError(f"an image should be (H, W) or (H, W, 3), got {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _palette(images: list[Image.Image], colours: int) -> Image.Image:
    """Choose the colours for at most 16 images spread over all; an image that carries them."""
    sample = images[:: math.ceil(len(images) / 16)]
    strip = Image.fromarray(np.concatenate([np.asarray(image.convert("RGB")) for image in sample]))
    chosen = strip.quantize(colours - 2, Image.Quantize.MEDIANCUT).getpalette()
    # A chosen colour is the mean of many, so black and white would be lost if not added; and
    # Pillow looks a colour up in steps of 4, where 250 to 254 would stand nearer to white than 255.
    near_white = [255 if level >= 250 else level for level in chosen[: 3 * (colours - 2)]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([0, 0, 0, 255, 255, 255, *near_white])
    return palette


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    if scale < 1:
        raise ValueError(f"scale should be 1 or more, got {scale}")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
