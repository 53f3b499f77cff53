"""Look at a trained model in the browser: python demos/explore.py RUN

Sliders move what the model is given, and the picture beside them moves along: noise and class of a
GAN, a StyleGAN's layers, the latent plane of a VAE, into which one can click, or a picture of your
own; guidance and steps of diffusion, the map of words, the field that points in the plane follow.
RUN is the folder of a run, or digits, the model that comes with the package.

The page is served to this machine alone, at the address that is printed. It has a secret in it, so
that no other user and no other page gets in. Ctrl-C ends it.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import threading
import webbrowser

from minigen import training
from minigen.explorer import Server, view_of
from minigen.training.flags import device, path, whole


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("run", type=path, metavar="RUN", help="a run folder, or digits")
    add("--port", type=whole(0, 65535), default=0, help="0 for any that is free")
    add("--no-browser", action="store_true", help="only print the address")
    add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card")
    return parser


def open_browser(address: str) -> None:
    """Show the page in the browser, if there is one."""
    if not webbrowser.open(address):
        print("no browser could be opened here: open the address yourself", flush=True)


@training.script
def main() -> None:
    args = flags().parse_args()
    print(f"reading {args.run} …", flush=True)
    view = view_of(training.load(args.run, args.device))
    with Server(view, args.port) as server:
        print(f"{server.door.address}\nCtrl-C ends it", flush=True)
        if not args.no_browser:  # in a thread, for some browsers return only when they are closed
            address = server.door.address_once
            threading.Thread(target=open_browser, args=(address,), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
