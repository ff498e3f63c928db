"""What NVIDIA's driver made of the kernels that it compiled: reads its cache of pipelines, which holds their machine code.

    __GL_SHADER_DISK_CACHE_PATH=cache node out/bench/bench.js kernels     # on the machine with the card
    python bench/compilers/nvidia_cache.py cache --nvdisasm .../nvdisasm --arch SM90 [--order 12 40]

Prints a line for each kernel with products, the largest first: its number in the cache, instructions, registers, and how many there are of each
kind. With --order, the kinds in the order of the code, one letter each; this shows, for example, whether the loads of the next block (g) stand before
the products (M) that should hide them, or directly before the stores (s) that need them. Kernels have no names there: a run that compiles little tells
which is which.

Needs zstandard and NVIDIA's nvdisasm (PyPI's nvidia-cuda-nvdisasm has it). The format is not documented; it was read off driver 580: frames of
zstd, in each a container whose first section is the code, its size at byte 0x4c and its place, counted from byte 8, at 0x50.
"""

import argparse
import re
import struct
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import zstandard

FRAME = b"\x28\xb5\x2f\xfd"
CONTAINER = b"NVDANVVMNVuc"
# Loads and stores of memory (LDG, STG) and of workgroup memory (LDS, STS, LDSM), of spilled registers (LDL, STL), barriers, jumps, and products on
# matrix units (HMMA) and without them (FFMA).
LETTERS = {"LDG": "g", "STG": "G", "LDS": "l", "STS": "s", "LDSM": "L", "LDL": "!", "STL": "!", "BAR": "B", "BRA": "j", "HMMA": "M", "FFMA": "F"}
INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z0-9]+)([^;]*);", re.M)


def codes(folder):
    """The machine code of each kernel in a cache."""
    for path in sorted(Path(folder).rglob("*.bin")):
        data = path.read_bytes()
        for match in re.finditer(re.escape(FRAME), data):
            try:
                frame = zstandard.ZstdDecompressor().decompressobj().decompress(data[match.start() :])
            except zstandard.ZstdError:
                continue  # Bytes that only look like a frame.
            if frame.startswith(CONTAINER):
                size, place = struct.unpack_from("<II", frame, 0x4C)
                yield frame[8 + place : 8 + place + size]


def disassemble(code, nvdisasm, arch):
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(code)
        file.flush()
        return subprocess.run([nvdisasm, "-b", arch, file.name], capture_output=True, text=True, check=False).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache")
    parser.add_argument("--nvdisasm", default="nvdisasm")
    parser.add_argument("--arch", default="SM90", help="the card's architecture, SM90 for an H100")
    parser.add_argument("--order", type=int, nargs="*", default=[], help="numbers of kernels whose kinds of instructions are printed in their order")
    options = parser.parse_args()
    kernels = []
    for number, code in enumerate(codes(options.cache)):
        text = disassemble(code, options.nvdisasm, options.arch)
        names = [match.group(1) for match in INSTRUCTION.finditer(text)]
        registers = max((int(register) for register in re.findall(r"\bR(\d+)\b", text)), default=-1) + 1
        kernels.append((number, names, registers))
    for number, names, registers in sorted(kernels, key=lambda kernel: -len(kernel[1])):
        counts = Counter(names)
        if counts["HMMA"] + counts["FFMA"] > 64:
            print(number, f"{len(names)} instructions, {registers} registers:", ", ".join(f"{counts[name]} {name}" for name in LETTERS if counts[name]))
    for number, names, _ in kernels:
        if number in options.order:
            order = "".join(LETTERS.get(name, ".") for name in names)
            print(f"\n{number}:", *(order[at : at + 160] for at in range(0, len(order), 160)), sep="\n")


main()
