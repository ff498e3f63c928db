"""Makes losses.json: losses of embeddings and their gradients by sentence-transformers' loss classes in float64, for the test of src/simcse/losses/.

Run with Python 3 that has sentence-transformers: `python3 test/golden/losses.py`. Embeddings are not stored but made on both sides from the same
integer generator (see classifiers.py): rows of one example are neighbours, as the training step has them.
"""

import json
import pathlib

import numpy as np
import torch
from classifiers import uniform
from sentence_transformers.sentence_transformer.losses import (
    ContrastiveLoss,
    CoSENTLoss,
    CosineSimilarityLoss,
    EmbedDistillLoss,
    MultipleNegativesRankingLoss,
)

EXAMPLES, DIMENSION = 9, 12
# Half points, some of them equal.
SCORES = [0.0, 0.5, 0.5, 1.0, 0.25, 0.75, 0.0, 1.0, 0.5]
LABELS = [1, 0, 0, 1, 1, 0, 0, 1, 0]


def rows(seed, count):
    return torch.tensor(uniform(seed, count * DIMENSION).reshape(count, DIMENSION))


def views(embeddings, count):
    return [embeddings[view::count] for view in range(count)]


def symmetric(embeddings, dimension):
    loss = MultipleNegativesRankingLoss(
        torch.nn.Module(), scale=20.0, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    return loss.compute_loss_from_embeddings([view[:, :dimension] for view in views(embeddings, 2)], None)


def one_way(embeddings, dimension):
    return MultipleNegativesRankingLoss(torch.nn.Module(), scale=20.0).compute_loss_from_embeddings(
        [view[:, :dimension] for view in views(embeddings, 2)], None
    )


def of_pairs(loss, targets):
    return lambda embeddings, dimension: loss.compute_loss_from_embeddings(
        [view[:, :dimension] for view in views(embeddings, 2)], torch.tensor(targets, dtype=torch.float64)
    )


TARGETS = rows(72, EXAMPLES)


def distill(embeddings, dimension):
    return EmbedDistillLoss(torch.nn.Module(), distance_metric="cosine").compute_loss_from_embeddings(
        [embeddings[:, :dimension]], [TARGETS[:, :dimension]]
    )


def distill_similarities(embeddings, dimension):
    """The cosine distance and ten times the mean squared difference of all cosines within the batch."""
    z, t = (torch.nn.functional.normalize(x[:, :dimension]) for x in (embeddings, TARGETS))
    return distill(embeddings, dimension) + 10 * ((z @ z.T - t @ t.T) ** 2).mean()


CASES = {
    "infonce": (2, one_way),
    "symmetric": (2, symmetric),
    "cosent": (2, of_pairs(CoSENTLoss(torch.nn.Module(), scale=20.0), SCORES)),
    "cosine": (2, of_pairs(CosineSimilarityLoss(torch.nn.Module()), SCORES)),
    "contrastive": (2, of_pairs(ContrastiveLoss(torch.nn.Module(), margin=0.5), LABELS)),
    "distill": (1, distill),
    "distill with similarities": (1, distill_similarities),
}
MATRYOSHKA = [12, 5, 2]

cases = {}
for name, (count, loss) in CASES.items():
    for form in ("whole", "matryoshka"):
        embeddings = rows(71, count * EXAMPLES).requires_grad_()
        value = sum(loss(embeddings, dimension) for dimension in (MATRYOSHKA if form == "matryoshka" else [DIMENSION]))
        value.backward()
        cases[f"{name}, {form}"] = {
            "loss": value.item(),
            "gradient": np.round(embeddings.grad.numpy(), 12).ravel().tolist(),
        }

golden = {"examples": EXAMPLES, "dimension": DIMENSION, "scores": SCORES, "labels": LABELS, "matryoshka": MATRYOSHKA, "cases": cases}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
