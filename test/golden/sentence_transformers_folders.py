"""Makes sentence_transformers.json: folders as sentence-transformers saves them, and the vectors that it gives.

Run with sentence-transformers 6.2 and transformers 5: `python test/golden/sentence_transformers_folders.py`. The transformer of every folder is the
BERT of bert.bin. A folder's `files` are what sentence-transformers wrote besides config.json, the weights and the tokenizer; binary
ones are in base64.
"""

import base64
import json
import pathlib
import shutil
import tempfile

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from torch import nn

HERE = pathlib.Path(__file__).parent
CONFIG = json.loads((HERE / "bert.json").read_text())["config"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + [f"w{i}" for i in range(4, 97)]
TEXTS = ["w5 w9 w13", "w40", " ".join(f"w{4 + i % 90}" for i in range(60)), "", "w7 w7 w8 w96 w30"]
WIDTH = CONFIG["hidden_size"]


def transformer_folder(folder):
    """The BERT as transformers reads it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "architectures": ["BertModel"]}))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}))
    tensors = torch.load(HERE / "bert.bin", weights_only=True)
    torch.save({name.removeprefix("bert."): value for name, value in tensors.items()}, folder / "pytorch_model.bin")
    return str(folder)


def dense(seed, inputs, outputs, **options):
    """A layer with weights of its own, and a Dense of sentence-transformers around it."""
    torch.manual_seed(seed)
    return modules.Dense(inputs, outputs, **options)


def layer_norm(seed):
    torch.manual_seed(seed)
    module = modules.LayerNorm(16)
    nn.init.normal_(module.norm.weight, 1, 0.2)
    nn.init.normal_(module.norm.bias, 0, 0.2)
    return module


def pooling(*modes, **options):
    return modules.Pooling(WIDTH, pooling_mode=modes[0] if len(modes) == 1 else modes, **options)


PROMPTS = {"query": "w60 w61 ", "passage": ""}

# What follows the transformer, and options of the whole.
FOLDERS = {
    "mean": [pooling("mean"), modules.Normalize()],
    "cls": [pooling("cls")],
    "max": [pooling("max")],
    "mean_sqrt_len_tokens": [pooling("mean_sqrt_len_tokens")],
    "weightedmean": [pooling("weightedmean")],
    "lasttoken": [pooling("lasttoken")],
    "cls, max and mean at once": [pooling("cls", "max", "mean")],
    "a smaller dense layer with tanh": [pooling("mean"), dense(1, WIDTH, 8), modules.Normalize()],
    "a dense layer of an odd size without a bias, with GELU": [
        pooling("cls"),
        dense(2, WIDTH, 7, bias=False, activation_function=nn.GELU()),
        modules.Dropout(0.3),
        modules.Normalize(),
        modules.Normalize(),
    ],
    "a dense layer with ReLU on two poolings, and a layer norm": [
        pooling("mean", "max"),
        dense(3, 2 * WIDTH, 16, activation_function=nn.ReLU()),
        layer_norm(4),
    ],
    "unit length before a dense layer with the sigmoid": [
        pooling("mean"),
        modules.Normalize(),
        dense(5, WIDTH, 12, activation_function=nn.Sigmoid()),
    ],
    "two dense layers, SiLU and none": [
        pooling("lasttoken"),
        dense(6, WIDTH, 48, activation_function=nn.SiLU()),
        dense(7, 48, 20, activation_function=nn.Identity()),
    ],
    "a dense layer as SimCSE's MLP": [pooling("cls"), dense(8, WIDTH, WIDTH)],
    "a dense layer beside a residual": [pooling("mean"), dense(9, WIDTH, WIDTH, use_residual=True)],
    "a dense layer beside a projected residual": [pooling("mean"), dense(10, WIDTH, 16, use_residual=True)],
    "prompts, one of them the default": [pooling("mean")],
    "prompts that are not pooled": [pooling("mean", "max", include_prompt=False)],
    "prompts that are not pooled, by position": [pooling("weightedmean", "lasttoken", include_prompt=False)],
}
OPTIONS = {
    "prompts, one of them the default": {"prompts": PROMPTS, "default_prompt_name": "query"},
    "prompts that are not pooled": {"prompts": PROMPTS, "default_prompt_name": "query"},
    "prompts that are not pooled, by position": {"prompts": PROMPTS, "default_prompt_name": "query"},
}
KEPT = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "README.md")


def files_of(folder):
    """What sentence-transformers saved besides the transformer."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name in KEPT:
            continue
        if path.suffix == ".json":
            files[name] = json.loads(path.read_text())
        else:
            files[name] = {"base64": base64.b64encode(path.read_bytes()).decode()}
    return files


def numbers(vectors):
    return [[float(f"{value:.7g}") for value in vector] for vector in vectors.tolist()]


def main():
    root = pathlib.Path(tempfile.mkdtemp())
    source = transformer_folder(root / "bert")
    folders = {}
    for name, after in FOLDERS.items():
        model = SentenceTransformer(modules=[modules.Transformer(source), *after], device="cpu", **OPTIONS.get(name, {}))
        saved = root / str(len(folders))
        model.save(str(saved))
        opened = SentenceTransformer(str(saved), device="cpu")
        calls = [{}]
        if name in OPTIONS:
            calls += [{"prompt_name": "passage"}, {"prompt_name": "document"}, {"prompt": "w70 "}]
        folders[name] = {
            "files": files_of(saved),
            "normalizes": isinstance(after[-1], modules.Normalize),
            "max_length": opened.max_seq_length,
            "calls": [{"options": call, "vectors": numbers(opened.encode(TEXTS, **call))} for call in calls],
        }
    shutil.rmtree(root)
    content = json.dumps({"texts": TEXTS, "folders": folders}, separators=(",", ":")).replace(',"', ',\n"')
    (HERE / "sentence_transformers.json").write_text(content + "\n")


main()
