"""Makes transfer.json: SentEval's protocol in PyTorch on real transfer tasks, for the test of src/simcse/evaluation/senteval/evaluate-transfer.ts.

Run with Debian's python3-torch and the real data: `SIMCSE_DATA=../shared/data /usr/bin/python3 test/golden/transfer.py`, some minutes. An
embedding is the sum of a fixed random vector of each word. Only accuracies are stored: mean and standard deviation over random seeds.
"""

import json
import os
import pathlib

import numpy as np
import torch

from classifiers import SETTINGS, STRENGTHS, fit
from uniform import uniform

DATA = pathlib.Path(os.environ.get("SIMCSE_DATA", "../shared/data")) / "senteval"
DIMENSION = 64
KFOLD = {"test": 10, "fasttest": 5}
CLASSES = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]


def word_vector(word):
    """The FNV-1a hash of a word is the seed of its components."""
    state = 0x811C9DC5
    for character in word:
        state = ((state ^ ord(character)) * 0x01000193) % 2**32
    return uniform(state, DIMENSION).astype(np.float32)


CACHE = {}


def embed(sentence):
    total = np.zeros(DIMENSION, np.float32)
    for word in sentence.split():
        if word not in CACHE:
            CACHE[word] = word_vector(word)
        total += CACHE[word]
    return total


def lines(name):
    return (DATA / name).read_text(encoding="latin-1").rstrip("\n").split("\n")


def questions(name):
    rows = [line.split(":", 1) for line in lines(name)]
    x = np.stack([embed(text.split(" ", 1)[1]) for _, text in rows])
    return torch.tensor(x), torch.tensor([CLASSES.index(label) for label, _ in rows])


def paraphrases(name):
    rows = [line.split("\t") for line in (DATA / name).read_text(encoding="utf-8-sig").rstrip("\n").split("\n")[1:]]
    u, v = (np.stack([embed(row[k]) for row in rows]) for k in (3, 4))
    return torch.tensor(np.concatenate([abs(u - v), u * v], 1)), torch.tensor([int(row[0]) for row in rows])


def parts(y, count, rng):
    """Stratified: every part has its share of each class."""
    order = rng.permutation(len(y))
    order = order[np.argsort(y.numpy()[order], kind="stable")]
    return [np.sort(order[i::count]) for i in range(count)]


def choose_and_test(train, test, classes, mode, seed, rng):
    """K-fold on `train` chooses the strength; a refit with 5 % as dev is scored on `test`. Returns dev and test accuracy."""
    x, y = train
    folds = parts(y, KFOLD[mode], rng)
    scores = []
    for strength in STRENGTHS:
        bests = []
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(y)), fold)
            bests.append(fit(x[rest], y[rest], (x[fold], y[fold]), classes, strength, SETTINGS[mode], seed)[0])
        scores.append(round(100 * np.mean(bests), 2))
    best = int(np.argmax(scores))
    order = rng.permutation(len(y))
    cut = int(0.05 * len(y))
    dev, rest = order[:cut], order[cut:]
    _, model = fit(x[rest], y[rest], (x[dev], y[dev]), classes, STRENGTHS[best], SETTINGS[mode], seed)
    return max(scores) / 100, (model(test[0]).argmax(1) == test[1]).double().mean().item()


def summary(name, mode, scores):
    dev, test = np.array(scores).T
    return dict(task=name, mode=mode, dev=dev.mean(), dev_sd=dev.std(ddof=1), accuracy=test.mean(), accuracy_sd=test.std(ddof=1))


def split_task(name, mode, train, test, classes, seeds=3):
    return summary(name, mode, [choose_and_test(train, test, classes, mode, seed, np.random.RandomState(seed)) for seed in range(seeds)])


def crossvalidated_task(name, mode, positive, negative, seeds=2):
    sentences = lines(positive) + lines(negative)
    x = torch.tensor(np.stack([embed(sentence) for sentence in sentences]))
    y = torch.tensor([1] * len(lines(positive)) + [0] * len(lines(negative)))
    scores = []
    for seed in range(seeds):
        rng = np.random.RandomState(seed)
        outer = []
        for held in parts(y, KFOLD[mode], rng):
            rest = np.setdiff1d(np.arange(len(y)), held)
            outer.append(choose_and_test((x[rest], y[rest]), (x[held], y[held]), 2, mode, seed, rng))
        scores.append(np.mean(outer, 0))
    return summary(name, mode, scores)


if __name__ == "__main__":
    trec = questions("TREC/train_5500.label"), questions("TREC/TREC_10.label")
    mrpc = paraphrases("MRPC/msr_paraphrase_train.txt"), paraphrases("MRPC/msr_paraphrase_test.txt")
    out = [
        split_task("TREC", "fasttest", *trec, 6),
        split_task("MRPC", "fasttest", *mrpc, 2),
        crossvalidated_task("SUBJ", "fasttest", "SUBJ/subj.objective", "SUBJ/subj.subjective"),
    ]
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps({"torch": torch.__version__, "tasks": out}, indent=1) + "\n")
