"""Golden output and gradients of a feed-forward network with a language's expert and its gate, from PyTorch in float64.

    python scripts/golden/experts.py [--out src/whisper/golden/experts.json]

DistilWhisper's conditional language-specific routing (Ferraz et al. 2024): g = W2·relu(W1·x); in training sigmoid(g + noise),
at test 1 where g >= 0; output g·FFN_language(x) + (1 - g)·FFN_shared(x), the shared one frozen. The loss is the sum of the
output times given numbers, and |mean gate - 0.5|.
"""

import argparse
import platform

import numpy as np
import torch

from golden_file import UNIT_FORMULA, rounded, unit, write_json

WIDTH, INNER, GATE = 8, 16, 4
SHAPES = {
    "fc1.weight": (INNER, WIDTH), "fc1.bias": (INNER,), "fc2.weight": (WIDTH, INNER), "fc2.bias": (WIDTH,),
    "expert.fc1.weight": (INNER, WIDTH), "expert.fc1.bias": (INNER,),
    "expert.fc2.weight": (WIDTH, INNER), "expert.fc2.bias": (WIDTH,),
    "expert.gate.fc1.weight": (GATE, WIDTH), "expert.gate.fc2.weight": (1, GATE),
}


def pseudo(shape: tuple[int, ...], seed: int, width: float) -> torch.Tensor:
    values = ((unit(np.arange(int(np.prod(shape))), seed) - 0.5) * width).astype(np.float32)
    return torch.from_numpy(values.reshape(shape)).double()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="src/whisper/golden/experts.json")
    options = parser.parse_args()

    weights = {name: pseudo(shape, 40 + k, 1.0) for k, (name, shape) in enumerate(SHAPES.items())}
    for name, weight in weights.items():
        weight.requires_grad_(name.startswith("expert."))
    x = pseudo((2, 3, WIDTH), 61, 2.0).requires_grad_(True)
    upstream = pseudo((2, 3, WIDTH), 62, 2.0)
    noise = pseudo((2, 3, 1), 63, 6.0)

    def feed_forward(prefix: str) -> torch.Tensor:
        w = lambda name: weights[prefix + name]  # noqa: E731
        inner = torch.nn.functional.gelu(x @ w("fc1.weight").T + w("fc1.bias"))
        return inner @ w("fc2.weight").T + w("fc2.bias")

    open_ = torch.relu(x @ weights["expert.gate.fc1.weight"].T) @ weights["expert.gate.fc2.weight"].T
    own, shared = feed_forward("expert."), feed_forward("")
    g = torch.sigmoid(open_ + noise)
    y = g * own + (1 - g) * shared
    loss = (y * upstream).sum() + (g.mean() - 0.5).abs()
    loss.backward()
    hard = (open_ >= 0).double()

    def values(t: torch.Tensor) -> list[float]:
        return [rounded(v, 8) for v in t.detach().flatten().tolist()]

    write_json(options.out, {
        "madeBy": "scripts/golden/experts.py",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "unit": UNIT_FORMULA,
        "formula": "the k-th of weights: float32(unit(i, 40 + k) - 0.5); x: float32((unit(i, 61) - 0.5) * 2) [2, 3, 8]; "
        "gradient of the output: the same with seed 62; noise: float32((unit(i, 63) - 0.5) * 6) [2, 3, 1]",
        "weights": [[name, list(shape)] for name, shape in SHAPES.items()],
        "gateWidth": GATE,
        "loss": rounded(loss.item(), 8),
        "noisy": values(y),
        "gates": values(g),
        "hard": values(hard * own + (1 - hard) * shared),
        "hardGates": values(hard),
        "gradients": {n: values(w.grad) for n, w in weights.items() if w.grad is not None} | {"x": values(x.grad)},
    })
    print("hard gates", hard.flatten().tolist())


if __name__ == "__main__":
    main()
