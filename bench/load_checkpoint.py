"""Makes the checkpoint that the loading benchmark loads: BERT-base with random weights under its official names, as torch.save writes it.

    /usr/bin/python3 bench/load_checkpoint.py FOLDER

writes config.json and pytorch_model.bin (438 MB) into FOLDER, and vectors.json: token ids and what PyTorch makes of them by the pooler cls.
"""

import collections
import json
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "test" / "golden"))
from bert_model import POOLERS, encode, pad, parameter_shapes  # noqa: E402

CONFIG = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "pad_token_id": 0,
}

torch.manual_seed(0)
folder = pathlib.Path(sys.argv[1])
parameters = {}
for name, shape in parameter_shapes(CONFIG):
    parameters[name] = 0.02 * torch.randn(shape) + (1.0 if name.endswith("LayerNorm.weight") else 0.0)
sentences = [[101, *torch.randint(1000, 30000, (length,)).tolist(), 102] for length in (5, 12, 30)]
ids, mask = pad(sentences, 0)
with torch.no_grad():
    vectors = POOLERS["cls"](encode(parameters, CONFIG, ids, mask), mask, parameters)

checkpoint = collections.OrderedDict((name.replace("mlp.", "pooler."), value) for name, value in parameters.items())
checkpoint["embeddings.position_ids"] = torch.arange(512).expand((1, -1))
torch.save(checkpoint, folder / "pytorch_model.bin")
(folder / "config.json").write_text(json.dumps(CONFIG))
(folder / "vectors.json").write_text(json.dumps({"sentences": sentences, "vectors": vectors.tolist()}))
