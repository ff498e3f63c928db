"""Makes unigram_tokenizer.json: XLM-RoBERTa's kind of tokenizer, small, with the ids that transformers gives awkward texts.

    python test/golden/unigram_tokenizer.py

Needs sentencepiece and transformers 5. A SentencePiece model is trained on the sentences below, with a few rules of normalisation so that its
table of characters is small; transformers makes its `tokenizer.json` of it.
"""

import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
from transformers import XLMRobertaTokenizer

SENTENCES = """A cat sleeps on the warm stove.
The old piano needs a new string.
Two children plant beans behind the shed.
Un chat dort sur le poêle chaud.
Der alte Flügel braucht eine neue Saite.
Zwei Kinder pflanzen Bohnen hinter dem Schuppen.
Кошка спит на тёплой печи.
猫が暖かいストーブの上で眠る。
She reads the letter twice before supper.
El tren sale hacia la costa al mediodía.""".splitlines()

# As in nmt_nfkc: full-width forms, ligatures and other spaces become plain characters, control characters nothing. Code points, then theirs.
RULES = {"Ａ": "A", "ｃ": "c", "ﬁ": "fi", "①": "1", "\u3000": " ", "\u00a0": " ", "\u200b": "", "\t": " ", "\n": " ", "e\u0301": "é"}

TEXTS = [
    *SENTENCES,
    "",
    " ",
    "  two  spaces   and a trailing one ",
    "tabs\tand\nlines\r\nand\u3000wide\u00a0ones",
    "Ａ ｃat, ﬁnally ① cafe\u0301",
    "zero\u200bwidth",
    "an emoji 🐈‍⬛ and a rare 𝔘",
    "▁already ▁marked",
    "<s> special </s> tokens <mask> in <unk> text<pad>",
    "unsplittablewordofmanyletters" * 3,
    "ÀÉÎ naïve façade",
    "1234567890 % & @",
    "猫猫猫が",
    "\ud7ff\ufffd\u0000",
]


def rules_file(folder):
    """SentencePiece's form: code points in hexadecimal, a tab, the code points that they become."""
    points = lambda text: " ".join(f"{ord(character):X}" for character in text)  # noqa: E731
    path = folder / "rules.tsv"
    path.write_text("".join(f"{points(source)}\t{points(target)}\n" for source, target in RULES.items()))
    return str(path)


def train(folder):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4),
        model_writer=model,
        vocab_size=108,
        model_type="unigram",
        character_coverage=1.0,
        normalization_rule_tsv=rules_file(folder),
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = train(folder)
        (folder / "sentencepiece.bpe.model").write_bytes(model)
        tokenizer = XLMRobertaTokenizer.from_pretrained(folder)
        saved = folder / "saved"
        tokenizer.save_pretrained(saved)
        golden = {
            "sentencepiece": base64.b64encode(model).decode(),
            "definition": json.loads((saved / "tokenizer.json").read_text()),
            "config": json.loads((saved / "tokenizer_config.json").read_text()),
            "texts": TEXTS,
            "ids": [tokenizer(text)["input_ids"] for text in TEXTS],
            "decoded": [tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) for text in TEXTS],
        }
    path = pathlib.Path(__file__).parent / "unigram_tokenizer.json"
    path.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
