"""Makes graphs.json: random graphs of the operations that model code calls, with their values and gradients by PyTorch in float64, for
the test of src/autograd/.

Run with Python 3 that has torch: `python3 test/golden/graphs.py`. A graph is a list of steps, each with the numbers of the steps that it reads.
Parameters and inputs are not stored but made on both sides from the same integer generator. The first axis of an input, and of what is
computed from it row by row, is live: PyTorch sees `rows` rows, the engine a capacity of `capacity`.
"""

import json
import pathlib
import random

import torch
import torch.nn.functional as F
from uniform import uniform

GRAPHS = 24
SIZES = [1, 2, 3, 4, 7, 8, 12, 33]


def gated(x, gate, half):
    first, second = x.chunk(2, dim=1)
    a, b = (first, second) if half == "first" else (second, first)
    return {"gelu": F.gelu, "silu": F.silu, "sigmoid": torch.sigmoid}[gate](a) * b


PRODUCTS = {"nn": lambda a, b: a @ b, "nt": lambda a, b: a @ b.T, "tn": lambda a, b: a.T @ b}

# What a step computes from those that it reads, and from its numbers and names.
OPERATIONS = {
    "gelu": F.gelu,
    "relu": torch.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "square": torch.square,
    "abs": torch.abs,
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "squaredError": lambda a, b: (a - b) ** 2,
    "matmul": lambda a, b, layout, scale: scale * PRODUCTS[layout](a, b),
    "softmax": lambda x: torch.softmax(x, -1),
    "sum": lambda x, axis, keepDims: x.sum(axis, keepdim=keepDims),
    "mean": lambda x, axis, keepDims: x.mean(axis, keepdim=keepDims),
    "layerNorm": lambda x, weight, bias: F.layer_norm(x, x.shape[1:], weight, bias, 1e-5),
    "normalize": lambda x: x / x.norm(dim=1, keepdim=True),
    "concat": lambda *xs: torch.cat(xs, 1),
    "slice": lambda x, start, end: x[:, start:end],
    "gated": gated,
}
POINTWISE = ["gelu", "relu", "silu", "tanh", "sigmoid", "square", "abs"]
PAIRED = ["add", "sub", "mul", "squaredError"]


