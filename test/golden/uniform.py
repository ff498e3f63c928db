"""Numbers that these scripts and the tests make from the same integers (test/uniform.ts), so that none is stored."""

import numpy as np


def integers(seed, n):
    """n integers of a 32-bit linear congruential generator (Numerical Recipes)."""
    states = []
    for _ in range(n):
        seed = (1664525 * seed + 1013904223) % 2**32
        states.append(seed)
    return states


def uniform(seed, n):
    """n float64 multiples of 2^-20 in [-1, 1): the upper bits of the integers."""
    return np.array([(state >> 11) / 2**20 - 1 for state in integers(seed, n)])
