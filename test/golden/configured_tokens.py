"""Makes configured_tokens.json: tokenizers whose tokenizer_config.json names more tokens than their tokenizer.json or their vocab.txt, and the
ids of texts.

Run with transformers 5: `python test/golden/configured_tokens.py`.
"""

import json
import pathlib
import tempfile

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "a", "cat", "con", "##cat", "the", "##s"]
TEXTS = ["a concat the cats", "the [MASK] a", "a <new> the", "CAT acat", "<img> <new> a", "cat[MASK] [mask]"]


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **flags}


def definition():
    piece = lambda name, kind: {kind: {"id": name, "type_id": 0}}
    return {
        "version": "1.0",
        "added_tokens": [{**token(name), "id": place} for place, name in enumerate(SPECIAL)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]", "SpecialToken"), piece("A", "Sequence"), piece("[SEP]", "SpecialToken")],
            "pair": [piece("A", "Sequence"), piece("B", "Sequence")],
            "special_tokens": {name: {"id": name, "ids": [place], "tokens": [name]} for name, place in (("[CLS]", 2), ("[SEP]", 3))},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {name: place for place, name in enumerate(VOCABULARY)},
        },
    }


NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
CONFIGS = {
    "none": {},
    "additional_special_tokens": {"additional_special_tokens": ["cat"]},
    "additional_special_tokens with flags": {"additional_special_tokens": [{**token("cat", lstrip=True), "__type": "AddedToken"}]},
    "extra_special_tokens": {"extra_special_tokens": {"animal_token": "cat"}},
    "a new additional special token": {"additional_special_tokens": ["<new>"]},
    "bos_token": {"bos_token": "cat"},
    "mask_token": {"mask_token": "cat"},
    "other flags of an added token": {"added_tokens_decoder": {"4": token("[MASK]", lstrip=True, rstrip=True)}},
    "an added token that is a word": {"added_tokens_decoder": {"6": token("cat", special=False, single_word=True)}},
}


PLAIN = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
ADDED = {"<new>": 11, "cat": 6}
# Files beside a vocab.txt.
FOLDERS = {
    "flags of a special token": {"tokenizer_config.json": {**PLAIN, "mask_token": {**token("[MASK]", single_word=True), "__type": "AddedToken"}}},
    "flags in special_tokens_map.json": {
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
        "special_tokens_map.json": {"mask_token": token("[MASK]", normalized=True)},
    },
    "flags of a token with two roles": {
        "tokenizer_config.json": {**PLAIN, "bos_token": {**token("[MASK]", single_word=True), "__type": "AddedToken"}, "mask_token": "[MASK]"},
    },
    "added_tokens.json": {"tokenizer_config.json": PLAIN, "added_tokens.json": ADDED},
    "added_tokens.json beside a list": {"tokenizer_config.json": {**PLAIN, "added_tokens_decoder": {}}, "added_tokens.json": ADDED},
    "special_tokens_map.json beside a list": {
        "tokenizer_config.json": {**PLAIN, "added_tokens_decoder": {}},
        "special_tokens_map.json": {"additional_special_tokens": ["cat"]},
    },
    "two lists of further tokens": {
        "tokenizer_config.json": {**PLAIN, "additional_special_tokens": ["cat"], "extra_special_tokens": ["<new>"]},
    },
    "an empty list of further tokens": {
        "tokenizer_config.json": {**PLAIN, "additional_special_tokens": ["cat"], "extra_special_tokens": []},
    },
    "a special token of another name": {
        "tokenizer_config.json": {**PLAIN, "additional_special_tokens": ["<new>"], "image_token": "<img>"},
    },
}


def ids_from(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]


def main():
    golden = {"texts": TEXTS, "definition": definition(), "configs": {}, "vocabulary": VOCABULARY, "folders": {}}
    for name, config in CONFIGS.items():
        said = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES, **config}
        golden["configs"][name] = {"config": said, "ids": ids_from({"tokenizer.json": golden["definition"], "tokenizer_config.json": said})}
    words = "".join(f"{word}\n" for word in VOCABULARY)
    for name, files in FOLDERS.items():
        ids = ids_from({"vocab.txt": words, "config.json": {"model_type": "bert"}, **files})
        golden["folders"][name] = {"files": files, "ids": ids}
    (HERE / "configured_tokens.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
