"""numpy's matrix product, which Debian's numpy leaves to OpenBLAS where libopenblas is installed."""

import numpy as np

from lines import encoded, operand, serve

operands, last = [], None


def kernel(op, operands, epsilon):
    globals()["operands"] = [operand(**one) for one in operands]
    return {}


def run(times):
    for _ in range(times):
        globals()["last"] = operands[0] @ operands[1]
    return {}


def blas():
    np.ones((2, 2), np.float32) @ np.ones((2, 2), np.float32)
    with open("/proc/self/maps") as maps:
        return next((line.split()[-1] for line in maps if "blas" in line), "no BLAS")


if "openblas" not in blas():
    raise SystemExit(f"numpy uses {blas()} and not OpenBLAS: install libopenblas0-pthread")
serve(f"numpy {np.__version__}", {"kernel": kernel, "run": run, "result": lambda: {"y": encoded(last)}})
