"""Opens a base model and an adapter that `--save_adapter` or `model.saveAdapter` wrote, with transformers and PEFT (pip install peft), and
compares its vectors with those of this package.

    python peft_adapter.py BASE ADAPTER VECTORS.json

VECTORS.json holds {"pooler": "cls" or "avg", "sentences": [...], "vectors": [[...], ...]}, of unit length. Exits with 1 if a number differs by
more than 1e-5."""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModel, AutoTokenizer

base, adapter, vectors = sys.argv[1:4]
given = json.load(open(vectors))
model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), adapter).eval()
batch = AutoTokenizer.from_pretrained(base)(given["sentences"], padding=True, return_tensors="pt")
with torch.no_grad():
    output = model(**batch)
if given["pooler"] == "cls":
    found = output.pooler_output
else:
    mask = batch["attention_mask"].unsqueeze(-1)
    found = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
found = torch.nn.functional.normalize(found, dim=-1)
worst = (found - torch.tensor(given["vectors"])).abs().max().item()
print(f"{len(given['sentences'])} vectors; the largest difference of a number is {worst:.1e}")
sys.exit(worst > 1e-5)
