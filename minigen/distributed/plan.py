"""The command `python -m minigen.distributed.plan RUN`: see `minigen/training/planning.py`."""

from minigen.training.planning import command

if __name__ == "__main__":
    command()
