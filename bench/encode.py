"""The encoding of bench/encode-texts.ts in sentence-transformers and in transformers. measured_works.py says how it is asked and how it answers.

Its options: {"device": "cpu" or "cuda", "folder": a model folder, "sentences": texts, "ids": sentences of equal length as token ids, "rounds", "seconds": rounds end
after so many, "vectors": of how many sentences to print them}. A work is {"work", "dtype": "f32" or "f16", "batch_size"}, those in f16 last:

- "tokenize": the texts to ids, without padding
- "texts": the texts to vectors by SentenceTransformer.encode, in batches of `batch_size`
- "ids": the ids to vectors on the device, as one batch

A result is {"times": milliseconds of each round, "sentences", "tokens": without padding}, for "texts" with the first "vectors".
"""

import os

# All files are in the folder.
os.environ["HF_HUB_OFFLINE"] = "1"

import sentence_transformers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from measured_works import serve, timed, warm_up  # noqa: E402

WARM_UP_SENTENCES = 2048


class Works:
    def __init__(self, device, folder, sentences, ids, rounds, seconds, vectors):
        self.cuda = device == "cuda"
        self.sentences, self.rounds, self.seconds, self.vectors = sentences, rounds, seconds, vectors
        self.model = sentence_transformers.SentenceTransformer(folder, device=device).eval()
        self.ids = torch.tensor(ids, device=device)
        self.tokens = None

    def timed(self, run):
        return timed([run], self.rounds, self.seconds)[0]

    def tokenized(self):
        longest = self.model.max_seq_length
        return self.model.tokenizer(self.sentences, truncation=True, max_length=longest, return_attention_mask=False)["input_ids"]

    def tokenize(self, _):
        warm_up(self.tokenized, False)
        self.tokens = sum(map(len, self.tokenized()))
        return {"times": self.timed(self.tokenized), "sentences": len(self.sentences), "tokens": self.tokens}

    def texts(self, batch_size):
        def encode(some):
            return self.model.encode(some, batch_size=batch_size, convert_to_numpy=True, show_progress_bar=False)

        warm_up(lambda: encode(self.sentences[:WARM_UP_SENTENCES]), self.cuda)
        times = self.timed(lambda: encode(self.sentences))
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
        return {"times": self.timed(run), "sentences": len(self.ids), "tokens": self.ids.numel()}


def load(**options):
    works = Works(**options)
    by_name = {"tokenize": works.tokenize, "texts": works.texts, "ids": works.ids_alone}

    def measure(work):
        if work["dtype"] == "f16":
            works.model.half()
        return by_name[work["work"]](work["batch_size"])

    return measure


serve({"sentence-transformers": sentence_transformers, "transformers": transformers, "PyTorch": torch}, load)
