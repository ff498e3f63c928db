"""Makes torch_zip.bin and torch_legacy.bin, the two formats of torch.save, and torch_checkpoints.json with what they hold.

Run with Debian's python3-torch: `/usr/bin/python3 test/golden/torch_checkpoints.py`. Every tensor is listed with its dtype, shape and elements in
C order; floats are exact, since the values are sixteenths.
"""

import collections
import json
import pathlib

import torch

torch.manual_seed(0)


def values(*shape):
    return torch.randint(-64, 64, shape).float() / 16


base = values(4, 6)
TENSORS = collections.OrderedDict(
    f32=values(3, 5),
    f64=values(2, 2).double(),
    f16=values(7).half(),
    bf16=values(2, 3).bfloat16(),
    i64=torch.arange(5).expand((1, -1)),
    i32=torch.arange(4, dtype=torch.int32),
    u8=torch.arange(3, dtype=torch.uint8),
    bool=torch.tensor([True, False]),
    scalar=torch.tensor(2.5),
    empty=torch.zeros(0, 3),
    parameter=torch.nn.Parameter(values(2, 2)),
    # Views of one storage.
    whole=base,
    same=base,
    rows=base[1:3],
    transposed=base.T,
    columns=base[:, 1:5:2],
    element=base[2, 3],
    row_of_one=base[3:4, 2:4],
)
TENSORS._metadata = {"": {"version": 1}}  # What Module.state_dict() adds.

DTYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

folder = pathlib.Path(__file__).parent
torch.save(TENSORS, folder / "torch_zip.bin")
torch.save({"epoch": 3, "state_dict": dict(TENSORS)}, folder / "torch_legacy.bin", _use_new_zipfile_serialization=False)
entries = {
    name: {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "elements": tensor.flatten().tolist()} for name, tensor in TENSORS.items()
}
lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
(folder / "torch_checkpoints.json").write_text(f"{{\n{lines}\n}}\n")
