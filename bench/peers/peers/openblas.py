"""numpy's matrix product, which Debian's numpy leaves to OpenBLAS where libopenblas is installed."""

import numpy as np

from lines import encoded, operand, serve


class Product:
    def kernel(self, op, operands, epsilon):
        self.a, self.b = [operand(**one) for one in operands]
        return {}

    def run(self, times):
        for _ in range(times):
            self.last = self.a @ self.b
        return {}

    def result(self):
        return {"y": encoded(self.last)}


def blas():
    np.ones((2, 2), np.float32) @ np.ones((2, 2), np.float32)
    with open("/proc/self/maps") as maps:
        return next((line.split()[-1] for line in maps if "blas" in line), "no BLAS")


if "openblas" not in blas():
    raise SystemExit(f"numpy uses {blas()} and not OpenBLAS: install libopenblas0-pthread")
product = Product()
serve(f"numpy {np.__version__}", {"kernel": product.kernel, "run": product.run, "result": product.result})
