"""sentence-transformers' evaluators on the files that `simcse evaluate --eval_file` scores, with the same model.

python bench/own_sets.py MODEL FILE.csv…

A file holds sentence1, sentence2 and score; or sentence1, sentence2 and label (0 or 1); or question and answer; or sent0, sent1 and hard_neg.
"""

import csv
import sys

from sentence_transformers import SentenceTransformer
from sentence_transformers.evaluation import (
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    TripletEvaluator,
)


def evaluator(rows):
    """The evaluator of the rows' kind."""
    columns = list(rows[0])
    texts = [[row[column] for row in rows] for column in columns]
    if "score" in columns:
        return EmbeddingSimilarityEvaluator(texts[0], texts[1], [float(row["score"]) for row in rows])
    if "label" in columns:
        return BinaryClassificationEvaluator(texts[0], texts[1], [int(row["label"]) for row in rows])
    if len(columns) == 3:
        return TripletEvaluator(*texts)
    # Texts are their own ids, as in this package.
    relevant = {}
    for question, answer in zip(*texts):
        relevant.setdefault(question, set()).add(answer)
    return InformationRetrievalEvaluator({q: q for q in relevant}, {a: a for a in texts[1]}, relevant)


model = SentenceTransformer(sys.argv[1], device="cpu")
for path in sys.argv[2:]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print(path, len(rows))
    for name, value in evaluator(rows)(model).items():
        print(f"  {name} {100 * value if 'threshold' not in name else value:.2f}")
