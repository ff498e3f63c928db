"""The training steps of bench/training-step.ts in PyTorch. measured_works.py says how it is asked and how it answers.

Its options: {"device": "cpu" or "cuda", "steps": in a row, "rounds", "seconds": rounds end after so many}. A work is {"amp", "compile", "ids": sentences of equal length,
"config": as in a config.json}, and its result {"in_a_row": milliseconds of each row of steps, after which the device is waited for, "alone": milliseconds of each step
that is waited for, "tokens": those of a step}. The work is that of SimCSE: a BERT with dropout .1, the MLP on [CLS], InfoNCE at .05 between two views of each sentence,
clipping at 1 and AdamW on all parameters.
"""

import torch
from measured_works import serve, timed, warm_up
from torch import nn
from torch.nn import functional as F

TEMPERATURE, DROPOUT, EPSILON, MAX_GRAD_NORM = 0.05, 0.1, 1e-12, 1.0


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


def load(device, steps, rounds, seconds):
    cuda = device == "cuda"

    def measure(work):
        amp, compile = work["amp"], work["compile"]
        torch.manual_seed(0)
        model = Model(**work["config"]).to(device)
        loss_of = torch.compile(model) if compile else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, **({"fused": True} if cuda else {}))
        scaler = torch.cuda.amp.GradScaler(enabled=amp)
        views = torch.tensor(work["ids"], device=device).repeat(2, 1)

        def run(count):
            for _ in range(count):
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

        def in_a_row():
            run(steps)

        def alone():
            run(1)

        try:
            warm_up(in_a_row, cuda)
            in_a_row_times, alone_times = timed([in_a_row, alone], rounds, seconds)
        finally:
            if compile:
                torch._dynamo.reset()
        return {"in_a_row": in_a_row_times, "alone": alone_times, "tokens": views.numel()}

    return measure


serve({"PyTorch": torch}, load)
