"""What Python reads from an exported index, for test/simcse/search/export-index.test.ts: the best row for each row, by pyarrow, NumPy and faiss.

    python exported_index.py INDEX.parquet INDEX.npy INDEX.faiss
"""

import json
import sys

import faiss
import numpy as np
import pyarrow.parquet as parquet

table = parquet.read_table(sys.argv[1])
matrix = np.load(sys.argv[2])
index = faiss.read_index(sys.argv[3])
assert type(index).__name__ == "IndexFlatIP", type(index)
assert np.array_equal(np.array(table["embedding"].to_pylist(), dtype=np.float32), matrix)
assert np.array_equal(index.reconstruct_n(0, index.ntotal), matrix)
print(
    json.dumps(
        {
            "ids": table["id"].to_pylist(),
            "sentences": table["sentence"].to_pylist(),
            "metadata": [value and json.loads(value) for value in table["metadata"].to_pylist()],
            "best": index.search(matrix, 2)[1].tolist(),
        }
    )
)
