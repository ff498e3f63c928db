"""Encodes sentences from Python through `encode-worker.mjs`, a process of Node that holds the model.

    with SimCSE("my-model") as simcse:
        vectors = simcse.encode(["A cat sleeps on the stove."])  # float32 [sentences, dimension], of unit length
"""
import json
import os
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np

#: Sentences in one message. A worker reads a message whole before it encodes.
MESSAGE = 4096


class WorkerError(RuntimeError):
    """The worker ended; its own message is on standard error."""


class SimCSE:
    """`command` starts the worker, without the model. The default is SIMCSE_WORKER, or else Node on the file beside this one."""

    def __init__(self, model, command=None):
        beside = f"node {shlex.quote(str(Path(__file__).with_name('encode-worker.mjs')))}"
        command = command or os.environ.get("SIMCSE_WORKER", beside)
        self.process = subprocess.Popen([*shlex.split(command), model], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.dimension = int(self._read(self.process.stdout.readline))

    def encode(self, sentences):
        sentences = list(sentences)
        parts = [self._encode(sentences[first : first + MESSAGE]) for first in range(0, len(sentences), MESSAGE)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def _encode(self, sentences):
        size = len(sentences) * self.dimension * 4
        with suppress(BrokenPipeError):  # Reading reports how the worker ended.
            self.process.stdin.write(json.dumps(sentences).encode() + b"\n")
            self.process.stdin.flush()
        data = self._read(lambda: self.process.stdout.read(size), size)
        return np.frombuffer(data, "<f4").reshape(-1, self.dimension)

    def _read(self, read, size=1):
        data = read()
        if len(data) < size:
            raise WorkerError(f"The SimCSE worker ended with {self.process.wait()}.")
        return data

    def close(self):
        with suppress(BrokenPipeError):  # It has ended already.
            self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
