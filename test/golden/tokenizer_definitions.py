"""Definitions of tokenizers, drawn at random from the grammar of tokenizer.json, with the ids that the official library gives awkward texts.

    python test/golden/tokenizer_definitions.py                                     # writes tokenizer_definitions.json, which npm test reads
    python test/golden/tokenizer_definitions.py --count 3000 --seed 7 --output many.json   # for bench/tokenizers.ts

A case is {"definition", "ids": [[ids of a text] …], "cut": [the same, cut to CUT tokens]}; `ids` is null where the library refuses the definition,
and an item of it where it fails on the text.
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

CUT = 6

TEXTS = [
    "",
    " ",
    "Hello World, it's 5 o'clock!",
    "hello  world\tunder\nover",
    "ΟΔΟΣ Ελλάς Σ ς",
    "naïve café E\u0301lan Ångström \u212b",
    "的人有 生活𠮷野家 \U00020000\U0002a6d6x",
    "한국어 조선 \u1112\u1161\u11ab",
    "[MASK] the[MASK]them <mask>, [CLS]x[SEP]",
    "  covid Covid covids 19covid new york New York",
    "a\u200bb\u00adc\ufeffd\u0000e\ufffdf\u0085g\u00a0h\u2028i\u3000j",
    "I\u0130i\u0131 \u1e9e\u00df ﬁne ２３ ½ ① Ⅷ",
    "👩\u200d👩\u200d👧 🙂!! ☃\ufe0f",
    "don't we'll I'M they've 's 'S ''s",
    "x_y-z/w.com?q=1&r=2 $3.50 #tag @me 50% ~`^|",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbb",
    "हिन्दी नमस्ते ไทย العربية עִבְרִית",
    "\u0301leading \u0315\u0300\u05ae mark \u0344",
    "▁low ▁▁ lower lowest",
    "``quoted'' “text” … —",
    "1234567890 12a34 ٣٤ ३४",
    "   trailing   ",
    "\r\n\r\n \n",
    "a  <mask>  b <mask> <mask>",
    "the Covid!USA usage",
]

WORDS = "hello world the them low lower covid usa new york it s o clock can x y a b c of ing er est 生 活 Hello The".split()
CHARACTERS = sorted(set("".join(TEXTS).lower() + "".join(TEXTS)) - set(" \n\r\t\u0000"))

# The classes of XLM-RoBERTa's and Llama's files, and of plain ones.
REGEXES = [r"\s+", r"\d", r"[0-9]{1,3}", r"\w+|[^\w\s]+", r"[\s\p{P}]", r" ?[^\s]+", r"(?i:covid)", r"\p{L}+"]
# Made by sentencepiece from eleven rules: ligatures, full-width digits, ½, ①, Ⅷ, spaces, U+200B and é.
CHARSMAP = (
    "AAQAAAAgAAAJDQAAAQAAgKAFAAAFAACAqQ0AABQAAICLOQAAgBACAAAAAICnBQAADwAAgAMAAICFgAIAoAkAAIB8AgCASQAAGAAAgIENAAALAACAkh0AAJMNAAANAACAFgAA"
    "ABkAAACR3AIAGwAAABoAAAAdAAAAHAAAAL1pAAAeAAAAIQAAAKzIAgAjAAAAIgAAACUAAAAkAAAAJwAAACYAAAApAAAAKAAAACsAAAAqAAAALQAAACwAAAAvAAAALgAAADEA"
    "AAC83AIAMwAAADIAAAA1AAAANAAAADcAAAA2AAAAOQAAADgAAAA7AAAAOgAAAD0AAAA8AAAAPwAAAD4AAABBAAAAQAAAAEMAAABCAAAARQAAAEQAAABHAAAARgAAAEkAAABI"
    "AAAASwAAAEoAAABNAAAATAAAAE8AAABOAAAAUQAAAFAAAABTAAAAUgAAAFUAAABUAAAAVwAAAFYAAABZAAAAWAAAAFsAAABaAAAAXQAAAFwAAABfAAAAXgAAAGEAAABgAAAA"
    "YwAAAGIAAABlAAAAZAAAAGcAAABmAAAAaQAAAGgAAABrAAAAagAAAG0AAABsAAAAbwAAAG4AAABxAAAAcAAAAHMAAAByAAAAdQAAAHQAAAB3AAAAdgAAAHkAAAB4AAAAewAA"
    "AHoAAAB9AAAAfAAAAH8AAAB+AAAAgQAAAIAAAACDAAAAggAAAIUAAACEAAAAhwAAAIYAAACJAAAAiAAAAIsAAACKAAAAjQAAAIwAAACPAAAAjgAAAJEAAACQAAAAkwAAAJIA"
    "AACVAAAAlAAAAJcAAACWAAAAmQAAAJgAAACbAAAAmgAAAJ0AAACcAAAAnwAAAJ4AAAChAAAAoAAAAKMAAACiAAAApQAAAKQAAACnAAAApgAAAKkAAACoAAAAqwAAAKoAAACt"
    "AAAArAAAAK8AAACuAAAAsQAAALAAAACzAAAAsgAAALUAAAC0AAAAtwAAALYAAAC5AAAAuAAAALsAAAC6AAAAvQAAALwAAAC/AAAAvgAAAMEAAADAAAAAwwAAAMIAAADFAAAA"
    "xAAAAMcAAADGAAAAyQAAAMgAAADCpAEAw5wBAM0AAADMAAAAzwAAAM4AAADRAAAA0AAAANMAAADSAAAA1QAAANQAAADXAAAA1gAAANkAAADYAAAA2wAAANoAAADdAAAA3AAA"
    "AN8AAADeAAAA4QAAAOAAAADjAAAA4gAAAOUAAADkAAAA5wAAAO+oAQDpAAAA6AAAAOKIAQDjkAEA7QAAAOwAAADvAAAA7gAAAPEAAADwAAAA8wAAAPIAAAD1AAAA9AAAAPcA"
    "AAD2AAAA+QAAAPgAAAD7AAAA+gAAAP0AAAD8AAAA/wAAAP4AAAAAIAAxADHigYQyADIAMwBWSUlJAGXMgQBmaQA="
)

BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


class Walk:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def flag(self, likely=0.5):
        return self.random.random() < likely

    def pick(self, *options):
        option = self.random.choice(options)
        return option() if callable(option) else option

    def some(self, options, most):
        return self.random.sample(options, self.random.randint(0, min(most, len(options))))

    def pattern(self):
        return self.pick(lambda: {"String": self.pick(" ", "a", "lo", ".", "''", "``", "e")}, lambda: {"Regex": self.pick(*REGEXES)})

    # Normalizers

    def bert_normalizer(self):
        return {
            "type": "BertNormalizer",
            "clean_text": self.flag(0.8),
            "handle_chinese_chars": self.flag(0.7),
            "strip_accents": self.pick(None, True, False),
            "lowercase": self.flag(0.6),
        }

    def plain_normalizer(self):
        return self.pick(
            *[{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")],
            lambda: {"type": "Strip", "strip_left": self.flag(), "strip_right": self.flag()},
            lambda: {"type": "Replace", "pattern": self.pattern(), "content": self.pick("", "_", "▁", "ab", " ")},
            lambda: {"type": "Prepend", "prepend": self.pick("▁", "_", "x")},
            self.bert_normalizer,
            {"type": "Precompiled", "precompiled_charsmap": CHARSMAP},
        )

    def normalizer(self):
        return self.pick(
            None,
            self.bert_normalizer,
            self.bert_normalizer,
            self.plain_normalizer,
            lambda: {"type": "Sequence", "normalizers": [self.plain_normalizer() for _ in range(self.random.randint(0, 3))]},
        )

    # Pre-tokenizers

    def byte_level(self):
        return {"type": "ByteLevel", "add_prefix_space": self.flag(), "trim_offsets": self.flag(), "use_regex": self.flag(0.8)}

    def metaspace(self):
        return {
            "type": "Metaspace",
            "replacement": self.pick("▁", "▁", "_"),
            "prepend_scheme": self.pick("always", "first", "never"),
            "split": self.flag(0.8),
        }

    def plain_pre_tokenizer(self):
        return self.pick(
            *[{"type": name} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")],
            lambda: {"type": "Punctuation", "behavior": self.pick(*BEHAVIORS)},
            lambda: {"type": "Digits", "individual_digits": self.flag()},
            lambda: {"type": "CharDelimiterSplit", "delimiter": self.pick(" ", "-", "o")},
            lambda: {"type": "Split", "pattern": self.pattern(), "behavior": self.pick(*BEHAVIORS), "invert": self.flag(0.3)},
            self.metaspace,
            self.byte_level,
        )

    def pre_tokenizer(self):
        return self.pick(
            None,
            {"type": "BertPreTokenizer"},
            {"type": "BertPreTokenizer"},
            self.plain_pre_tokenizer,
            self.plain_pre_tokenizer,
            lambda: {"type": "Sequence", "pretokenizers": [self.plain_pre_tokenizer() for _ in range(self.random.randint(1, 3))]},
        )

    # Models

    def vocabulary(self, pieces, special):
        tokens = [*special, *dict.fromkeys(pieces)]
        self.random.shuffle(tokens) if self.flag(0.2) else None
        return {token: number for number, token in enumerate(dict.fromkeys(tokens))}

    def characters(self):
        return self.random.sample(CHARACTERS, len(CHARACTERS) * self.random.choice([9, 7, 3]) // 10)

    def word_piece(self, special):
        prefix = self.pick("##", "##", "##", "", "_")
        pieces = self.characters() + self.some(WORDS, 20)
        pieces += [prefix + piece for piece in self.characters() + self.some(WORDS, 20)]
        return {
            "type": "WordPiece",
            "unk_token": special[1],
            "continuing_subword_prefix": prefix,
            "max_input_chars_per_word": self.pick(100, 100, 100, 5, 0, 43, 44),
            "vocab": self.vocabulary(pieces, special),
        }

    def word_level(self, special):
        return {"type": "WordLevel", "vocab": self.vocabulary(self.some(WORDS, 25) + self.characters(), special), "unk_token": special[1]}

    def unigram(self, special):
        pieces = dict.fromkeys([*special, "▁", *self.characters(), *self.some(WORDS, 20), *["▁" + word for word in self.some(WORDS, 20)]])
        vocab = [[piece, 0.0 if piece in special else -round(self.random.uniform(1, 12), 3)] for piece in pieces]
        if self.flag(0.2):
            vocab += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
        return {"type": "Unigram", "unk_id": 1, "vocab": vocab, "byte_fallback": self.flag(0.3)}

    def byte_pairs(self, special, alphabet):
        merges, pieces = [], list(alphabet)
        corpus = [self.random.choice(WORDS) for _ in range(12)] + ["Ġ" + self.random.choice(WORDS) for _ in range(12)]
        corpus = [word for word in corpus if all(letter in alphabet for letter in word)]
        for word in corpus:
            left = word[0]
            for letter in word[1:]:
                if (left, letter) not in merges:
                    merges.append((left, letter))
                left += letter
        if self.flag(0.3):
            self.random.shuffle(merges)
        pieces += [left + right for left, right in merges]
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": self.pick(None, special[1]),
            "continuing_subword_prefix": self.pick(None, ""),
            "end_of_word_suffix": self.pick(None, "", None, "</w>"),
            "fuse_unk": self.flag(0.2),
            "byte_fallback": self.flag(0.1),
            "ignore_merges": self.flag(0.2),
            "vocab": self.vocabulary(pieces, special),
            "merges": [f"{left} {right}" for left, right in merges] if self.flag() else [list(merge) for merge in merges],
        }
        return model

    def added_tokens(self, special, vocab):
        size = len(vocab)
        ids = {token: number for number, token in enumerate(token for token, _ in vocab)} if isinstance(vocab, list) else vocab
        named = [(token, ids[token]) for token in special]
        extra = self.some(["covid", "USA", "new york", "Foo", "<url>", " lead", "的", "Élan", "low", "s", "xyz", "it's"], 4) if self.flag(0.6) else []
        new = 0
        for content in extra:
            if content in ids:
                named.append((content, ids[content]))
            else:
                named.append((content, size + new))
                new += 1
        return [
            {
                "id": number,
                "content": content,
                "single_word": self.flag(0.15),
                "lstrip": self.flag(0.2),
                "rstrip": self.flag(0.15),
                "normalized": self.flag(0.1 if content in special else 0.6),
                "special": content in special or self.flag(0.2),
            }
            for content, number in named
        ]

    def post_processor(self, cls, sep, ids):
        token = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
        text = {"Sequence": {"id": "A", "type_id": 0}}
        template = {
            "type": "TemplateProcessing",
            "single": [token(cls), text, token(sep)],
            "pair": [token(cls), text, token(sep), {"Sequence": {"id": "B", "type_id": 1}}, token(sep)],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (cls, sep)},
        }
        roberta = {
            "type": "RobertaProcessing",
            "sep": [sep, ids[sep]],
            "cls": [cls, ids[cls]],
            "trim_offsets": self.flag(),
            "add_prefix_space": self.flag(),
        }
        bert = {"type": "BertProcessing", "sep": [sep, ids[sep]], "cls": [cls, ids[cls]]}
        sequence = {"type": "Sequence", "processors": [{**self.byte_level()}, template]}
        return self.pick(template, template, roberta, bert, sequence)

    def definition(self):
        special = self.pick(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], ["<pad>", "<unk>", "<s>", "</s>", "<mask>"])
        kind = self.pick("bert", "bert", "byte", "any", "any", "any")
        if kind == "byte":
            words, model = self.byte_level(), self.byte_pairs(special, BYTES if self.flag(0.7) else self.random.sample(BYTES, 200))
            normalizer = self.pick(None, None, self.normalizer)
            decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        elif kind == "bert":
            words, model, normalizer = {"type": "BertPreTokenizer"}, self.word_piece(special), self.pick(None, self.bert_normalizer, self.bert_normalizer)
            decoder = {"type": "WordPiece", "prefix": "##", "cleanup": True}
        else:
            words, normalizer, decoder = self.pre_tokenizer(), self.normalizer(), None
            model = self.pick(
                lambda: self.word_piece(special),
                lambda: self.word_level(special),
                lambda: self.unigram(special),
                lambda: self.byte_pairs(special, self.characters()),
            )
        ids = {token: number for number, (token, _) in enumerate(model["vocab"])} if model["type"] == "Unigram" else model["vocab"]
        truncation = self.pick(None, None, lambda: {"direction": self.pick("Right", "Left"), "max_length": 4, "strategy": "LongestFirst", "stride": 0})
        padding = self.pick(
            None,
            {
                "strategy": {"Fixed": 8},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": ids[special[0]],
                "pad_type_id": 0,
                "pad_token": special[0],
            },
        )
        return {
            "version": "1.0",
            "truncation": truncation,
            "padding": padding,
            "added_tokens": self.added_tokens(special, model["vocab"]),
            "normalizer": normalizer,
            "pre_tokenizer": words,
            "post_processor": self.post_processor(special[2], special[3], ids),
            "decoder": decoder,
            "model": model,
        }


    def damaged(self):
        """A definition with one of its values removed or replaced."""
        definition = self.definition()
        at = definition
        self.way = []
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = self.random.choice(keys)
            self.way.append(key)
            if isinstance(at[key], (dict, list)) and at[key] and self.flag(0.8):
                at = at[key]
            elif isinstance(at, dict) and self.flag(0.3):
                del at[key]
                return definition
            else:
                at[key] = self.pick(None, -1, 1.5, 10**12, "", "x", [], {}, True, ["a", "b"])
                return definition


def byte_characters():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


BYTES = byte_characters()


def attempt(work):
    try:
        return work()
    except BaseException as error:  # The library's panics are no Exceptions.
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def case(definition):
    tokenizer = attempt(lambda: Tokenizer.from_str(json.dumps(definition)))
    if tokenizer is None:
        return {"definition": definition, "ids": None, "cut": None}
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids = [attempt(lambda text=text: tokenizer.encode(text).ids) for text in TEXTS]
    direction = (definition.get("truncation") or {}).get("direction", "Right").lower()
    tokenizer.enable_truncation(CUT, direction=direction)
    cut = [attempt(lambda text=text: tokenizer.encode(text).ids) for text in TEXTS]
    return {"definition": definition, "ids": ids, "cut": cut}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--damaged", action="store_true", help="with one value of each removed or replaced")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    walk = Walk(options.seed)
    cases = [
        {**case(walk.damaged()), "damage": walk.way} if options.damaged else case(walk.definition()) for _ in range(options.count)
    ]
    with options.output.open("w") as file:
        file.write(json.dumps({"cutTo": CUT, "texts": TEXTS}, ensure_ascii=True)[:-1] + ', "cases": [\n')
        file.write(",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in cases))
        file.write("\n]}\n")
    print(len(cases), "definitions,", sum(one["ids"] is None for one in cases), "refused by the library")


if __name__ == "__main__":
    main()
