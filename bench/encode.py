"""The encoding of bench/encode-texts.ts in sentence-transformers and in transformers: prints a line of JSON when it has loaded, and one for each measurement.

Reads JSON: {"device": "cpu" or "cuda", "folder": a model folder, "sentences": texts, "ids": sentences of equal length as token ids, "rounds", "seconds": rounds end
after so many, "vectors": of how many sentences to print them, "measurements": [{"work", "dtype": "f32" or "f16", "batch_size"}], those in f16 last}. The works:

- "tokenize": the texts to ids, without padding
- "texts": the texts to vectors by SentenceTransformer.encode, in batches of `batch_size`
- "ids": the ids to vectors on the device, as one batch

A line is {"times": milliseconds of each round, "sentences", "tokens": without padding}, for "texts" with the first "vectors", or {"reason": why it was not measured}.
"""

import json
import os
import sys
import time

# All files are in the folder.
os.environ["HF_HUB_OFFLINE"] = "1"

import sentence_transformers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

# An idle GPU needs a while to reach its full clock.
WARM_UP_SECONDS = 0.4
WARM_UP_SENTENCES = 2048


def say(line):
    print(json.dumps(line), flush=True)


def timed(run, rounds, seconds):
    times = []
    while len(times) < rounds and sum(times) < seconds * 1000:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return times


def warm_up(run, cuda):
    end = time.perf_counter() + (WARM_UP_SECONDS if cuda else 0)
    run()
    while time.perf_counter() < end:
        run()


class Works:
    def __init__(self, device, folder, sentences, ids, rounds, seconds, vectors):
        self.cuda = device == "cuda"
        self.sentences, self.rounds, self.seconds, self.vectors = sentences, rounds, seconds, vectors
        self.model = sentence_transformers.SentenceTransformer(folder, device=device).eval()
        self.ids = torch.tensor(ids, device=device)
        self.tokens = None

    def tokenized(self):
        longest = self.model.max_seq_length
        return self.model.tokenizer(self.sentences, truncation=True, max_length=longest, return_attention_mask=False)["input_ids"]

    def tokenize(self, _):
        warm_up(self.tokenized, False)
        self.tokens = sum(map(len, self.tokenized()))
        return {"times": timed(self.tokenized, self.rounds, self.seconds), "sentences": len(self.sentences), "tokens": self.tokens}

    def texts(self, batch_size):
        def encode(some):
            return self.model.encode(some, batch_size=batch_size, convert_to_numpy=True, show_progress_bar=False)

        warm_up(lambda: encode(self.sentences[:WARM_UP_SENTENCES]), self.cuda)
        times = timed(lambda: encode(self.sentences), self.rounds, self.seconds)
        vectors = encode(self.sentences[: self.vectors]).astype("float32").tolist()
        return {"times": times, "sentences": len(self.sentences), "tokens": self.tokens, "vectors": vectors}

    def ids_alone(self, _):
        encoder = self.model[0].auto_model

        def run():
            with torch.inference_mode():
                hidden = encoder(input_ids=self.ids).last_hidden_state
                torch.nn.functional.normalize(hidden.mean(1), dim=-1)
            if self.cuda:
                torch.cuda.synchronize()

        warm_up(run, self.cuda)
        return {"times": timed(run, self.rounds, self.seconds), "sentences": len(self.ids), "tokens": self.ids.numel()}


def main(measurements, **options):
    works = Works(**options)
    by_name = {"tokenize": works.tokenize, "texts": works.texts, "ids": works.ids_alone}
    modules = {"sentence-transformers": sentence_transformers, "transformers": transformers, "PyTorch": torch}
    say({"versions": {name: module.__version__ for name, module in modules.items()}})
    for measurement in measurements:
        try:
            if measurement["dtype"] == "f16":
                works.model.half()
            say(by_name[measurement["work"]](measurement["batch_size"]))
        except Exception as error:  # The others are still measured.
            say({"reason": " ".join(str(error).split())[:200] or type(error).__name__})


main(**json.load(sys.stdin))
