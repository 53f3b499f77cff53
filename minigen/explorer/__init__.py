"""A trained model in the browser: controls, and beside them the picture that they give.

    door.py             who gets in: the page of this server, in the browser of who started it
    server.py           HTTP on the loopback address, a fixed table of routes
    worker.py           one thread computes; the newest request wins
    controls.py         what can be moved, and values checked against it
    answers.py          pictures and JSON for the page
    uploads.py          a picture that somebody gives, bounded before it is decoded
    images.py, codes.py, chains.py, plane.py, words.py
                        the kinds of models: what controls there are, what picture they give
    page.html, page.css, page.js
                        the page, which is sent as one file and asks for no other
"""
