"""Makes own_sets.json: scores on sets of one's own by scikit-learn, SciPy and sentence-transformers' evaluators, for the test of
src/simcse/evaluation/sets/.

Run with Python 3 that has sentence-transformers: `python3 test/golden/own_sets.py`. Vectors are not stored but made on both sides from the same
integer generator (see classifiers.py), so they are equal bit for bit. Text number i is "i", and its vector is row i.
"""

import json
import pathlib

import numpy as np
from classifiers import uniform
from scipy.stats import pearsonr, spearmanr
from sentence_transformers.sentence_transformer.evaluation import BinaryClassificationEvaluator, InformationRetrievalEvaluator
from sklearn.metrics import average_precision_score

TEXTS, DIMENSION, TOPICS = 120, 16, 12

# Texts i and i + TOPICS share a topic, so that scores mean something; the noise makes them fallible.
noise = uniform(31, TEXTS * DIMENSION).reshape(TEXTS, DIMENSION)
topics = uniform(32, TOPICS * DIMENSION).reshape(TOPICS, DIMENSION)
vectors = np.array([topics[i % TOPICS] for i in range(TEXTS)]) * 0.75 + noise
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
cosines = unit @ unit.T

draw = uniform(33, 6000)
number = lambda i, below: int((draw[i] + 1) / 2 * below)
same = lambda a, b: a % TOPICS == b % TOPICS

pairs = [(number(2 * i, TEXTS), number(2 * i + 1, TEXTS)) for i in range(150)]
pairs += [(a, (a + TOPICS * (1 + number(1000 + a, 8))) % TEXTS) for a in range(60)]
of_pairs = np.array([cosines[a, b] for a, b in pairs])
scores = [round(5 * (0.7 * same(a, b) + 0.3 * number(1200 + i, 100) / 100), 1) for i, (a, b) in enumerate(pairs)]
labels = np.array([int(same(a, b)) for a, b in pairs])

accuracy, accuracy_threshold = BinaryClassificationEvaluator.find_best_acc_and_threshold(of_pairs, labels, True)
f1, precision, recall, f1_threshold = BinaryClassificationEvaluator.find_best_f1_and_threshold(of_pairs, labels, True)

queries = list(range(0, 30))
corpus = list(range(30, TEXTS))
relevant = {q: [d for d in corpus if same(q, d) and number(1500 + q * TEXTS + d - 30, 3) == 0] for q in queries}
relevant = {q: documents for q, documents in relevant.items() if documents}
ranker = InformationRetrievalEvaluator(
    {str(q): str(q) for q in relevant}, {str(d): str(d) for d in corpus}, {str(q): {str(d) for d in documents} for q, documents in relevant.items()}
)
found = [[{"score": float(cosines[int(q), d]), "corpus_id": str(d)} for d in corpus] for q in ranker.queries_ids]
ranking = {f"{name.split('@')[0]}@{k}": float(v) for name, values in ranker.compute_metrics(found).items() for k, v in values.items()}

triplets = [(number(3 * i + 2, TEXTS), number(3 * i + 3, TEXTS), number(3 * i + 4, TEXTS)) for i in range(100)]

golden = {
    "texts": TEXTS,
    "dimension": DIMENSION,
    "topics": TOPICS,
    "pairs": pairs,
    "scores": scores,
    "labels": labels.tolist(),
    "scored": {"spearman": float(spearmanr(of_pairs, scores).statistic), "pearson": float(pearsonr(of_pairs, scores).statistic)},
    "labelled": {
        "ap": float(average_precision_score(labels, of_pairs)),
        "accuracy": float(accuracy),
        "accuracy_threshold": float(accuracy_threshold),
        "f1": float(f1),
        "f1_threshold": float(f1_threshold),
        "precision": float(precision),
        "recall": float(recall),
    },
    "relevant": {str(q): documents for q, documents in relevant.items()},
    "first_document": corpus[0],
    "ranking": ranking,
    "triplets": triplets,
    "triplet_accuracy": float(np.mean([cosines[a, p] > cosines[a, n] for a, p, n in triplets])),
}
pathlib.Path(__file__).with_name("own_sets.json").write_text(json.dumps(golden) + "\n")
