"""Makes architectures/*: what transformers computes with tiny random models of each architecture, for architectures.test.ts.

    python test/golden/architectures.py [KIND…]

Needs torch and transformers. A kind is a `model_type`, or one with another activation; all are made if none is named. README.md beside this file says what the files hold.
Everything is computed in float64, from parameters that are float32 numbers.
"""

import copy
import json
import math
import pathlib
import sys
import tempfile

import torch
from bert_model import contrastive
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM

torch.set_num_threads(1)  # one order of summation, so that a rerun gives the same bytes

COMMON = {"vocab_size": 61, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 64}

DISTILBERT = {
    "vocab_size": 61,
    "dim": 16,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 24,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "attention_dropout": 0.0,
}

# The config of each kind, and the token that begins a sentence and the one that ends it.
KINDS = {
    "distilbert": (DISTILBERT, 2, 3),
    "electra": ({**COMMON, "num_hidden_layers": 2, "embedding_size": 8}, 2, 3),
    "albert": ({**COMMON, "num_hidden_layers": 3, "embedding_size": 8}, 2, 3),
    "camembert": ({**COMMON, "num_hidden_layers": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}, 0, 2),
    "xlm-roberta": ({**COMMON, "num_hidden_layers": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}, 0, 2),
    "mpnet": ({**COMMON, "num_hidden_layers": 2, "layer_norm_eps": 1e-5}, 0, 2),
    "nomic_bert": ({**COMMON, "num_hidden_layers": 2, "layer_norm_eps": 1e-5}, 2, 3),
    "gte": (
        {
            **COMMON,
            "num_hidden_layers": 2,
            "layer_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "linear", "factor": 1.5, "rope_theta": 1000.0},
        },
        0,
        2,
    ),
    "modernbert": ({**COMMON, "num_hidden_layers": 3, "global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 0, "norm_eps": 1e-5}, 2, 3),
    "ernie": ({**COMMON, "num_hidden_layers": 1, "use_task_id": True}, 2, 3),
    # Two heads of queries share those of keys and values, and masked words have a matrix of their own.
    "eurobert": ({**COMMON, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "pad_token_id": 0, "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}}, 2, 3),
    "eurobert-tied": ({**COMMON, "model_type": "eurobert", "num_hidden_layers": 1, "pad_token_id": 0, "tie_word_embeddings": True}, 2, 3),
    # Other activations: of a feed-forward network and its gate, and of the head for masked words, which in a RoBERTa is GELU all the same.
    "bert-gelu_new": ({**COMMON, "model_type": "bert", "num_hidden_layers": 1, "hidden_act": "gelu_new"}, 2, 3),
    "xlm-roberta-silu": ({**COMMON, "model_type": "xlm-roberta", "num_hidden_layers": 1, "type_vocab_size": 1, "hidden_act": "silu"}, 0, 2),
    "distilbert-relu": ({**DISTILBERT, "model_type": "distilbert", "n_layers": 1, "activation": "relu"}, 2, 3),
    "nomic_bert-gelu_fast": ({**COMMON, "model_type": "nomic_bert", "num_hidden_layers": 1, "hidden_act": "gelu_fast"}, 2, 3),
    "modernbert-relu": (
        {
            **COMMON,
            "model_type": "modernbert",
            "num_hidden_layers": 1,
            "pad_token_id": 0,
            "hidden_activation": "relu",
            "classifier_activation": "gelu_pytorch_tanh",
        },
        2,
        3,
    ),
}
FIRST_WORD = 4

# Lengths in tokens, the first and the last included; 40 reaches beyond every window of attention and most buckets of distances.
LENGTHS = {"sentences": [3, 40, 5, 17], "pairs": [6, 4, 29, 3]}
TEMPERATURE = 0.05
TRAINING = {
    "steps": 10,
    "learning_rate": 1e-3,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
}


def deviation(name):
    """Wider than usual, so that no value is negligible; widest where it takes attention away from the uniform."""
    return 0.4 if any(part in name.lower() for part in ("attn", "attention", "lin")) else 0.15


def is_vector(name, value):
    return value.dim() < 2


def make_model(kind):
    """The model for masked words, all of whose parameters are random float32 numbers."""
    fields, _, _ = KINDS[kind]
    zero = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = AutoConfig.for_model(**{"model_type": kind, **zero, **fields}, attn_implementation="eager")
    model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager").double().eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in model.named_parameters():
            mean = 1.0 if is_vector(name, value) and name.endswith("weight") else 0.0
            value.copy_((mean + deviation(name) * torch.randn(value.shape, generator=generator, dtype=torch.float64)).float().double())
    return config, model


def make_sentences(kind):
    fields, begin, end = KINDS[kind]
    generator = torch.Generator().manual_seed(7)

    def sentence(length):
        words = torch.randint(FIRST_WORD, fields["vocab_size"], (length - 2,), generator=generator).tolist()
        return [begin, *words, end]

    return {group: [sentence(length) for length in lengths] for group, lengths in LENGTHS.items()}


def hidden_states(encoder, sentences):
    """The output of the embeddings and of each layer for every sentence, each on its own, so that there is no padding."""
    runs = [encoder(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in sentences]
    return [torch.cat([states[0] for states in layer]) for layer in zip(*runs)]


def padding_in_a_text(config, encoder, sentences):
    """The mean of the last layer for a sentence that has the padding token among its words, as a text with "<pad>" has it."""
    ids = [*sentences["sentences"][2]]
    ids[2] = config.pad_token_id
    with torch.no_grad():
        mean = encoder(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).last_hidden_state[0].mean(0)
    return {"ids": ids, "mean": [float(f"{value:.7g}") for value in mean.tolist()]}


def loss_of(encoder, sentences):
    def pooled(group):
        return torch.stack([encoder(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0) for ids in group])

    return contrastive([pooled(sentences["sentences"]), pooled(sentences["pairs"])], TEMPERATURE, 0.0)


def norm(value):
    return math.sqrt(float(value.detach().pow(2).sum()))


def saved(model):
    """The tensors of a model by their names in a file, which are not always those of its parameters."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(pathlib.Path(folder) / "model.safetensors")


def gradients(model):
    """The gradients of a model's parameters, by their names in a file."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for value, own in zip(other.parameters(), model.parameters()):
            value.copy_(own.grad)
    return saved(other)


def train(encoder, sentences):
    """
    The loss and the global gradient norm before each step, and the norm of every parameter after the last. A step is that of transformers
    4.2.1: epsilon is added to the root of v without bias correction, and weights decay after they have moved.
    """
    named = [(name, value) for name, value in encoder.named_parameters() if "pooler" not in name]
    decays = [value for name, value in named if "bias" not in name and value.dim() > 1]
    betas = (TRAINING["adam_beta1"], TRAINING["adam_beta2"])
    optimizer = torch.optim.Adam([value for _, value in named], lr=TRAINING["learning_rate"], betas=betas)
    losses, norms = [], []
    for step in range(1, TRAINING["steps"] + 1):
        optimizer.zero_grad()
        loss = loss_of(encoder, sentences)
        loss.backward()
        losses.append(float(loss.detach()))
        norms.append(float(torch.nn.utils.clip_grad_norm_([value for _, value in named], TRAINING["max_grad_norm"])))
        # torch adds it to the corrected root.
        optimizer.param_groups[0]["eps"] = TRAINING["adam_epsilon"] / math.sqrt(1 - betas[1] ** step)
        optimizer.step()
        with torch.no_grad():
            for value in decays:
                value.mul_(1 - TRAINING["learning_rate"] * TRAINING["weight_decay"])
    return {**TRAINING, "losses": losses, "gradient_norms": norms, "parameters": {name: norm(value) for name, value in saved(encoder).items() if "pooler" not in name}}


def make(kind, folder):
    config, model = make_model(kind)
    encoder = model.base_model
    sentences = make_sentences(kind)
    tensors = {name: value for name, value in saved(model).items() if not name.endswith("decoder.weight")}
    with torch.no_grad():
        for layer, states in enumerate(hidden_states(encoder, sentences["sentences"])):
            tensors[f"golden.hidden.{layer}"] = states
        logits = [model(input_ids=torch.tensor([ids])).logits[0] for ids in sentences["pairs"]]
        tensors["golden.logits"] = torch.cat(logits)
    loss = loss_of(encoder, sentences)
    loss.backward()
    tensors.update({f"golden.gradient.{name}": value for name, value in gradients(encoder).items()})
    golden = {
        "config": json.loads(config.to_json_string(use_diff=False)),
        "sentences": sentences,
        "temperature": TEMPERATURE,
        "loss": float(loss.detach()),
        "padding_in_a_text": padding_in_a_text(config, encoder, sentences),
        "training": train(encoder, sentences),
    }
    save_file({name: value.detach().float().contiguous() for name, value in tensors.items()}, folder / f"{kind}.safetensors")
    (folder / f"{kind}.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    out = pathlib.Path(__file__).parent / "architectures"
    out.mkdir(exist_ok=True)
    for kind in sys.argv[1:] or KINDS:
        make(kind, out)
