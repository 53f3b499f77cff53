"""What stands on the page of a run, or of several side by side, section by section."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from minigen.training.pages import about as A
from minigen.training.pages import papers as P
from minigen.training.pages.curves import last_values
from minigen.training.pages.html import Markup, joined, tag
from minigen.training.pages.seen import Seen, with_floors

NOTHING = Markup("")


def head(runs: Sequence[Seen], headings: Sequence[str]) -> Markup:
    """The name, what the run is and how far, what cannot be read, and where to find what."""
    several = len(runs) > 1
    names = [run.name for run in runs]
    parts = [tag("h1", " and ".join(names) if len(names) < 4 else f"{len(names)} runs")]
    if len({str(run.about.get("about", "")) for run in runs}) == 1:
        parts.append(tag("p", str(runs[0].about.get("about", "")), class_="lead"))
    for run in runs:
        of = tag("strong", f"{run.name}: ") if several else NOTHING
        parts.append(tag("p", of, progress(run.about, run.name), class_="progress"))
        parts += [tag("p", of, note, class_="note") for note in run.notes]
    links = [tag("a", heading, href=f"#{_id(heading)}") for heading in headings]
    often = tag("label", tag("input", type="checkbox", id="often"), " every 10 s")
    tools = tag("span", reload_button(), often, class_="tools")
    return tag("header", *parts, tag("nav", *links, tools, aria_label="page"))


def reload_button() -> Markup:
    """What loads the page anew."""
    return tag("button", "Reload", type="button", id="reload")


def progress(about: Mapping[str, Any], name: str) -> Markup:
    """How far a run is, as its folder says."""
    step, steps, seconds = (about.get(key) for key in ("step", "steps", "seconds"))
    if type(step) is not int or type(steps) is not int or not 0 <= step <= steps < 2**63:
        return Markup("nothing is known of its progress")
    done = tag("progress", value=step, max=max(steps, 1), aria_label=f"steps of {name}")
    state = "finished" if step == steps else "stopped" if about.get("interrupted") else "so far"
    said = f" step {step:,} of {steps:,}, {state}"
    if type(seconds) in (int, float) and 0 <= seconds < 1e12:
        said += f"; {_seconds(seconds)} of training"
    return joined(done, f"{said}; written {about.get('written', 'long ago')}")


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def section(heading: str, inside: Markup) -> Markup:
    """A part of the page with its heading."""
    place = _id(heading)
    return tag("section", tag("h2", heading, id=place), inside, aria_labelledby=place)


def _id(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def table(
    of: str,
    rows: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    meanings: Mapping[str, str] | None = None,
    name: str = "span",
) -> Markup:
    """A table that can be scrolled where it is wider than the screen; nothing without rows.

    Args:
        of: what a row is.
        rows: the cells of each row, by its name; where they differ in a table with meanings, the
            row is marked.
        columns: their headings.
        meanings: what the last column says of each row.
        name: the element in which a row's name stands.
    """
    if not rows:
        return NOTHING
    heads = [of, *columns, *(["what it means"] if meanings else [])]
    lines = []
    for row, cells in rows.items():
        differs = bool(meanings) and len({*cells}) > 1
        sign = tag("span", "≠", class_="sign", role="img", aria_label="differs")
        first = tag("th", *([sign] if differs else []), tag(name, row), scope="row")
        inside = [tag("td", cell) for cell in cells]
        if meanings:
            inside.append(tag("td", meanings.get(row, ""), class_="meaning"))
        lines.append(tag("tr", first, *inside, class_="differs" if differs else None))
    return wide(of, heads, lines)


def wide(of: str, heads: Sequence[str], lines: Sequence[Markup]) -> Markup:
    """A table of these rows, in a region that can be scrolled, also by keyboard."""
    top = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    inside = tag("table", top, tag("tbody", *lines))
    return tag(
        "div", inside, class_="wide", tabindex=0, role="region", aria_label=f"table of {of}s"
    )


def curves(runs: Sequence[Seen]) -> Markup:
    """Where the script draws the curves, and their values for those who cannot see them."""
    if not any(run.curves for run in runs):
        return NOTHING
    log = tag("label", tag("input", type="checkbox", id="log"), " logarithmic")
    slider = tag("input", type="range", id="smooth", min=0, max=10, step=0.5, value=2)
    smooth = tag("label", "smoothing ", slider, tag("output", "2 %", id="smooth-said"))
    hint = "Light: the range of all values. Strong: their mean under a window, which you may widen."
    parts = [tag("div", log, smooth, class_="tools"), tag("p", hint, class_="hint")]
    parts.append(tag("div", id="charts", class_="charts"))
    if len(runs) == 1:
        rows = {k: [*map(number, v)] for k, v in last_values(runs[0].curves).items()}
        values = table("metric", rows, ("first", "last", "least", "greatest"))
        parts.append(tag("details", tag("summary", "Values"), values))
    return joined(*parts)


def samples(runs: Sequence[Seen]) -> Markup:
    """Where the script shows samples, and the slider over their steps."""
    if not any(run.frames for run in runs):
        return NOTHING
    slider = tag("input", type="range", id="step", min=0, max=0, value=0)
    step = tag("label", "step ", slider, tag("output", "", id="step-said"))
    play = tag("button", "Play", type="button", id="play")
    return joined(tag("div", play, step, class_="tools"), _frames(runs, id="frames"))


def _frames(runs: Sequence[Seen], *inside: Markup, **attributes: str) -> Markup:
    """Pictures in a row; those of several runs are as narrow as it takes."""
    class_ = "frames beside" if len(runs) > 1 else "frames"
    return tag("div", *inside, class_=class_, **attributes)


def figures(runs: Sequence[Seen]) -> Markup:
    """Other pictures of the run folder; the files that are not on the page are links."""
    found = [_figure(run, file, len(runs) > 1) for run in runs for file in run.figures]
    parts = [_frames(runs, *found)] if found else []
    if len(runs) == 1 and runs[0].files:
        links = [tag("a", file, href=f"./{address(file)}") for file in runs[0].files]
        parts.append(tag("p", "Beside this page: ", *links, class_="hint files"))
    return joined(*parts)


def _figure(run: Seen, file: str, several: bool) -> Markup:
    """A figure with what it shows; that of the only run leads to its file."""
    picture = run.figures[file]
    image = tag(
        "img", src=picture.src, width=picture.width, height=picture.height,
        class_="squares" if picture.squares else None, alt=picture.said or f"{file} of {run.name}",
    )  # fmt: skip
    name = f"{file} of {run.name}" if several else tag("a", file, href=f"./{address(file)}")
    return tag("figure", image, tag("figcaption", name))


def address(file: str) -> str:
    """A name as part of a relative address."""
    return quote(os.fsencode(file), safe="")


def scores(runs: Sequence[Seen]) -> Markup:
    """Scores, what stands beside each in small."""
    found = [with_floors(run.scores) for run in runs]
    names = dict.fromkeys(name for each in found for name in each)
    if not names:
        return NOTHING
    rows = {
        name: [_score(run, name, each) for run, each in zip(runs, found, strict=True)]
        for name in names
    }
    hint = "Small: what a score is to be compared with. A floor is what as much real data gets."
    return joined(tag("p", hint, class_="hint"), table("score", rows, columns(runs)))


def _score(run: Seen, name: str, beside: Mapping[str, Mapping[str, float]]) -> Markup:
    if name not in run.scores:
        return Markup("–")
    small = [tag("small", f"{what} {number(value)}") for what, value in beside[name].items()]
    return joined(number(run.scores[name]), *small)


def number(value: float) -> str:
    """A number for a table: four digits, or all before the point."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def columns(runs: Sequence[Seen]) -> list[str]:
    """The headings of what is known of runs."""
    return [run.name for run in runs] if len(runs) > 1 else ["value"]


