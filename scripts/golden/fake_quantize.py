"""Golden values and gradients of fake quantisation, from torch.fake_quantize_per_channel_affine.

    python scripts/golden/fake_quantize.py [--out src/backend/golden/fake-quantize.json]
"""

import argparse
import platform

import numpy as np
import torch

from golden_file import UNIT_FORMULA, unit, write_json

ROWS, COLUMNS = 6, 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="src/backend/golden/fake-quantize.json")
    options = parser.parse_args()

    index = np.arange(ROWS * COLUMNS)
    x = torch.from_numpy(((unit(index, 31) - 0.5) * 4).astype(np.float32).reshape(ROWS, COLUMNS))
    upstream = torch.from_numpy(((unit(index, 32) - 0.5) * 2).astype(np.float32).reshape(ROWS, COLUMNS))
    x.requires_grad_(True)
    cases = {}
    for limit, widest in ((127, 2.0), (127, 1.3), (7, 2.0)):
        # Rows differ; with a widest below 2 some values are cut off.
        scale = torch.tensor([widest / limit * (1 - 0.03 * row) for row in range(ROWS)], dtype=torch.float32)
        y = torch.fake_quantize_per_channel_affine(x, scale, torch.zeros(ROWS, dtype=torch.int32), 0, -limit, limit)
        (gradient,) = torch.autograd.grad(y, x, upstream)
        cases[f"{limit} {widest}"] = {
            "limit": limit, "scale": scale.tolist(),
            "values": y.detach().flatten().tolist(), "gradient": gradient.flatten().tolist(),
        }
    # Ties go to the even number: multiples of half a step.
    ties = torch.arange(-8, 8, dtype=torch.float32)[None] / 2 / 64
    cases["ties"] = {
        "limit": 127, "scale": [1 / 64], "x": ties.flatten().tolist(),
        "values": torch.fake_quantize_per_channel_affine(
            ties, torch.tensor([1 / 64]), torch.zeros(1, dtype=torch.int32), 0, -127, 127
        ).flatten().tolist(),
    }
    write_json(options.out, {
        "madeBy": "scripts/golden/fake_quantize.py",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "unit": UNIT_FORMULA,
        "inputFormula": "x[i] = float32((unit(i, 31) - 0.5) * 4), [6, 16]; the gradient of the result is "
        "float32((unit(i, 32) - 0.5) * 2)",
        "cases": cases,
    })


if __name__ == "__main__":
    main()
