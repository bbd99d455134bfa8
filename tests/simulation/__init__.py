"""A simulation of whole installations: the real code, with everything around it made up.

`docs/simulation.md` tells what is real, what is not, and how a seed is replayed.
"""
