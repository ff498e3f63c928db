"""Encodes a corpus with Spark: every task runs a worker that holds the model, and writes its rows as Parquet.

    spark-submit --py-files examples/worker/simcse_worker.py examples/spark/encode.py corpus.parquet vectors.parquet --model my-model
"""
import argparse

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType


def encoder(model, column):
    """A function for `mapInPandas` that adds the column `embedding`: float32, in the order of the rows."""

    def encode(frames):
        from simcse_worker import SimCSE

        with SimCSE(model) as simcse:
            for frame in frames:
                yield frame.assign(embedding=list(simcse.encode(frame[column].fillna(""))))

    return encode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", help="Parquet, or .jsonl, with a column of sentences")
    parser.add_argument("output", help="folder for the Parquet files")
    parser.add_argument("--model", required=True, help="the model's folder on every machine, or its name on the hub")
    parser.add_argument("--column", default="text")
    parser.add_argument("--partitions", type=int, help="tasks to split the rows into (default: as they are stored)")
    given = parser.parse_args()

    spark = SparkSession.builder.appName("simcse").getOrCreate()
    rows = spark.read.json(given.input) if given.input.endswith(".jsonl") else spark.read.parquet(given.input)
    if given.partitions:
        rows = rows.repartition(given.partitions)
    schema = StructType([*rows.schema.fields, StructField("embedding", ArrayType(FloatType(), False), False)])
    rows.mapInPandas(encoder(given.model, given.column), schema).write.mode("overwrite").parquet(given.output)
    spark.stop()


if __name__ == "__main__":
    main()
