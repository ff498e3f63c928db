"""The training step, the encoder and single kernels in PyTorch on the CPU, eager, on the weights of a safetensors file."""

import os
import sys

import torch
from torch.nn import functional as F

from lines import encoded, operand, peak_memory, read_safetensors, serve

weights_file, hidden, layers, heads = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(os.cpu_count())


def embed(weights, ids, rate):
    def linear(x, name):
        return F.linear(x, weights[name + ".weight"], weights[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, (hidden,), weights[name + ".weight"], weights[name + ".bias"], 1e-12)

    sentences, tokens = ids.shape
    table = "bert.embeddings.{}_embeddings.weight".format
    summed = F.embedding(ids, weights[table("word")]) + weights[table("position")][:tokens] + weights[table("token_type")][0]
    x = F.dropout(norm(summed, "bert.embeddings.LayerNorm"), rate)
    for i in range(layers):
        layer = f"bert.encoder.layer.{i}."
        q, k, v = (
            linear(x, f"{layer}attention.self.{part}").view(sentences, tokens, heads, -1).transpose(1, 2) for part in ("query", "key", "value")
        )
        p = F.dropout((q @ k.transpose(-1, -2) / (hidden // heads) ** 0.5).softmax(-1), rate)
        context = (p @ v).transpose(1, 2).reshape(sentences, tokens, hidden)
        x = norm(x + F.dropout(linear(context, layer + "attention.output.dense"), rate), layer + "attention.output.LayerNorm")
        expanded = F.gelu(linear(x, layer + "intermediate.dense"))
        x = norm(x + F.dropout(linear(expanded, layer + "output.dense"), rate), layer + "output.LayerNorm")
    return torch.tanh(linear(x[:, 0], "mlp.dense"))


class Session:
    def load(self, ids, train):
        self.ids = torch.tensor(ids)
        self.weights = {name: torch.from_numpy(data).requires_grad_(train) for name, data in read_safetensors(weights_file)}
        return {}

    def train(self, ids, dropout, temperature, rate, beta1, beta2, epsilon):
        self.load(ids, True)
        self.dropout, self.temperature = dropout, temperature
        self.optimizer = torch.optim.Adam(self.weights.values(), rate, (beta1, beta2), epsilon)
        return {}

    def step(self):
        first, second = embed(self.weights, self.ids.repeat(2, 1), self.dropout).chunk(2)
        similarities = F.normalize(first) @ F.normalize(second).T / self.temperature
        loss = F.cross_entropy(similarities, torch.arange(len(similarities)))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item()}

    def encode(self):
        with torch.no_grad():
            return {"embeddings": encoded(embed(self.weights, self.ids, 0.0).numpy())}

    def kernel(self, op, operands, epsilon):
        self.operands = [torch.from_numpy(operand(**one)) for one in operands]
        self.compute = {
            "matmul": lambda a, b: a @ b,
            "layerNorm": lambda x, weight, bias: F.layer_norm(x, x.shape[-1:], weight, bias, epsilon),
            "softmax": lambda x: x.softmax(-1),
        }[op]
        return {}

    def run(self, times):
        for _ in range(times):
            self.last = self.compute(*self.operands)
        return {}

    def result(self):
        return {"y": encoded(self.last.numpy())}


session = Session()
answers = {name: getattr(session, name) for name in ("load", "train", "step", "encode", "kernel", "run", "result")}
serve(f"{torch.__version__}, {torch.get_num_threads()} threads", {**answers, "peak": lambda: {"bytes": peak_memory()}})
