"""Exact search in NumPy on the CPU, as bench/search.ts does it on the adapter: prints the median milliseconds of a search.

The vectors are f32 and taken in parts of 65,536, so that here too the matrix of scores is never whole; the best of the parts are merged.
"""

import sys
import time

import numpy as np

PART = 65_536


def search(vectors, queries, k):
    scores, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(vectors), PART):
        part = queries @ vectors[start : start + PART].T
        best = np.argpartition(part, -min(k, part.shape[1]), axis=1)[:, -k:]
        scores = np.concatenate([scores, np.take_along_axis(part, best, 1)], axis=1)
        rows = np.concatenate([rows, best + start], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def main(count, dimension, queries, k, rounds):
    random = np.random.default_rng(1)
    vectors = random.random((count, dimension), np.float32) - np.float32(0.5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = random.random((queries, dimension), np.float32) - np.float32(0.5)
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        search(vectors, asked, k)
        times.append((time.perf_counter() - start) * 1000)
    print(sorted(times[1:])[rounds // 2])


main(*map(int, sys.argv[1:]))
