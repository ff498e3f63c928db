"""The Python side of python-peer.ts: a line of JSON in, a line of JSON out."""

import base64
import json
import sys

import numpy as np


def serve(version, answers):
    """Reports its version, then answers each question {"do": name, ...} with `answers[name](**the rest)` until its input ends."""
    print(json.dumps({"version": version}))
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(answers[question.pop("do")](**question)))


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()


def operand(data, shape):
    return np.frombuffer(base64.b64decode(data), dtype="<f4").reshape(shape).copy()


def peak_memory():
    """Peak memory in bytes: Linux's own mark of this program, because ru_maxrss starts with the parent's memory."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        header.pop("__metadata__", None)
        for name, tensor in header.items():
            begin, end = tensor["data_offsets"]
            file.seek(start + begin)
            yield name, np.frombuffer(file.read(end - begin), dtype="<f4").reshape(tensor["shape"]).copy()
