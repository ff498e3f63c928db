"""The vectors that other runtimes make with a model: transformers, sentence-transformers and ONNX Runtime, for test/simcse/other-runtimes.test.ts.

    python other_runtimes.py MODEL_FOLDER ONNX_FOLDER TEXTS.json

Prints an object of unit vectors by runtime. The model pools by the mean. The ONNX folder has the model in f32 and in f16. sentence-transformers
opens it too where Optimum is installed, which it needs for that.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import onnxruntime
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

folder, onnx, texts_file = map(Path, sys.argv[1:])
texts = json.loads(texts_file.read_text())
longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]


def tokenized(where):
    tokenizer = AutoTokenizer.from_pretrained(where)
    return tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")


def with_transformers():
    model = AutoModel.from_pretrained(folder).float().eval()
    batch = tokenized(folder)
    mask = batch["attention_mask"][..., None].float()
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def with_sentence_transformers():
    return SentenceTransformer(str(folder), device="cpu").float().encode(texts, normalize_embeddings=True)


def with_onnx_runtime(file, names):
    batch = tokenized(onnx)
    session = onnxruntime.InferenceSession(str(onnx / "onnx" / file))
    inputs = {name: batch[name].numpy() for name in names}
    return session.run(["sentence_embedding"], inputs)[0]


def with_sentence_transformers_onnx(file):
    model = SentenceTransformer(str(onnx), device="cpu", backend="onnx", model_kwargs={"file_name": file})
    return model.encode(texts, normalize_embeddings=True)


vectors = {
    "transformers": with_transformers(),
    "sentence-transformers": with_sentence_transformers(),
    "ONNX Runtime": with_onnx_runtime("model.onnx", ["input_ids", "attention_mask"]),
    "ONNX Runtime with all that the tokenizer gives": with_onnx_runtime("model.onnx", ["input_ids", "attention_mask", "token_type_ids"]),
    "ONNX Runtime in f16": with_onnx_runtime("model_fp16.onnx", ["input_ids", "attention_mask", "token_type_ids"]),
}
if find_spec("optimum"):
    vectors["sentence-transformers with ONNX"] = with_sentence_transformers_onnx("model.onnx")
    vectors["sentence-transformers with ONNX in f16"] = with_sentence_transformers_onnx("model_fp16.onnx")
print(json.dumps({name: rows.tolist() for name, rows in vectors.items()}))
