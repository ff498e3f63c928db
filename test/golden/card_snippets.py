"""Runs programs in Python from model cards, for test/simcse/report/card-snippets.test.ts: each makes `embeddings`.

    python card_snippets.py PROGRAMS.json

Prints their first rows by the programs' names.
"""

import json
import sys

rows = {}
with open(sys.argv[1]) as file:
    for name, code in json.load(file).items():
        made = {}
        exec(code, made)
        rows[name] = made["embeddings"][0].tolist()
print(json.dumps(rows))
