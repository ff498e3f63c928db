"""Makes classifiers.json: SentEval's classifier in PyTorch, for the test of src/simcse/evaluation/classifiers/classifiers.ts and src/kernels/classifiers.ts.

Run with Debian's python3-torch: `/usr/bin/python3 test/golden/classifiers.py`, which takes a minute. Data is not stored but made on both sides
from the same integer generator and exactly representable operations, so it is equal bit for bit.

`steps`: weights after some steps of torch.optim on given minibatches, in float64.
`tasks`: dev and test accuracies of the classifier with early stopping (senteval/tools/classifier.py's algorithm, written anew) over several
random seeds: their mean and standard deviation. The engine draws other random numbers, so it is compared statistically.
"""

import copy
import json
import pathlib

import numpy as np
import torch

from uniform import uniform

torch.set_num_threads(1)
STRENGTHS = [1e-5, 1e-4, 1e-3, 1e-2]


def labelled(seed, rows, dimension, classes, noise):
    """Features and the class of the largest of `classes` noisy linear scores."""
    x = uniform(seed, rows * dimension).reshape(rows, dimension)
    directions = uniform(seed + 1, classes * dimension).reshape(classes, dimension)
    scores = x @ directions.T + noise * uniform(seed + 2, rows * classes).reshape(rows, classes)
    return x, scores.argmax(1)


def linear(dimension, classes, weights):
    """torch's Linear with given weights [classes, dimension + 1], the last column being the bias."""
    layer = torch.nn.Linear(dimension, classes).double()
    layer.weight.data = torch.tensor(weights[:, :-1])
    layer.bias.data = torch.tensor(weights[:, -1])
    return layer


def optimizer(rule, parameters, strength):
    if rule == "adam":
        return torch.optim.Adam(parameters, lr=1e-3, weight_decay=strength)
    return torch.optim.RMSprop(parameters, lr=1e-2, weight_decay=strength)


def steps(rule, classes, dimension, batch, count):
    x, y = labelled(11, batch * count, dimension, classes, 0.5)
    out = []
    for strength in STRENGTHS:
        layer = linear(dimension, classes, uniform(17, classes * (dimension + 1)).reshape(classes, -1))
        optim = optimizer(rule, layer.parameters(), strength)
        for i in range(count):
            part = slice(i * batch, (i + 1) * batch)
            loss = torch.nn.functional.cross_entropy(layer(torch.tensor(x[part])), torch.tensor(y[part]))
            optim.zero_grad()
            loss.backward()
            optim.step()
        out.append(torch.cat([layer.weight, layer.bias[:, None]], 1).flatten().tolist())
    return dict(rule=rule, classes=classes, dimension=dimension, batch=batch, count=count, weights=out)


def fit(x, y, dev, classes, strength, settings, seed):
    """Returns the best dev accuracy and the model that had it."""
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    layer = torch.nn.Linear(x.shape[1], classes)
    optim = optimizer(settings["optimizer"], layer.parameters(), strength)
    best, model, misses, epochs, going = -1.0, None, 0, 0, True
    while going and epochs <= 200:
        for _ in range(settings["epoch_size"]):
            order = rng.permutation(len(x))
            for i in range(0, len(x), settings["batch"]):
                rows = order[i : i + settings["batch"]]
                loss = torch.nn.functional.cross_entropy(layer(x[rows]), y[rows])
                optim.zero_grad()
                loss.backward()
                optim.step()
        epochs += settings["epoch_size"]
        accuracy = (layer(dev[0]).argmax(1) == dev[1]).double().mean().item()
        if accuracy > best:
            best, model = accuracy, copy.deepcopy(layer)
        else:
            going = misses < settings["tenacity"]
            misses += 1
    return best, model


SETTINGS = {
    "test": dict(optimizer="adam", batch=64, tenacity=5, epoch_size=4),
    "fasttest": dict(optimizer="rmsprop", batch=128, tenacity=3, epoch_size=2),
}


def task(mode, classes, dimension, rows, noise, seeds=5):
    x, y = labelled(23, sum(rows), dimension, classes, noise)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    cut = np.cumsum(rows)
    train, dev, test = [(x[a:b], y[a:b]) for a, b in zip([0, *cut[:-1]], cut)]
    out = []
    for strength in STRENGTHS:
        dev_scores, test_scores = [], []
        for seed in range(seeds):
            best, model = fit(*train, dev, classes, strength, SETTINGS[mode], seed)
            dev_scores.append(best)
            test_scores.append((model(test[0]).argmax(1) == test[1]).double().mean().item())
        out.append(dict(dev=np.mean(dev_scores), test=np.mean(test_scores), test_sd=np.std(test_scores)))
    return dict(mode=mode, classes=classes, dimension=dimension, rows=rows, noise=noise, strengths=out)


if __name__ == "__main__":
    out = {
        "torch": torch.__version__,
        "steps": [steps("adam", 2, 7, 16, 12), steps("rmsprop", 2, 8, 16, 12), steps("adam", 6, 11, 9, 7), steps("rmsprop", 3, 5, 4, 5)],
        "tasks": [task("test", 2, 20, [3000, 500, 6000], 4.0), task("fasttest", 2, 20, [3000, 500, 6000], 4.0), task("test", 6, 20, [3000, 500, 6000], 2.0)],
    }
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")
