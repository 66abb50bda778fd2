"""Golden losses and gradients of the training objectives, from PyTorch in float32, on small random Whispers.

    python scripts/golden/objectives.py [--out src/training/golden/objectives.json]

Student: width 16, 2 decoder layers; teacher: width 24, 5 layers; both 96 tokens. Their weights: src/testing/tiny-model.ts,
seeds 1000 and 2100; the projection of hidden states: float32((unit(i, 3003) - 0.5) * 0.8). Each hears frames of its own.
Three texts of different lengths; the positions of the second count twice (its language's weight).
"""

import argparse
import platform

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import WhisperConfig, WhisperForConditionalGeneration

from golden_file import UNIT_FORMULA, norm, pseudo_frames, rounded, samples, unit, write_json

VOCABULARY = 96
STUDENT = {"d_model": 16, "decoder_layers": 2}
TEACHER = {"d_model": 24, "decoder_layers": 5}
STUDENT_SEED, TEACHER_SEED, PROJECTION_SEED = 1000, 2100, 3003
STUDENT_FRAMES, TEACHER_FRAMES = (3, 11, 16), (3, 13, 24)
TEXTS = [[3, 50, 7, 61, 22, 9, 90, 95], [3, 51, 7, 14, 80, 95], [3, 50, 7, 33, 71, 71, 95]]
PROMPT = 3
WEIGHTS = [1.0, 2.0, 1.0]
SAMPLES = 12
CASES = {
    "smoothing": {"smoothing": 0.1, "alpha": 0.0},
    "kl": {"divergence": "kl", "temperature": 1.0, "alpha": 0.9},
    "klWarm": {"divergence": "kl", "temperature": 2.0, "alpha": 0.6, "smoothing": 0.2},
    "js": {"divergence": "js", "temperature": 3.0, "alpha": 0.5},
    "staticMse": {"divergence": "kl", "temperature": 1.0, "alpha": 0.9, "hidden": "static", "distance": "mse"},
    "staticL1": {"divergence": "js", "temperature": 1.0, "alpha": 0.9, "hidden": "static", "distance": "l1"},
    "dynamicMse": {"divergence": "kl", "temperature": 2.0, "alpha": 0.9, "hidden": "dynamic", "distance": "mse"},
    "dynamicL1": {"divergence": "kl", "temperature": 2.0, "alpha": 0.9, "hidden": "dynamic", "distance": "l1"},
}


def tiny_model(sizes: dict, seed: int) -> WhisperForConditionalGeneration:
    config = WhisperConfig(
        encoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, bos_token_id=0, eos_token_id=0,
        decoder_start_token_id=0, suppress_tokens=None, begin_suppress_tokens=None, **{"vocab_size": VOCABULARY, **sizes},
    )
    config._attn_implementation = "eager"
    model = WhisperForConditionalGeneration(config).float().eval()
    state = {name: p for name, p in model.state_dict().items() if name.startswith("model.")}
    for k, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        count = int(np.prod(shape))
        width = 0.4 if len(shape) == 1 else 3.4 / np.sqrt(count // shape[0])
        values = ((unit(np.arange(count), seed + k) - 0.5) * width).astype(np.float32)
        if name.endswith("norm.weight"):
            values = (1 + values.astype(np.float64)).astype(np.float32)
        state[name] = torch.from_numpy(values.reshape(shape))
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    return model


def decoded(model, inputs, frames, rows):
    """Logits and what each layer gives to the next, at the rows; transformers' own list has the last one normed."""
    layers = []

    def keep(_module, _args, output):
        layers.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in model.model.decoder.layers]
    hidden = model.model.decoder(input_ids=inputs, encoder_hidden_states=frames, use_cache=False).last_hidden_state
    for hook in hooks:
        hook.remove()
    logits = hidden.flatten(0, 1)[rows] @ model.model.decoder.embed_tokens.weight.T
    return logits, [x.flatten(0, 1)[rows] for x in layers]


def batch():
    length = max(map(len, TEXTS)) - 1
    inputs, rows, labels, weights = [], [], [], []
    for text, weight in zip(TEXTS, WEIGHTS):
        for i in range(length):
            if i >= PROMPT - 1 and i + 1 < len(text):
                rows.append(len(inputs))
                labels.append(text[i + 1])
                weights.append(weight)
            inputs.append(text[i] if i < len(text) else 95)
    weights = torch.tensor(weights) / len(rows)
    return torch.tensor(inputs).reshape(len(TEXTS), length), torch.tensor(rows), torch.tensor(labels), weights


