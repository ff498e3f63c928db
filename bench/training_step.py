"""The training step of bench/training-step.ts in PyTorch: prints {"times": milliseconds of each step, "tokens": those of a step} as JSON.

Reads JSON: {"device": "cpu" or "cuda", "amp", "compile", "rounds", "ids": sentences of equal length, "config": as in a config.json}. The work is that of SimCSE: a
BERT with dropout .1, the MLP on [CLS], InfoNCE at .05 between two views of each sentence, clipping at 1 and AdamW on all parameters.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

TEMPERATURE, DROPOUT, EPSILON, MAX_GRAD_NORM = 0.05, 0.1, 1e-12, 1.0
WARM_UP_STEPS = 2


def attention(q, k, v):
    """Fused where this PyTorch has it (from 2.0 on)."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=DROPOUT)
    return F.dropout((q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1), DROPOUT) @ v


class Layer(nn.Module):
    def __init__(self, hidden, heads, intermediate):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, intermediate), nn.Linear(intermediate, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden, EPSILON), nn.LayerNorm(hidden, EPSILON)

    def forward(self, x):
        n, length, hidden = x.shape
        q, k, v = (part.view(n, length, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        context = attention(q, k, v).transpose(1, 2).reshape(n, length, hidden)
        x = self.norm1(x + F.dropout(self.out(context), DROPOUT))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), DROPOUT))


class Model(nn.Module):
    def __init__(self, vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size):
        super().__init__()
        self.word, self.position = nn.Embedding(vocab_size, hidden_size), nn.Embedding(512, hidden_size)
        self.segment = nn.Embedding(2, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, EPSILON)
        self.layers = nn.ModuleList(Layer(hidden_size, num_attention_heads, intermediate_size) for _ in range(num_hidden_layers))
        self.mlp = nn.Linear(hidden_size, hidden_size)

    def forward(self, ids):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = F.dropout(self.norm(self.word(ids) + self.position(places) + self.segment.weight[0]), DROPOUT)
        for layer in self.layers:
            x = layer(x)
        first, second = torch.tanh(self.mlp(x[:, 0])).chunk(2)
        similarity = F.normalize(first.float(), dim=-1) @ F.normalize(second.float(), dim=-1).T
        return F.cross_entropy(similarity / TEMPERATURE, torch.arange(len(first), device=ids.device))


def main(device, amp, compile, rounds, ids, config):
    torch.manual_seed(0)
    cuda = device == "cuda"
    model = Model(**config).to(device)
    loss_of = torch.compile(model) if compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, **({"fused": True} if cuda else {}))
    scaler = torch.cuda.amp.GradScaler(enabled=amp)
    views = torch.tensor(ids, device=device).repeat(2, 1)
    times = []
    began = time.perf_counter()
    # A step compiles, and an idle GPU needs a while to reach its full clock.
    warm_up = 0.4 if cuda else 0
    is_warm = False
    while len(times) < rounds:
        start = time.perf_counter()
        with torch.autocast(device, dtype=torch.float16 if cuda else torch.bfloat16, enabled=amp):
            loss = loss_of(views)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        scaler.step(optimizer)
        scaler.update()
        if cuda:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1000)
        if not is_warm and time.perf_counter() - began > warm_up and len(times) >= WARM_UP_STEPS:
            is_warm = True
            times.clear()
    print(json.dumps({"times": times, "tokens": views.numel()}))


main(**json.load(sys.stdin))
