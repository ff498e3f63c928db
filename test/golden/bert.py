"""Makes bert.* and roberta.*: what PyTorch computes for a tiny BERT and a tiny RoBERTa trained as SimCSE, for the golden tests.

Run with Debian's python3-torch: `/usr/bin/python3 test/golden/bert.py`. README.md beside this file says what the files hold. Everything
is computed in float64, from parameters that are float32 numbers. The script first checks itself against torch's own layers and optimiser.
"""

import collections
import json
import math
import pathlib
import struct

import torch
from bert_model import POOLERS, check_encoder, contrastive, encode, mlm_logits, mlm_shapes, pad, parameter_shapes

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # one order of summation, so that a rerun gives the same bytes

BERT = {
    "model_type": "bert",
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
}
ROBERTA = {
    **BERT,
    "model_type": "roberta",
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}

# The token that begins a sentence, the one that ends it, and the names of two checkpoints of the kind: SimCSE's, and a masked language model's.
Kind = collections.namedtuple("Kind", "config begin end simcse_name mlm_name")
FIRST_WORD = 4


def bert_mlm_name(name):
    """As in Google's checkpoints that were converted: LayerNorm's weight and bias under their TensorFlow names."""
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return name if name.startswith("cls.") else f"bert.{name}".replace("mlp.", "pooler.")


def roberta_mlm_name(name):
    """As RobertaForMaskedLM has them, which has no pooler: None."""
    if name.startswith("mlp."):
        return None
    head = name.replace("cls.predictions.", "lm_head.").replace("transform.", "").replace("LayerNorm", "layer_norm")
    return head if name.startswith("cls.") else f"roberta.{name}"


KINDS = {
    # SimCSE's as the official models are: converted, so that the MLP is the pooler.
    "bert": Kind(BERT, 2, 3, lambda name: name.replace("mlp.", "pooler."), bert_mlm_name),
    # SimCSE's as its training leaves it.
    "roberta": Kind(ROBERTA, 0, 2, lambda name: name if name.startswith("mlp.") else f"roberta.{name}", roberta_mlm_name),
}
TEMPERATURE = 0.05
HARD_NEGATIVE_WEIGHT = 0.7

# Lengths in tokens, [CLS] and [SEP] included.
LENGTHS = {
    "sentences": [3, 11, 5, 8, 4, 7],
    "pairs": [6, 4, 9, 3, 10, 5],
    "negatives": [4, 7, 3, 9, 6, 11],
}

# The original builds the MLP for the pooler "cls" alone. A case of one view has no contrast and no pooler: masked language modelling is its loss.
Case = collections.namedtuple("Case", "views pooler weight mlm_weight", defaults=(0.0, 0.0))
MLM_WEIGHT = 0.1
CASES = {
    "unsupervised": Case(("sentences", "sentences"), "cls"),
    "pairs_cls": Case(("sentences", "pairs"), "cls"),
    "pairs_cls_before_pooler": Case(("sentences", "pairs"), "cls_before_pooler"),
    "pairs_avg": Case(("sentences", "pairs"), "avg"),
    "pairs_avg_top2": Case(("sentences", "pairs"), "avg_top2"),
    "pairs_avg_first_last": Case(("sentences", "pairs"), "avg_first_last"),
    "hard_negatives": Case(("sentences", "pairs", "negatives"), "cls", HARD_NEGATIVE_WEIGHT),
    "hard_negatives_avg": Case(("sentences", "pairs", "negatives"), "avg"),
    "mlm": Case(("sentences", "pairs"), "cls", 0.0, MLM_WEIGHT),
    "pretrain": Case(("sentences",), None, 0.0, 1.0),
}
# Of each sentence's tokens but the first and the last, every third is asked for, and stands in the input as this.
MASKED_EVERY, MASK = 3, 5

TRAINING = {
    "case": "pairs_cls",
    "steps": 10,
    "learning_rate": 1e-3,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
}


def deviation(name):
    """Wider than BERT's 0.02, so that no value is negligible; widest where it takes attention away from the uniform."""
    return 0.3 if ".query." in name or ".key." in name else 0.1


def make_parameters(shapes, generator):
    parameters = {}
    for name, shape in shapes:
        mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        value = mean + deviation(name) * torch.randn(shape, generator=generator)
        parameters[name] = value.float().double().requires_grad_()
    return parameters


def make_sentences(kind, generator):
    def sentence(length):
        words = torch.randint(FIRST_WORD, kind.config["vocab_size"], (length - 2,), generator=generator).tolist()
        return [kind.begin, *words, kind.end]

    return {group: [sentence(length) for length in lengths] for group, lengths in LENGTHS.items()}


