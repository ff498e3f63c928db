"""Encodes a corpus with Ray Data: a pool of actors, each with a worker that holds the model, writes Parquet.

    PYTHONPATH=examples/worker python examples/ray/encode.py corpus.parquet vectors.parquet --model my-model --actors 4
"""
import argparse

import ray
from ray.data import DataContext

from simcse_worker import SimCSE, WorkerError


class Encoder:
    """One actor of the pool: a batch of rows in, the same rows with the column `embedding` out."""

    def __init__(self, model, column):
        self.model = model
        self.column = column
        self.simcse = SimCSE(model)

    def __call__(self, batch):
        try:
            vectors = self.simcse.encode(text or "" for text in batch[self.column])
        except WorkerError:
            # Ray runs the batch again; by then this actor has a new worker.
            self.simcse = SimCSE(self.model)
            raise
        return {**batch, "embedding": vectors}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", help="Parquet, or .jsonl, with a column of sentences")
    parser.add_argument("output", help="folder for the Parquet files")
    parser.add_argument("--model", required=True, help="the model's folder on every machine, or its name on the hub")
    parser.add_argument("--column", default="text")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=4096)
    given = parser.parse_args()

    ray.init()
    DataContext.get_current().actor_task_retry_on_errors = [WorkerError]
    rows = ray.data.read_json(given.input, lines=True) if given.input.endswith(".jsonl") else ray.data.read_parquet(given.input)
    encoded = rows.map_batches(
        Encoder,
        fn_constructor_args=(given.model, given.column),
        batch_size=given.batch_size,
        concurrency=given.actors,
        num_cpus=0.5,  # The worker computes on the GPU; reading and writing need the cores.
    )
    encoded.write_parquet(given.output)
    ray.shutdown()


if __name__ == "__main__":
    main()
