"""Pages that show runs: a file each, which a browser opens without a server and without network.

Read in this order: `curves` and `pictures` thin what a run has grown to, `about` notes what its
folder would not say, `seen` gathers all of it, `html` writes elements that no name can break out
of, `sections` makes them of what was gathered, `page` puts them together, of one run or several,
and `runlist` lists the runs of a folder. page.js draws the curves, page.css is the style of all,
in the colours of colours.css.
"""

from minigen.training.pages.html import Markup, document, in_script, joined, tag
from minigen.training.pages.page import RunPage, write_comparison, write_page
from minigen.training.pages.runlist import RunList

__all__ = [
    "Markup",
    "RunList",
    "RunPage",
    "document",
    "in_script",
    "joined",
    "tag",
    "write_comparison",
    "write_page",
]
