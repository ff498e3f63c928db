"""Makes schedules.json: the learning-rate schedules of transformers 4.2.1, for the test of src/nn/schedule.ts.

Run with any Python 3: `/usr/bin/python3 test/golden/schedules.py`. The formulas are those of transformers' documentation and `optimization.py`,
written anew. Values are multiples of the peak rate.
"""

import json
import math
import pathlib

END, POWER = 1e-7, 1.0  # get_polynomial_decay_schedule_with_warmup's lr_end and power
CYCLES = {"cosine": 0.5, "cosine_with_restarts": 1}


def multiple(name, step, total, warmup, peak):
    if name == "constant":
        return 1.0
    if step < warmup:
        return step / max(1, warmup)
    if name == "constant_with_warmup":
        return 1.0
    if name == "linear":
        return max(0.0, (total - step) / max(1, total - warmup))
    if name == "polynomial":
        if step > total:
            return END / peak
        remaining = 1 - (step - warmup) / (total - warmup)
        return ((peak - END) * remaining**POWER + END) / peak
    progress = (step - warmup) / max(1, total - warmup)
    if name == "cosine":
        return max(0.0, 0.5 * (1 + math.cos(math.pi * CYCLES[name] * 2 * progress)))
    if progress >= 1:
        return 0.0
    return max(0.0, 0.5 * (1 + math.cos(math.pi * ((CYCLES[name] * progress) % 1.0))))


NAMES = ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]
RUNS = [(10, 0, 3e-5), (10, 3, 5e-5), (15625, 1000, 3e-5), (7, 1, 1e-3)]
out = []
for name in NAMES:
    for total, warmup, peak in RUNS:
        steps = range(total + 3) if total < 100 else [0, 1, 999, 1000, 1001, 8000, 15624, 15625, 15626]
        values = [[step, multiple(name, step, total, warmup, peak)] for step in steps]
        out.append(dict(name=name, total=total, warmup=warmup, peak=peak, values=values))
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")
