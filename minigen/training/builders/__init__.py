"""A module for each demo: the settings of its runs, and the model that they describe.

The demos import them by name; `minigen.training.load` by the table in minigen/training/loading.py.
"""
