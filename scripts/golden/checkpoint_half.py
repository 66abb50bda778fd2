"""float16 and bfloat16 conversions for src/whisper/half.test.ts, from NumPy and PyTorch.

    python scripts/golden/checkpoint_half.py

Writes src/checkpoint/golden/half.json (versions, layout) and src/checkpoint/golden/half.bin, little-endian:
  uint32[65536]   float32 bits of every float16
  float32[COUNT]  numbers of every size: float16's subnormals, ties, overflow, float32's subnormals
  uint16[COUNT]   those as float16 (NumPy)
  uint16[COUNT]   those as bfloat16 (PyTorch)
"""

import json
from pathlib import Path

import numpy
import torch

COUNT = 6000
golden = Path(__file__).parents[2] / "src/checkpoint/golden"
golden.mkdir(parents=True, exist_ok=True)

every_half = numpy.arange(65_536, dtype=numpy.uint16).view(numpy.float16)
with numpy.errstate(all="ignore"):
    widened = every_half.astype(numpy.float32)

random = numpy.random.default_rng(0)
any_bits = random.integers(0, 2**32, COUNT // 3, dtype=numpy.uint32).view(numpy.float32)
any_bits = any_bits[numpy.isfinite(any_bits)]
exponents = random.uniform(-27, 17, COUNT // 3)  # around everything that float16 can hold
near_half = (random.choice([-1, 1], COUNT // 3) * 2.0**exponents).astype(numpy.float32)
finite = widened[numpy.isfinite(widened)]
neighbours = random.choice(len(finite) // 2 - 1, COUNT // 3 + 40, replace=False)
ties = ((finite[neighbours].astype(numpy.float64) + finite[neighbours + 1]) / 2).astype(numpy.float32)
edges = [0.0, -0.0, 65504, 65519.996, 65520, 65536, 3e38, 1e-45, 2**-24, 2**-25, 2**-25 * 1.0001, numpy.inf, -numpy.inf]
numbers = numpy.concatenate([numpy.array(edges, numpy.float32), any_bits, near_half, ties])[:COUNT]
assert len(numbers) == COUNT
with numpy.errstate(all="ignore"):
    halves = numbers.astype(numpy.float16)
brains = torch.from_numpy(numbers).to(torch.bfloat16).view(torch.int16).numpy()

with open(golden / "half.bin", "wb") as file:
    for part in (widened.view(numpy.uint32), numbers, halves.view(numpy.uint16), brains):
        file.write(part.tobytes())
about = {"numpy": numpy.__version__, "torch": torch.__version__, "count": COUNT, "script": "scripts/golden/checkpoint_half.py"}
(golden / "half.json").write_text(json.dumps(about, indent=2) + "\n")
