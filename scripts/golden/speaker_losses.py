"""Values and gradients of the speaker objective in PyTorch.

python scripts/golden/speaker_losses.py src/studies/speaker/golden/losses.json
"""

import platform
import sys

import torch
import torch.nn.functional as F

from golden_file import pseudo_frames, rounded, write_json

SPEAKERS = [0, 0, 0, 1, 1, 2, 2, 2]
WIDTH = 6


def triplet(z: torch.Tensor, margin: float) -> torch.Tensor:
    labels = torch.tensor(SPEAKERS)
    distances = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    positive = distances.masked_fill(~same, -1).max(dim=1).indices
    negative = distances.masked_fill(same, float("inf")).min(dim=1).indices
    return F.triplet_margin_loss(z, z[positive], z[negative], margin=margin, p=2, eps=0)


def nt_xent(one: torch.Tensor, two: torch.Tensor, temperature: float) -> torch.Tensor:
    z = F.normalize(torch.cat([one, two]), dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(one)))


def view(seed: int) -> torch.Tensor:
    return torch.from_numpy(pseudo_frames((len(SPEAKERS), WIDTH), seed)).double().requires_grad_()


clean, noise, stretch = view(1), view(2), view(3)
parts = {
    "triplet": triplet(clean, 1.0),
    "noise": nt_xent(clean, noise, 0.5),
    "stretch": nt_xent(clean, stretch, 0.5),
}
total = parts["triplet"] + 0.5 * (parts["noise"] + parts["stretch"])
gradients = torch.autograd.grad(total, [clean, noise, stretch])
write_json(
    sys.argv[1],
    {
        "madeBy": "scripts/golden/speaker_losses.py",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "speakers": SPEAKERS,
        "width": WIDTH,
        "losses": {name: rounded(loss.item(), 9) for name, loss in parts.items()} | {"total": rounded(total.item(), 9)},
        "gradients": {
            name: [rounded(v) for v in gradient.flatten().tolist()]
            for name, gradient in zip(["clean", "noise", "stretch"], gradients)
        },
    },
)
