"""Makes tensorboard.json: an event file byte by byte, for the test of src/io/formats/tensorboard.ts.

Run with any Python 3: `/usr/bin/python3 test/golden/tensorboard.py`. Written from the formats' documentation: TFRecord with CRC-32C computed bit
by bit, and the protobuf wire format. Where the `tensorboard` package is installed, its own reader is asked to read the file, too.
"""

import json
import pathlib
import struct
import sys
import tempfile

sys.path.pop(0)  # This folder, where the package's name means this file.


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # The check value of the CRC catalogue.


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def bytes_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(wall_time, step=None, version=None, values=None, status=None):
    out = varint(1 << 3 | 1) + struct.pack("<d", wall_time)
    if step is not None:
        out += varint(2 << 3 | 0) + varint(step)
    if version is not None:
        out += bytes_field(3, version.encode())
    if values is not None:
        scalars = [bytes_field(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value) for tag, value in values.items()]
        out += bytes_field(5, b"".join(bytes_field(1, scalar) for scalar in scalars))
    if status is not None:
        out += bytes_field(7, varint(1 << 3 | 0) + varint(status))
    return out


EVENTS = [
    dict(wallTime=1700000000.25, step=1, values={"train/loss": 0.75, "train/learning_rate": 3e-5}),
    dict(wallTime=1700000001.5, step=125, values={"eval/stsb_spearman": 0.8125}),
    dict(wallTime=1700000002.0, step=3_000_000_000, values={"train/loss": -1e30, "é": 0.0, "t" * 200: 1.0}),
]
data = record(event(1700000000.0, version="brain.Event:2"))
data += record(event(1700000000.0, EVENTS[0]["step"], status=1))  # SessionLog.START
data += b"".join(record(event(e["wallTime"], e["step"], values=e["values"])) for e in EVENTS)

try:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        read = list(LegacyEventFileLoader(file.name).Load())
    assert read[1].session_log.status == 1
    assert [e.step for e in read[2:]] == [e["step"] for e in EVENTS]
    print("tensorboard reads it")
except ImportError:
    print("tensorboard is not installed: its reader was not asked")

out = {"crc32c": {"123456789": crc32c(b"123456789")}, "start": 1700000000.0, "events": EVENTS, "file": data.hex()}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
