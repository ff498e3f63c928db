"""A BERT or RoBERTa encoder and SimCSE's poolers and loss in plain PyTorch, for the scripts that make golden values.

Written from the papers on padded batches with an additive mask, so that it shares neither code nor method with the engine. Parameters are a
dictionary under Hugging Face's names, `config` is a Hugging Face config, and the dtype is the parameters' own. No dropout.
"""

import math

import torch
import torch.nn.functional as F


def parameter_shapes(config):
    """The name and shape of every parameter, in the order of a checkpoint; linear weights are [out, in]."""
    hidden, intermediate = config["hidden_size"], config["intermediate_size"]
    yield "embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    yield "embeddings.position_embeddings.weight", (config["max_position_embeddings"], hidden)
    yield "embeddings.token_type_embeddings.weight", (config["type_vocab_size"], hidden)
    modules = [("embeddings.LayerNorm", (hidden,))]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        modules += [(f"{layer}.attention.self.{name}", (hidden, hidden)) for name in ("query", "key", "value")]
        modules += [(f"{layer}.attention.output.dense", (hidden, hidden)), (f"{layer}.attention.output.LayerNorm", (hidden,))]
        modules += [(f"{layer}.intermediate.dense", (intermediate, hidden)), (f"{layer}.output.dense", (hidden, intermediate))]
        modules += [(f"{layer}.output.LayerNorm", (hidden,))]
    modules += [("mlp.dense", (hidden, hidden))]
    for module, shape in modules:
        yield f"{module}.weight", shape
        yield f"{module}.bias", shape[:1]


def mlm_shapes(config):
    """The names and shapes of the masked language model's head; its last product is with the word embedding."""
    hidden = config["hidden_size"]
    yield "cls.predictions.bias", (config["vocab_size"],)
    yield "cls.predictions.transform.dense.weight", (hidden, hidden)
    yield "cls.predictions.transform.dense.bias", (hidden,)
    yield "cls.predictions.transform.LayerNorm.weight", (hidden,)
    yield "cls.predictions.transform.LayerNorm.bias", (hidden,)


def pad(sentences, padding):
    """Ids and attention mask, both [sentences, longest]."""
    longest = max(map(len, sentences))
    ids = torch.tensor([ids + [padding] * (longest - len(ids)) for ids in sentences])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in sentences])
    return ids, mask


def position_rows(parameters, config, ids):
    """BERT counts from 0. RoBERTa counts what is no padding, from the padding's id + 1 on, and gives padding the padding's own row."""
    table, padding = parameters["embeddings.position_embeddings.weight"], config["pad_token_id"]
    if config["model_type"] == "bert":
        return table[: ids.shape[1]]
    real = (ids != padding).long()
    return F.embedding(real.cumsum(1) * real + padding, table, padding_idx=padding)


