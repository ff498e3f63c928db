"""Makes configured_tokens.json: tokenizers whose tokenizer_config.json names more tokens than their tokenizer.json, and the ids of texts.

Run with transformers 5: `python test/golden/configured_tokens.py`.
"""

import json
import pathlib
import tempfile

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "a", "cat", "con", "##cat", "the", "##s"]
TEXTS = ["a concat the cats", "the [MASK] a", "a <new> the", "CAT acat"]


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


def main():
    golden = {"texts": TEXTS, "definition": definition(), "configs": {}}
    for name, config in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            said = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES, **config}
            (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(golden["definition"]))
            (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(said))
            golden["configs"][name] = {"config": said, "ids": AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]}
    (HERE / "configured_tokens.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