class Graph:
    """A graph that is drawn and computed at the same time: PyTorch says which shapes a step has."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows = self.random.randint(1, 9)
        self.capacity = self.rows + self.random.choice([0, 1, 7])
        self.steps, self.values, self.live = [], [], []

    def leaf(self, kind, shape):
        live = kind == "input"
        sizes = [self.rows, *shape[1:]] if live else shape
        numbers = torch.tensor(uniform(len(self.steps) + 1, torch.Size(sizes).numel())).reshape(sizes) * 2
        self.steps.append({"op": kind, "shape": shape})
        self.values.append(numbers.requires_grad_(not live))
        self.live.append(live)
        return len(self.steps) - 1

    def step(self, op, reads, live, **attributes):
        self.values.append(OPERATIONS[op](*[self.values[i] for i in reads], **attributes))
        self.steps.append({"op": op, "reads": reads, **attributes})
        self.live.append(live)

    def choose(self, suits=lambda i: True):
        """A step's number, more often one of the last; an IndexError if none suits."""
        found = [i for i in range(len(self.steps)) if suits(i)]
        return self.random.choice(found[-5:] if self.random.random() < 0.6 else found)

    def matrix(self, i):
        return self.values[i].dim() == 2

    def product(self):
        layout, a = self.random.choice(list(PRODUCTS)), self.choose(self.matrix)
        depth = self.values[a].shape[0 if layout == "tn" else 1]
        along_rows = layout == "tn" and self.live[a]
        fits = lambda i: self.matrix(i) and self.values[i].shape[1 if layout == "nt" else 0] == depth and self.live[i] == along_rows
        known = [i for i in range(len(self.steps)) if fits(i)]
        if along_rows or (known and self.random.random() < 0.6):
            b = self.random.choice(known)
        else:
            width = self.random.choice(SIZES)
            b = self.leaf("parameter", [width, depth] if layout == "nt" else [depth, width])
        self.step("matmul", [a, b], self.live[a] and layout != "tn", layout=layout, scale=self.random.choice([1, 0.5]))

    def pair(self):
        a = self.choose()
        shape = self.values[a].shape
        broadcasts = lambda i: all(m in (1, n) for m, n in zip(reversed(self.values[i].shape), reversed(shape)))
        fits = lambda i: self.values[i].dim() <= len(shape) and broadcasts(i) and (not self.live[i] or self.live[a] and self.values[i].dim() == len(shape))
        # A row of a tensor with as many rows as there are live ones is not meant.
        fixed = lambda i: self.live[i] or self.values[i].dim() < len(shape) or self.values[i].shape[0] == 1 or not self.live[a]
        b = self.choose(lambda i: fits(i) and fixed(i))
        self.step(self.random.choice(PAIRED), [a, b], self.live[a])

    def reduction(self):
        x, axis = self.choose(self.matrix), self.random.randrange(2)
        keep = self.random.random() < 0.5 or (axis == 0 and self.live[x])
        self.step(self.random.choice(["sum", "mean"]), [x], self.live[x] and axis == 1, axis=axis, keepDims=keep)

    def norm(self):
        x = self.choose(self.matrix)
        width = self.values[x].shape[1]
        self.step("layerNorm", [x, self.leaf("parameter", [width]), self.leaf("parameter", [width])], self.live[x])

    def joined(self):
        x = self.choose(self.matrix)
        others = [i for i in range(len(self.steps)) if self.matrix(i) and self.live[i] == self.live[x] and len(self.values[i]) == len(self.values[x])]
        reads = [x, *self.random.choices(others, k=self.random.randint(1, 2))]
        self.step("concat", reads, self.live[x])

    def part(self):
        x = self.choose(self.matrix)
        start = self.random.randrange(self.values[x].shape[1])
        self.step("slice", [x], self.live[x], start=start, end=self.random.randint(start + 1, self.values[x].shape[1]))

    def gate(self):
        x = self.choose(lambda i: self.matrix(i) and self.values[i].shape[1] % 2 == 0)
        self.step("gated", [x], self.live[x], gate=self.random.choice(["gelu", "silu", "sigmoid"]), half=self.random.choice(["first", "second"]))

    def of_one(self, names, suits=lambda i: True):
        x = self.choose(suits)
        self.step(self.random.choice(names), [x], self.live[x])

    def draw(self):
        for _ in range(self.random.randint(2, 3)):
            self.leaf("parameter", self.random.choices(SIZES, k=self.random.choice([1, 2, 2])))
        self.leaf("input", ["rows", self.random.choice(SIZES)])
        ways = [self.product, self.pair, lambda: self.of_one(POINTWISE), self.reduction, self.norm, self.joined, self.part, self.gate]
        ways.append(lambda: self.of_one(["softmax", "normalize"], self.matrix))
        for _ in range(self.random.randint(8, 18)):
            way = self.random.choices(ways, weights=[6, 5, 5, 2, 1, 2, 1, 1, 2])[0]
            try:
                way()
            except IndexError:
                continue
        return self

    def result(self):
        """The loss is the sum over some steps of the mean of their squares."""
        summed = sorted({len(self.steps) - 1, *(self.choose() for _ in range(2))})
        loss = sum((self.values[i] ** 2).mean() for i in summed)
        parameters = [i for i, step in enumerate(self.steps) if step["op"] == "parameter"]
        gradients = torch.autograd.grad(loss, [self.values[i] for i in parameters], allow_unused=True) if loss.requires_grad else []
        return {
            "rows": self.rows,
            "capacity": self.capacity,
            "steps": self.steps,
            "summed": summed,
            "loss": loss.item(),
            "gradients": {i: [float(f"{x:.7g}") for x in g.flatten().tolist()] for i, g in zip(parameters, gradients) if g is not None},
        }


results = []
seed = 0
while len(results) < GRAPHS:
    seed += 1
    result = Graph(seed).draw().result()
    largest = max([abs(result["loss"]), *(abs(x) for g in result["gradients"].values() for x in g)])
    # Not those whose numbers f32 does not hold well, or that have no gradients.
    if 1e-2 < largest < 1e3 and len(result["gradients"]) > 1:
        results.append(result)
lines = ",\n".join(json.dumps(result) for result in results)
pathlib.Path(__file__).with_name("graphs.json").write_text(f"[\n{lines}\n]\n")
