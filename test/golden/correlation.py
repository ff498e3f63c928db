"""Makes correlation.json: Pearson's and Spearman's correlation and average ranks by scipy, for the test of src/simcse/evaluation/metrics/correlation.ts.

Run with Debian's python3-scipy: `/usr/bin/python3 test/golden/correlation.py`. Long samples are not stored but made on both sides from the
same integer generator and the same float64 operations, so they are equal bit for bit. NaN stands as null.
"""

import json
import math
import pathlib
import warnings

import scipy
from scipy.stats import pearsonr, rankdata, spearmanr

from uniform import integers

warnings.simplefilter("ignore")  # Constant input is one of the cases.


def fractions(seed, n):
    """n float64 in [0, 1)."""
    return [state / 2**32 for state in integers(seed, n)]


def formula(seed, n, slope, levels, offset, scale):
    """x uniform in [0, 1); y = slope·x + noise, in `levels` steps when that is not 0; both shifted and scaled."""
    x, noise = fractions(seed, n), fractions(seed + 1, n)
    y = [slope * a + b for a, b in zip(x, noise)]
    if levels:
        y = [math.floor(levels * b) / levels for b in y]
    return [offset + scale * a for a in x], [offset + scale * b for b in y]


stored = {
    "two ascending": ([1, 2], [3, 5]),
    "two descending": ([1, 2], [5, 3]),
    "three": ([0.1, 0.2, 0.9], [1, 3, 2]),
    "equal samples": ([0.3, 0.1, 0.2, 0.7], [0.3, 0.1, 0.2, 0.7]),
    "ties in one": ([1, 2, 2, 3, 3, 3, 4], [7, 1, 6, 2, 5, 3, 4]),
    "ties in both": ([0, 0, 1, 1, 2, 2, 2, 5], [5, 5, 5, 1, 1, 0, 0, 0]),
    "gold scores": ([0.91, 0.12, 0.55, 0.55, 0.8, -0.1, 0.33], [5, 0.4, 2.6, 2.6, 3.8, 0, 2.6]),
    "constant x": ([0.1] * 6, [1, 2, 3, 4, 5, 6]),
    "constant y": ([1, 2, 3], [0.7, 0.7, 0.7]),
    "negative zero ties with zero": ([0.0, -0.0, 1, 2], [1, 2, 3, 4]),
    "wide range": ([1e-200, 1e-100, 1, 1e100], [1, 2, 4, 3]),
    "infinite": ([1, 2, math.inf, 3], [1, 2, 3, 4]),
    "not a number": ([1, math.nan, 3, 4], [1, 2, 3, 4]),
}
formulas = {
    "thousand": dict(seed=1, n=1000, slope=0.7, levels=0, offset=0, scale=1),
    "thousand in few levels": dict(seed=2, n=1001, slope=0.5, levels=5, offset=0, scale=5),
    "large": dict(seed=3, n=20000, slope=-0.3, levels=0, offset=0, scale=1),
    "large with ties": dict(seed=4, n=20000, slope=0.2, levels=8, offset=0, scale=5),
    "far from zero": dict(seed=5, n=2000, slope=0.9, levels=0, offset=1e6, scale=1),
    "close together": dict(seed=6, n=2000, slope=0.4, levels=0, offset=0.97, scale=1e-5),
}


def nullable(value):
    value = float(value)
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "inf"


def golden(x, y):
    # scipy refuses non-finite values in pearsonr; their correlation is undefined.
    finite = all(map(math.isfinite, [*x, *y]))
    return {"pearson": nullable(pearsonr(x, y)[0]) if finite else None, "spearman": nullable(spearmanr(x, y)[0])}


out = {
    "scipy": scipy.__version__,
    "stored": [
        {
            "name": name,
            "x": [nullable(v) for v in x],
            "y": [nullable(v) for v in y],
            "ranks": [nullable(v) for v in rankdata(x, nan_policy="propagate")],
            **golden(x, y),
        }
        for name, (x, y) in stored.items()
    ],
    "formulas": [{"name": name, **f, **golden(*formula(**f))} for name, f in formulas.items()],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out, indent=1) + "\n")