def settings(runs: Sequence[Seen]) -> Markup:
    """Settings and what they mean; those that differ between runs come first, and are marked."""
    meanings = dict(A.MEANINGS)
    for run in runs:
        helps = run.about.get("help")
        meanings |= {k: str(v) for k, v in helps.items()} if isinstance(helps, dict) else {}
    keys = dict.fromkeys(key for run in runs for key in run.config)
    rows = {key: [_setting(run.config, key) for run in runs] for key in keys}
    rows = dict(sorted(rows.items(), key=lambda row: len({*row[1]}) == 1))
    return table("setting", rows, columns(runs), meanings, "code")


def _setting(config: Mapping[str, Any], key: str) -> str:
    return A.setting(config[key]) if key in config else "not there"


def machine(runs: Sequence[Seen]) -> Markup:
    """Where the runs were trained."""
    found = [m if isinstance(m := run.about.get("machine"), dict) else {} for run in runs]
    keys = dict.fromkeys(key for each in found for key in each)
    rows = {key: [str(each.get(key, "–")) for each in found] for key in keys}
    return table("part", rows, columns(runs))


def resume(runs: Sequence[Seen]) -> Markup:
    """The commands that go on with runs, in the folder where they were begun."""
    lines = [
        tag(
            "pre",
            tag("code", command),
            tabindex=0,
            role="region",
            aria_label=f"to resume {run.name}",
        )
        for run in runs
        if (command := A.resume_command(run.about))
    ]
    hint = "In the folder where it was begun. With more steps or epochs it goes on further."
    return joined(tag("p", hint, class_="hint"), *lines) if lines else NOTHING


def papers(runs: Sequence[Seen]) -> Markup:
    """The papers that the demos build."""
    found = dict.fromkeys(
        p for run in runs for p in P.papers().get(str(run.config.get("demo")), ())
    )
    items = [
        tag("li", f"{p.authors} {p.year}: ", tag("a", p.title, href=p.link, rel="noreferrer"))
        for p in found
    ]
    return tag("ul", *items) if items else NOTHING
