"""Makes principal_components.json: principal components of vectors by NumPy's SVD in float64, for the test of src/simcse/distillation/principal-components.ts.

Run with Python 3 that has NumPy: `python3 test/golden/principal_components.py`. Vectors are not stored but made on both sides from the same
integer generator (uniform.py), with columns of different sizes so that no two components are alike.
"""

import json
import pathlib

import numpy as np

from uniform import uniform

ROWS, DIMENSION, COMPONENTS = 60, 12, 5


vectors = (uniform(91, ROWS * DIMENSION).reshape(ROWS, DIMENSION) * 0.75 ** np.arange(DIMENSION) + 0.125).astype(np.float32).astype(np.float64)
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
_, singular, components = np.linalg.svd(unit, full_matrices=False)
components *= np.sign(components[np.arange(DIMENSION), np.abs(components).argmax(1)])[:, None]
matrix = components[:COMPONENTS].T

golden = {
    "rows": ROWS,
    "dimension": DIMENSION,
    "components": COMPONENTS,
    "matrix": np.round(matrix, 9).ravel().tolist(),
    "projected": np.round(vectors @ matrix, 9).ravel().tolist(),
    "kept": round(float((singular[:COMPONENTS] ** 2).sum() / (singular**2).sum()), 9),
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
