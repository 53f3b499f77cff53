"""A trained model in the browser: controls, and beside them the picture that they give.

door.py             who gets in: the page of this server, in the browser of who started it
server.py           HTTP on the loopback address, a fixed table of routes
worker.py           one thread computes; the newest request wins
controls.py         what can be moved, and values checked against it
answers.py          pictures and JSON for the page
uploads.py          a picture that somebody gives, bounded before it is decoded
view.py             what every kind of model has for the page; by kinds in
of_images.py, of_codes.py, of_chains.py, of_pictures.py, of_plane.py, of_words.py
views.py            the table of kinds
page.*, door.*      what the browser is sent: each page as one file, which asks for no other
"""

from minigen.explorer.server import Server
from minigen.explorer.views import view_of

__all__ = ["Server", "view_of"]
