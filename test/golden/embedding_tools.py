"""Makes embedding_tools.json: paraphrase mining, community detection and static int8 by sentence-transformers, and a file of faiss, for the tests of
src/simcse/search/ and src/simcse/embedding/int8-ranges.ts.

Run with Python 3 that has sentence-transformers and faiss: `python3 test/golden/embedding_tools.py`. Vectors are made on both sides from the same integer
generator (see classifiers.py).
"""

import base64
import json
import pathlib

import faiss
import numpy as np
import torch
from classifiers import uniform
from sentence_transformers.util import community_detection, paraphrase_mining_embeddings, quantize_embeddings

ROWS, DIMENSION, TOPICS = 600, 16, 40
THRESHOLD, MIN_SIZE, PAIRS = 0.8, 5, 700

# Each row is near one of the topics, and earlier topics have more rows.
noise = uniform(41, ROWS * DIMENSION).reshape(ROWS, DIMENSION)
topics = uniform(42, TOPICS * DIMENSION).reshape(TOPICS, DIMENSION)
topic = [int((i * i * 7919 + i) % 1009 / 1009 * ((i % 5 + 1) / 5) * TOPICS) for i in range(ROWS)]
vectors = (topics[topic] + 0.6 * noise).astype(np.float32)

pairs = paraphrase_mining_embeddings(torch.tensor(vectors), top_k=ROWS, max_pairs=PAIRS)
communities = community_detection(vectors, threshold=THRESHOLD, min_community_size=MIN_SIZE)
calibration, stored = vectors[:400], vectors[400:]
int8 = quantize_embeddings(stored, precision="int8", calibration_embeddings=calibration)

index = faiss.IndexFlatIP(DIMENSION)
index.add(vectors[:3])

golden = {
    "rows": ROWS,
    "dimension": DIMENSION,
    "topics": TOPICS,
    "topic": topic,
    "threshold": THRESHOLD,
    "min_size": MIN_SIZE,
    "pairs": [[i, j, round(score, 6)] for score, i, j in pairs],
    "communities": communities,
    "calibration_rows": len(calibration),
    "faiss": base64.b64encode(faiss.serialize_index(index).tobytes()).decode(),
    "int8": base64.b64encode(int8.tobytes()).decode(),
}
pathlib.Path(__file__).with_name("embedding_tools.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(len(communities), [len(community) for community in communities][:10], pairs[-1])