def divergence(kind: str, student, teacher):
    log_student, log_teacher = F.log_softmax(student, -1), F.log_softmax(teacher, -1)

    def kl(log_p, log_q):  # KL(p ‖ q) of each row
        return F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)

    if kind == "kl":
        return kl(log_teacher, log_student)
    middle = ((log_student.exp() + log_teacher.exp()) / 2).log()
    return (kl(log_teacher, middle) + kl(log_student, middle)) / 2


def hidden_distance(ours, theirs, projection, weights, matching: str, distance: str):
    def apart(a, b):
        return (((a - b) ** 2 if distance == "mse" else (a - b).abs()).mean(-1) * weights).sum()

    total, before, chosen = 0, 0, []
    for i, x in enumerate(ours):
        if matching == "static":
            place = round((i + 1) * len(theirs) / len(ours) + 1e-9) - 1
        else:
            candidates = [apart(x, theirs[j] @ projection.T).item() for j in range(before, len(theirs))]
            place = before = before + int(np.argmin(candidates))
        chosen.append(place)
        total = total + apart(x, theirs[place] @ projection.T)
    return total, chosen


def run(case: dict, student, teacher, projection) -> dict:
    student.zero_grad(set_to_none=True)
    projection.grad = None
    inputs, rows, labels, weights = batch()
    logits, ours = decoded(student, inputs, torch.from_numpy(pseudo_frames(STUDENT_FRAMES, seed=31)), rows)
    with torch.no_grad():
        teacher_logits, theirs = decoded(
            teacher, inputs, torch.from_numpy(pseudo_frames(TEACHER_FRAMES, seed=32)), rows
        )
    alpha = case["alpha"]
    # Each position's own, and then the sum by our weights: PyTorch's mean would divide by the number of positions.
    smoothed = F.cross_entropy(logits, labels, reduction="none", label_smoothing=case.get("smoothing", 0.0))
    loss = (1 - alpha) * (smoothed * weights).sum()
    told = {"crossEntropy": (F.cross_entropy(logits, labels, reduction="none") * weights).sum().item()}
    chosen = None
    if alpha > 0:
        t = case["temperature"]
        apart = t**2 * (divergence(case["divergence"], logits / t, teacher_logits / t) * weights).sum()
        told["distillation"] = apart.item()
        loss = loss + alpha * apart
    if "hidden" in case:
        apart, chosen = hidden_distance(ours, theirs, projection, weights, case["hidden"], case["distance"])
        told["hiddenDistance"] = apart.item()
        loss = loss + alpha * apart
    loss.backward()
    gradients = {n: p.grad for n, p in student.named_parameters() if p.grad is not None}
    if "hidden" in case:
        gradients["distillation.projection.weight"] = projection.grad
    return {
        "options": case, "loss": rounded(loss.item(), 9), "terms": {k: rounded(v, 9) for k, v in told.items()},
        "chosen": chosen,
        "gradients": {
            n: [norm(g.numpy()), [rounded(v, 6) for v in samples(g.numpy(), SAMPLES)]] for n, g in gradients.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="src/training/golden/objectives.json")
    options = parser.parse_args()
    student, teacher = tiny_model(STUDENT, STUDENT_SEED), tiny_model(TEACHER, TEACHER_SEED)
    values = ((unit(np.arange(16 * 24), PROJECTION_SEED) - 0.5) * 0.8).astype(np.float32)
    projection = torch.nn.Parameter(torch.from_numpy(values.reshape(16, 24)))
    cases = {name: run(case, student, teacher, projection) for name, case in CASES.items()}
    for name, case in cases.items():
        print(name, case["loss"], case["terms"], case["chosen"])
    write_json(options.out, {
        "madeBy": "scripts/golden/objectives.py",
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        },
        "unit": UNIT_FORMULA,
        "formula": "frames: float32((unit(i, seed) - 0.5) * 3.4), seeds 31 and 32; gradients: norm, and samples[k] the "
        "flat entry floor(unit(k, 101) * size)",
        "texts": TEXTS, "promptLength": PROMPT, "textWeights": WEIGHTS,
        "studentFrames": STUDENT_FRAMES, "teacherFrames": TEACHER_FRAMES,
        "cases": cases,
    })


if __name__ == "__main__":
    main()