def evaluate(config, parameters, sentences, case):
    """The loss of one case."""
    batch = [ids for row in zip(*(sentences[view] for view in case.views)) for ids in row]
    losses = []
    if case.pooler:
        ids, mask = pad(batch, config["pad_token_id"])
        pooled = POOLERS[case.pooler](encode(parameters, config, ids, mask), mask, parameters)
        losses.append(contrastive(pooled.unflatten(0, (-1, len(case.views))).unbind(1), TEMPERATURE, case.weight))
    if case.mlm_weight:
        losses.append(case.mlm_weight * masked_loss(config, parameters, batch))
    return sum(losses)


def masked_loss(config, parameters, batch):
    """The mean cross-entropy of the tokens that were masked."""
    chosen = [[0 < i < len(ids) - 1 and i % MASKED_EVERY == 1 for i in range(len(ids))] for ids in batch]
    inputs, mask = pad([[MASK if c else i for i, c in zip(*row)] for row in zip(batch, chosen)], config["pad_token_id"])
    labels, _ = pad([[i if c else -100 for i, c in zip(*row)] for row in zip(batch, chosen)], -100)
    logits = mlm_logits(parameters, config, encode(parameters, config, inputs, mask)[-1])
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def gradients(loss, parameters):
    """The gradient of every parameter that the loss depends on."""
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(parameters, found) if gradient is not None}


def global_norm(tensors):
    return math.sqrt(sum(float(tensor.pow(2).sum()) for tensor in tensors.values()))


def train(config, start, sentences, settings):
    """The loss and the global gradient norm before each step, and the parameters after the last."""
    parameters = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
    first = {name: torch.zeros_like(value) for name, value in parameters.items()}
    second = {name: torch.zeros_like(value) for name, value in parameters.items()}
    rate, beta1, beta2 = settings["learning_rate"], settings["adam_beta1"], settings["adam_beta2"]
    losses, norms = [], []
    for step in range(1, settings["steps"] + 1):
        loss = evaluate(config, parameters, sentences, CASES[settings["case"]])
        gradient = gradients(loss, parameters)
        losses.append(float(loss))
        norms.append(global_norm(gradient))
        clip = min(1.0, settings["max_grad_norm"] / (norms[-1] + 1e-6))
        step_size = rate * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        with torch.no_grad():
            for name, value in parameters.items():
                clipped = gradient[name] * clip
                first[name] = beta1 * first[name] + (1 - beta1) * clipped
                second[name] = beta2 * second[name] + (1 - beta2) * clipped**2
                value -= step_size * first[name] / (second[name].sqrt() + settings["adam_epsilon"])
                if not name.endswith(("bias", "LayerNorm.weight")):
                    value -= rate * settings["weight_decay"] * value
    return {"losses": losses, "gradient_norms": norms}, parameters


def check_training(config, start, sentences, settings):
    """torch's Adam adds its epsilon in another place, and decays before the step: without the two, both must train alike."""
    settings = {**settings, "adam_epsilon": 1e-30, "weight_decay": 0.0}
    _, ours = train(config, start, sentences, settings)
    theirs = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
    betas = (settings["adam_beta1"], settings["adam_beta2"])
    optimizer = torch.optim.Adam(theirs.values(), lr=settings["learning_rate"], betas=betas, eps=settings["adam_epsilon"])
    for _ in range(settings["steps"]):
        optimizer.zero_grad()
        evaluate(config, theirs, sentences, CASES[settings["case"]]).backward()
        torch.nn.utils.clip_grad_norm_(theirs.values(), settings["max_grad_norm"])
        optimizer.step()
    for name, value in ours.items():
        if not name.endswith("key.bias"):  # its gradient is nothing but rounding, which Adam without epsilon blows up
            torch.testing.assert_close(theirs[name], value, rtol=1e-9, atol=1e-12)


def write_safetensors(path, tensors):
    """The format: the header's length (u64, little-endian), a JSON header padded to 8 bytes, then the tensors' bytes without gaps."""
    header, chunks, offset = {}, [], 0
    for name, tensor in tensors.items():
        data = tensor.detach().float().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def checksums(tensors):
    return {name: {"sum": float(tensor.sum()), "norm": float(tensor.norm())} for name, tensor in tensors.items()}


def pack(x, mask):
    """The rows of all real tokens, one sentence after another: [tokens, hidden]."""
    return x[mask.bool()]


