"""Tables written by pandas and pyarrow, and what pandas reads from awkward ones. Writes tables.json: files as base64, rows as lists.

    python test/golden/tables.py        (pandas, pyarrow)
"""

import base64
import gzip
import io
import json
import pathlib
import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
random.seed(7)

pieces = ["a", "b c", '"', '""', ",", ";", "|", "\t", "\n", "é", "生活", "🙂", "'", " "]
texts = lambda: "x" + "".join(random.choice(pieces) for _ in range(random.randrange(6)))
rows = [[texts(), texts(), texts()] for _ in range(60)]
frame = pd.DataFrame(rows, columns=["sent0", "sent1", "hard_neg"])

written = {}


def keep(name, data, expected, **more):
    data = data if isinstance(data, bytes) else data.encode()
    written[name] = {"bytes": base64.b64encode(data).decode(), "rows": expected, **more}


for name, separator in [("comma", ","), ("semicolon", ";"), ("bar", "|")]:
    for end_name, end in [("lf", "\n"), ("crlf", "\r\n")]:
        keep(f"{name}-{end_name}.csv", frame.to_csv(index=False, sep=separator, lineterminator=end), rows)
keep("index.csv", frame.to_csv(), rows)
keep("packed.csv.gz", gzip.compress(frame.to_csv(index=False).encode()), rows)
keep("lines.jsonl", frame.to_json(orient="records", lines=True, force_ascii=False), rows)
keep("records.json", frame.to_json(orient="records", indent=2), rows)

# Tab-separated text: a quoted value ends on its line.
flat = [[cell.replace("\n", " ") for cell in row] for row in rows]
keep("tabs.tsv", pd.DataFrame(flat, columns=frame.columns).to_csv(index=False, sep="\t"), flat)

# Old Macintosh line ends, read back by pandas.
plain = pd.DataFrame([["a b", "c, d"], ["e", "f"]], columns=["sent0", "sent1"])
text = plain.to_csv(index=False, lineterminator="\r")
keep("cr.csv", text, pd.read_csv(io.StringIO(text), lineterminator="\r").values.tolist())

table = pa.Table.from_pandas(frame, preserve_index=False)
for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    file = io.BytesIO()
    pq.write_table(table, file, compression=codec, row_group_size=25)
    keep(f"{codec}.parquet", file.getvalue(), rows)

scored = pa.table(
    {
        "sentence1": ["a b", "c d", "e f"],
        "sentence2": ["g", "h", "i"],
        "label": pa.array([0.5, 5.0, 1.25], pa.float32()),
        "idx": pa.array([0, 1, 2], pa.int64()),
    }
)
file = io.BytesIO()
pq.write_table(scored, file)
keep("scored.parquet", file.getvalue(), [["a b", "g", 0.5], ["c d", "h", 5.0], ["e f", "i", 1.25]])

(here / "tables.json").write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n")
