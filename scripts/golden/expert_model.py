"""Golden loss, gates and gradients of a language's experts in encoder and decoder, from PyTorch in float32, on a small Whisper.

    python scripts/golden/expert_model.py [--out src/training/golden/experts.json]

The model of objectives.py (seed 1000) with 14 audio positions; each feed-forward network gets an expert and a gate
(experts.py), drawn like the model's weights, in the order of their names, from seed 4000 on. Three clips in one window, of
which 9, 14 and 11 frames are speech; the loss is mean cross-entropy + |mean gate - 0.5|, the mean over layers of the mean
over frames of speech (encoder) or over positions in the loss (decoder). With hard gates: the encoder's output.
"""

import argparse
import platform

import numpy as np
import torch
import torch.nn.functional as F
import transformers

from golden_file import UNIT_FORMULA, norm, rounded, samples, unit, write_json
from objectives import PROMPT, SAMPLES, STUDENT, STUDENT_SEED, TEXTS, batch, tiny_model

WIDTH, INNER, GATE, POSITIONS = 16, 32, 4, 14
LENGTHS = (9, 14, 11)
SEED, NOISE_SEED, MEL_SEED = 4000, 4500, 41
NETWORKS = ["model.encoder.layers.0", "model.decoder.layers.0", "model.decoder.layers.1"]
SHAPES = {
    "fc1.weight": (INNER, WIDTH), "fc1.bias": (INNER,), "fc2.weight": (WIDTH, INNER), "fc2.bias": (WIDTH,),
    "gate.fc1.weight": (GATE, WIDTH), "gate.fc2.weight": (1, GATE),
}


def pseudo(shape: tuple[int, ...], seed: int, width: float) -> torch.Tensor:
    values = ((unit(np.arange(int(np.prod(shape))), seed) - 0.5) * width).astype(np.float32)
    return torch.from_numpy(values.reshape(shape))


def experts() -> dict[str, torch.nn.Parameter]:
    shapes = {f"{network}.{name}": shape for network in NETWORKS for name, shape in SHAPES.items()}
    return {
        name: torch.nn.Parameter(
            pseudo(shapes[name], SEED + k, 0.4 if len(shapes[name]) == 1 else 3.4 / np.sqrt(shapes[name][1]))
        )
        for k, name in enumerate(sorted(shapes))
    }


class Gated(torch.nn.Module):
    """In the place of a layer's fc2: the shared network's output, or the expert's."""

    def __init__(self, layer, network: str, weights: dict, state: dict):
        super().__init__()
        self.shared, self.network, self.weights, self.state = layer.fc2, network, weights, state
        layer.fc1.register_forward_pre_hook(lambda _module, args: self.state.__setitem__("x", args[0]))

    def forward(self, inner):
        x, w = self.state["x"], lambda name: self.weights[f"{self.network}.{name}"]
        shared = self.shared(inner)
        own = F.linear(F.gelu(F.linear(x, w("fc1.weight"), w("fc1.bias"))), w("fc2.weight"), w("fc2.bias"))
        open_ = F.linear(torch.relu(F.linear(x, w("gate.fc1.weight"))), w("gate.fc2.weight"))
        hard = (open_ >= 0).float()
        noise = self.state["noise"]
        g = hard if noise is None else torch.sigmoid(open_ + noise[self.network])
        self.state["gates"][self.network] = (g, hard)
        return g * own + (1 - g) * shared


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="src/training/golden/experts.json")
    options = parser.parse_args()
    model = tiny_model({**STUDENT, "max_source_positions": POSITIONS}, STUDENT_SEED)
    weights, state = experts(), {"gates": {}}
    for network in NETWORKS:
        _, part, _, index = network.split(".")
        layer = getattr(model.model, part).layers[int(index)]
        layer.fc2 = Gated(layer, network, weights, state)

    inputs, rows, labels, row_weights = batch()
    row_weights = torch.full_like(row_weights, 1 / len(rows))
    mel = pseudo((3, 80, 2 * POSITIONS), MEL_SEED, 3.0)
    speech = torch.tensor([i * POSITIONS + k for i, length in enumerate(LENGTHS) for k in range(length)])

    def mean_of(gate, network):
        return gate.flatten()[speech if "encoder" in network else rows].mean()

    def noise_of(network):
        shape = (3, POSITIONS, 1) if "encoder" in network else (*inputs.shape, 1)
        return pseudo(shape, NOISE_SEED + NETWORKS.index(network), 6.0)

    def run(noise):
        state["noise"] = noise
        frames = model.model.encoder(mel).last_hidden_state
        hidden = model.model.decoder(input_ids=inputs, encoder_hidden_states=frames, use_cache=False).last_hidden_state
        return frames, hidden.flatten(0, 1)[rows] @ model.model.decoder.embed_tokens.weight.T

    _, logits = run({network: noise_of(network) for network in NETWORKS})
    gate = torch.stack([mean_of(g, network) for network, (g, _) in state["gates"].items()]).mean()
    opened = {network: mean_of(hard, network).item() for network, (_, hard) in state["gates"].items()}
    cross_entropy = (F.cross_entropy(logits, labels, reduction="none") * row_weights).sum()
    loss = cross_entropy + (gate - 0.5).abs()
    loss.backward()
    with torch.no_grad():
        frames, _ = run(None)

    write_json(options.out, {
        "madeBy": "scripts/golden/expert_model.py",
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        },
        "unit": UNIT_FORMULA,
        "formula": "mel: float32((unit(i, 41) - 0.5) * 3) [3, 80, 28]; noise of the k-th network: float32((unit(i, 4500 + k) "
        "- 0.5) * 6); gradients and frames: norm, and samples[k] the flat entry floor(unit(k, 101) * size)",
        "texts": TEXTS, "promptLength": PROMPT, "positions": POSITIONS, "lengths": LENGTHS, "gateWidth": GATE,
        "networks": NETWORKS,
        "loss": rounded(loss.item(), 9), "gate": rounded(gate.item(), 9),
        "open": {network: rounded(value, 9) for network, value in opened.items()},
        "gradients": {
            name: [norm(w.grad.numpy()), [rounded(v, 6) for v in samples(w.grad.numpy(), SAMPLES)]]
            for name, w in weights.items()
        },
        "hardFrames": [norm(frames.numpy()), [rounded(v, 6) for v in samples(frames.numpy(), SAMPLES)]],
    })
    print(loss.item(), cross_entropy.item(), gate.item(), opened)


if __name__ == "__main__":
    main()