def write_json(path, value):
    """Two levels on lines of their own, the rest on one line."""

    def lines(value, depth):
        if depth == 0 or not isinstance(value, dict):
            return json.dumps(value)
        indent = "  " * (3 - depth)
        entries = [f"{indent}{json.dumps(key)}: {lines(entry, depth - 1)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(entries) + "\n" + indent[2:] + "}"

    path.write_text(lines(value, 2) + "\n")


def in_float32(config, parameters, sentences, case):
    """How far torch itself in float32 is from its float64: the relative error of the loss, and of the whole gradient."""
    exact = evaluate(config, parameters, sentences, case)
    wanted = gradients(exact, parameters)
    torch.set_default_dtype(torch.float32)
    rounded = {name: value.detach().float().requires_grad_() for name, value in parameters.items()}
    loss = evaluate(config, rounded, sentences, case)
    found = gradients(loss, rounded)
    torch.set_default_dtype(torch.float64)
    errors = {name: found[name].double() - value for name, value in wanted.items()}
    return {"loss": abs(float(loss) / float(exact) - 1), "gradient": global_norm(errors) / global_norm(wanted)}


def write_simcse_checkpoint(path, kind, parameters):
    """The parameters as a pytorch_model.bin of the kind has them, with the integers that BERT checkpoints hold besides."""
    tensors = {kind.simcse_name(name): value.detach().float() for name, value in parameters.items()}
    positions = kind.simcse_name("embeddings.position_ids")
    tensors[positions] = torch.arange(kind.config["max_position_embeddings"]).expand((1, -1))
    torch.save(collections.OrderedDict(tensors), path)


def write_mlm_checkpoint(path, kind, parameters):
    """The parameters as the pytorch_model.bin of a masked language model has them: the last product's matrix is the word embedding once more."""
    tensors = {kind.mlm_name(name): value.detach().float() for name, value in parameters.items() if kind.mlm_name(name)}
    prefix = kind.mlm_name("cls.predictions.")
    tensors[f"{prefix}decoder.weight"] = tensors[kind.mlm_name("embeddings.word_embeddings.weight")]
    tensors[f"{prefix}decoder.bias"] = tensors[f"{prefix}bias"]
    torch.save(collections.OrderedDict(tensors), path)


def make(name, kind):
    folder = pathlib.Path(__file__).parent
    config = kind.config
    generator = torch.Generator().manual_seed(20210418)
    parameters = make_parameters(parameter_shapes(config), generator)
    sentences = make_sentences(kind, generator)
    head = make_parameters(mlm_shapes(config), generator)
    check_encoder(parameters, config, sentences["sentences"])
    check_training(config, parameters, sentences, TRAINING)

    tensors = {**parameters, **head}
    for group, ids in sentences.items():
        padded, mask = pad(ids, config["pad_token_id"])
        states = encode(parameters, config, padded, mask)
        tensors.update({f"hidden.{group}.{i}": pack(state, mask) for i, state in enumerate(states)})
        tensors.update({f"pooled.{group}.{pooler}": pool(states, mask, parameters) for pooler, pool in POOLERS.items()})
    tensors["mlm_logits.negatives"] = pack(mlm_logits({**parameters, **head}, config, states[-1]), mask)

    cases = {}
    for case_name, case in CASES.items():
        own = {**parameters, **head} if case.mlm_weight else parameters
        loss = evaluate(config, own, sentences, case)
        gradient = gradients(loss, own)
        tensors.update({f"gradient.{case_name}.{parameter}": value for parameter, value in gradient.items()})
        cases[case_name] = {
            "views": case.views,
            "pooler": case.pooler,
            "temperature": TEMPERATURE,
            "hard_negative_weight": case.weight,
            "mlm": {"weight": case.mlm_weight, "every": MASKED_EVERY, "mask": MASK} if case.mlm_weight else None,
            "loss": float(loss),
            "gradient_norm": global_norm(gradient),
            "torch_float32": in_float32(config, own, sentences, case),
        }

    curve, trained = train(config, parameters, sentences, TRAINING)
    training = {**TRAINING, **curve, "parameters": checksums(trained)}
    write_safetensors(folder / f"{name}.safetensors", tensors)
    write_json(folder / f"{name}.json", {"config": config, "sentences": sentences, "cases": cases, "training": training})
    write_simcse_checkpoint(folder / f"{name}.bin", kind, parameters)
    write_mlm_checkpoint(folder / f"{name}_mlm.bin", kind, {**parameters, **head})


for name, kind in KINDS.items():
    make(name, kind)
