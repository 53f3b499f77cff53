"""What demos/benchmark.py measures, and with what.

sections       what it measures, by name, and its command line
measuring      alternating order, the roofline, peak memory, tables
versus         whole networks against PyTorch, a process each: child
networks       those networks, written once for both libraries; drawn are those by a seed
with_torch     the models that are compared, in PyTorch
process        a step in a process of its own
"""
