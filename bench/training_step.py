"""The training step of bench/training-step.ts in PyTorch on the CPU: prints the median milliseconds of a step."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

HIDDEN, LAYERS, HEADS, INTERMEDIATE, VOCABULARY = 128, 2, 2, 512, 30_522
BATCH, TOKENS, TEMPERATURE = 64, 32, 0.05


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.up, self.down = nn.Linear(HIDDEN, INTERMEDIATE), nn.Linear(INTERMEDIATE, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN, 1e-12), nn.LayerNorm(HIDDEN, 1e-12)

    def forward(self, x):
        n, length, _ = x.shape
        q, k, v = (part.view(n, length, HEADS, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        p = F.dropout((q @ k.transpose(-1, -2) / (HIDDEN // HEADS) ** 0.5).softmax(-1), 0.1)
        context = (p @ v).transpose(1, 2).reshape(n, length, HIDDEN)
        x = self.norm1(x + F.dropout(self.out(context), 0.1))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), 0.1))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.position = nn.Embedding(VOCABULARY, HIDDEN), nn.Embedding(512, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.mlp = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, ids):
        x = F.dropout(self.norm(self.word(ids) + self.position(torch.arange(ids.shape[1]))), 0.1)
        for layer in self.layers:
            x = layer(x)
        return torch.tanh(self.mlp(x[:, 0]))


def main(rounds):
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0)
    ids = torch.randint(VOCABULARY, (BATCH, TOKENS))
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        first, second = model(ids.repeat(2, 1)).chunk(2)
        loss = F.cross_entropy(F.cosine_similarity(first[:, None], second[None], -1) / TEMPERATURE, torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append((time.perf_counter() - start) * 1000)
    print(sorted(times[1:])[rounds // 2])


main(int(sys.argv[1]))
