"""Writes src/io/tokenizer/character-classes.ts: what the official tokenizers library takes each character for.

    python test/golden/tokenizer_characters.py

Each class is found by asking the library about every code point, so that the fast tokenizer does not depend on the Unicode version of the
JavaScript engine: the library's tables for marks and punctuation are years older than those for letters.
"""

from pathlib import Path

from tokenizers import normalizers, pre_tokenizers

TARGET = Path(__file__).parents[2] / "src/io/tokenizer/character-classes.ts"
CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def bert(**options):
    return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False, **options})


def changed(normalizer, becomes):
    return lambda text: text != becomes and normalizer.normalize_str(text) == becomes


def pieces(pre_tokenizer, text):
    return len(pre_tokenizer.pre_tokenize_str(text))


BERT_WORDS = pre_tokenizers.BertPreTokenizer()
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
NFD = normalizers.NFD()
STRIPPED = changed(bert(strip_accents=True), "")


def is_kept_combining(text):
    """Canonical reordering moves it, and stripping accents leaves it."""
    if STRIPPED(text) or NFD.normalize_str(text) != text:
        return False
    return NFD.normalize_str(f"a{text}\u0334") != f"a{text}\u0334" or NFD.normalize_str(f"a\u0301{text}") != f"a\u0301{text}"


CLASSES = {
    "dropped": ("Dropped by BERT's cleaning: control characters.", changed(bert(clean_text=True), "")),
    "cleanedToSpace": ("A space after BERT's cleaning.", changed(bert(clean_text=True), " ")),
    "ideograph": ("A word of its own in BERT.", lambda text: bert(handle_chinese_chars=True).normalize_str(text) != text),
    "mark": ("Dropped with the accents.", STRIPPED),
    "combining": ("Kept when accents are dropped, but moved by canonical ordering.", is_kept_combining),
    "decomposed": ("Changed by canonical decomposition, but for Hangul syllables.", lambda text: not "\uac00" <= text <= "\ud7a3" and NFD.normalize_str(text) != text),
    "punctuation": ("A word of its own in BERT's splitting.", lambda text: pieces(BERT_WORDS, f"a{text}b") == 3),
    "space": ("Separates words, in BERT's splitting and in the byte-level one.", lambda text: pieces(BERT_WORDS, f"a{text}b") == 2),
    "letter": ("A letter of the byte-level splitting.", lambda text: pieces(BYTE_LEVEL, f"a{text}") == 1),
    "number": ("A number of the byte-level splitting.", lambda text: pieces(BYTE_LEVEL, f"1{text}") == 1),
}


def base36(number):
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if number == 0:
            return digits


def encoded(codes):
    """Runs of code points: the gap before each and its length - 1, in base 36; a length of 1 is left out."""
    runs = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    end, parts = -1, []
    for first, last in runs:
        parts.append(base36(first - end - 1) + (f"+{base36(last - first)}" if last > first else ""))
        end = last
    return " ".join(parts)


def main():
    print(len(CODE_POINTS))
    lines = [
        "/**",
        " * What the official tokenizers library takes each character for, as runs of code points. Made by test/golden/tokenizer_characters.py.",
        " *",
        " * A run is the gap before it and, after a plus, its length - 1; both in base 36.",
        " */",
        "export const CHARACTER_CLASSES = {",
    ]
    for name, (meaning, belongs) in CLASSES.items():
        codes = [code for code in CODE_POINTS if belongs(chr(code))]
        print(name, len(codes), flush=True)
        lines += [f"  /** {meaning} */", f'  {name}:', f'    "{encoded(codes)}",']
    lines += ["} as const;", ""]
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