def encode(parameters, config, ids, mask):
    """The embeddings' output and that of each layer, each [sentences, longest, hidden]."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]

    def linear(x, module):
        return F.linear(x, parameters[f"{module}.weight"], parameters[f"{module}.bias"])

    def layer_norm(x, module):
        return F.layer_norm(x, (hidden,), parameters[f"{module}.weight"], parameters[f"{module}.bias"], config["layer_norm_eps"])

    def split(x):  # [sentences, longest, hidden] -> [sentences, heads, longest, hidden / heads]
        return x.unflatten(-1, (heads, hidden // heads)).transpose(1, 2)

    x = F.embedding(ids, parameters["embeddings.word_embeddings.weight"], padding_idx=config["pad_token_id"])
    x = x + parameters["embeddings.token_type_embeddings.weight"][0]
    x = x + position_rows(parameters, config, ids)
    states = [layer_norm(x, "embeddings.LayerNorm")]
    penalty = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
    for i in range(config["num_hidden_layers"]):
        layer, x = f"encoder.layer.{i}", states[-1]
        query, key, value = (split(linear(x, f"{layer}.attention.self.{name}")) for name in ("query", "key", "value"))
        weights = F.softmax(query @ key.transpose(-1, -2) / math.sqrt(hidden // heads) + penalty, dim=-1)
        context = (weights @ value).transpose(1, 2).flatten(2)
        x = layer_norm(linear(context, f"{layer}.attention.output.dense") + x, f"{layer}.attention.output.LayerNorm")
        intermediate = F.gelu(linear(x, f"{layer}.intermediate.dense"))
        states.append(layer_norm(linear(intermediate, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm"))
    return states


def mlm_logits(parameters, config, x):
    """The logits of every token, [..., vocabulary], from the last layer's states."""
    head = {name: parameters[f"cls.predictions.{name}"] for name in ("transform.dense.weight", "transform.dense.bias")}
    x = F.gelu(F.linear(x, head["transform.dense.weight"], head["transform.dense.bias"]))
    norm = [parameters[f"cls.predictions.transform.LayerNorm.{kind}"] for kind in ("weight", "bias")]
    x = F.layer_norm(x, (config["hidden_size"],), *norm, config["layer_norm_eps"])
    return F.linear(x, parameters["embeddings.word_embeddings.weight"], parameters["cls.predictions.bias"])


def average(x, mask):
    return (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


def mlp(parameters, x):
    return torch.tanh(F.linear(x, parameters["mlp.dense.weight"], parameters["mlp.dense.bias"]))


POOLERS = {
    "cls": lambda states, mask, parameters: mlp(parameters, states[-1][:, 0]),
    "cls_before_pooler": lambda states, mask, parameters: states[-1][:, 0],
    "avg": lambda states, mask, parameters: average(states[-1], mask),
    "avg_top2": lambda states, mask, parameters: average((states[-1] + states[-2]) / 2, mask),
    "avg_first_last": lambda states, mask, parameters: average((states[1] + states[-1]) / 2, mask),
}


def contrastive(views, temperature, hard_negative_weight):
    """The loss for two views, or three with hard negatives; each view is [sentences, hidden]."""
    query, *keys = (view / view.norm(dim=-1, keepdim=True).clamp_min(1e-8) for view in views)
    logits = torch.cat([query @ key.T for key in keys], dim=1) / temperature
    rows = len(query)
    if len(keys) == 2:
        logits = logits + hard_negative_weight * torch.cat([torch.zeros(rows, rows), torch.eye(rows)], dim=1)
    return F.cross_entropy(logits, torch.arange(rows))


def check_encoder(parameters, config, sentences):
    """Fails unless torch's own post-norm encoder layer gives the same states, one sentence at a time and without padding."""
    states = encode(parameters, config, *pad(sentences, config["pad_token_id"]))
    for i in range(config["num_hidden_layers"]):
        layer = torch_layer(parameters, config, f"encoder.layer.{i}")
        for row, sentence in enumerate(sentences):
            expected = layer(states[i][row : row + 1, : len(sentence)])
            torch.testing.assert_close(states[i + 1][row : row + 1, : len(sentence)], expected, rtol=1e-12, atol=1e-12)


def torch_layer(parameters, config, prefix):
    """`torch.nn.TransformerEncoderLayer` with the weights of one layer."""
    layer = torch.nn.TransformerEncoderLayer(
        config["hidden_size"],
        config["num_attention_heads"],
        config["intermediate_size"],
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=config["layer_norm_eps"],
        batch_first=True,
    )
    modules = {
        "self_attn.out_proj": "attention.output.dense",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm1": "attention.output.LayerNorm",
        "norm2": "output.LayerNorm",
    }
    weights = {}
    for kind in ("weight", "bias"):
        projections = [parameters[f"{prefix}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
        weights[f"self_attn.in_proj_{kind}"] = torch.cat(projections)
        weights.update({f"{theirs}.{kind}": parameters[f"{prefix}.{ours}.{kind}"] for theirs, ours in modules.items()})
    layer.load_state_dict(weights)
    return layer
