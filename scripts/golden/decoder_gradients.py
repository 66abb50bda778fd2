"""Golden loss, logits and gradients of the Whisper decoder, from PyTorch in float32.

    python scripts/golden/decoder_gradients.py --model models/whisper-base-int8 \
        [--out src/whisper/golden/decoder-gradients] [--full out/decoder-gradients-full.npz]

Writes <out>.json and <out>.bin. Three runs over one batch of two clips:
  plain       24 frames each;
  tail        the same frames followed by 5 tail frames shared by both clips, whose cross-attention scores get
              + log(weight) in every layer and head (a frame that stands for `weight` frames);
  tailPadded  as tail, but of the second clip only the first 17 frames are real: frames 17 to 23 are masked.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from golden_file import (
    UNIT_FORMULA, header, norm, pseudo_frames, rounded, sample_indices, samples, signed_sums, write_json,
)
from load_model import load_model

PROMPT = ["<|startoftranscript|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>"]
TEXTS = ["请点击红色的鱼，然后把它放进水里。", "今天天气很好"]
FRAMES = 24
REAL_FRAMES = [24, 17]
TAIL_WEIGHTS = [1.0, 3.0, 7.0, 20.5, 400.0]
MASKED = -1e9
PREFIX = "model.decoder."
DENSE_MATRIX = "layers.2.encoder_attn.k_proj.weight"
EMBEDDING = "embed_tokens.weight"


def batch(tokenizer: Tokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoder input and labels, [2, length - 1]. The label at the last prompt token is the first text token;
    the first end of text is kept, and the padding (also end of text) is -100."""
    end = tokenizer.token_to_id("<|endoftext|>")
    prompt = [tokenizer.token_to_id(token) for token in PROMPT]
    sequences = [prompt + tokenizer.encode(t, add_special_tokens=False).ids + [end] for t in TEXTS]
    length = max(map(len, sequences))
    inputs, labels = [], []
    for sequence in sequences:
        padded = sequence + [end] * (length - len(sequence))
        label = [-100] * (len(prompt) - 1) + sequence[len(prompt):]
        inputs.append(padded[:-1])
        labels.append(label + [-100] * (length - 1 - len(label)))
    return torch.tensor(inputs), torch.tensor(labels)


def run(model, inputs, labels, frames, bias, dtype=torch.float32):
    """Loss, logits and gradients. The output matrix is untied from the embedding so that both parts can be told."""
    model = model.to(dtype)
    model.zero_grad(set_to_none=True)
    decoder = model.model.decoder
    output_matrix = decoder.embed_tokens.weight.detach().clone().requires_grad_(True)
    hooks = []
    if bias is not None:
        def add_bias(_module, args, kwargs):
            kwargs["attention_mask"] = bias.to(dtype)  # added to the scores before the softmax
            return args, kwargs
        hooks = [layer.encoder_attn.register_forward_pre_hook(add_bias, with_kwargs=True) for layer in decoder.layers]
    frames = frames.detach().clone().to(dtype).requires_grad_(True)
    hidden = decoder(input_ids=inputs, encoder_hidden_states=frames, use_cache=False).last_hidden_state
    logits = hidden @ output_matrix.T
    per_item = [torch.nn.functional.cross_entropy(logits[b], labels[b], ignore_index=-100, reduction="sum") for b in range(2)]
    counts = [(labels[b] != -100).sum().item() for b in range(2)]
    loss = sum(per_item) / sum(counts)
    loss.backward()
    for hook in hooks:
        hook.remove()
    gradients = {n.removeprefix(PREFIX): p.grad.detach().float().numpy() for n, p in model.named_parameters() if n.startswith(PREFIX)}
    from_input = gradients[EMBEDDING]
    from_output = output_matrix.grad.float().numpy()
    gradients[EMBEDDING] = from_input + from_output
    return {
        "loss": loss.item(), "items": [l.item() / c for l, c in zip(per_item, counts)], "counts": counts,
        "logits": logits.detach().float().numpy(), "gradients": gradients, "frames": frames.grad.float().numpy(),
        "from_input": from_input, "from_output": from_output,
    }


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def logit_rows(logits: np.ndarray, labels: torch.Tensor) -> list[dict]:
    rows = []
    for item in range(2):
        position = int((labels[item] != -100).nonzero().max())
        row = logits[item, position]
        best = np.argsort(-row)[:5]
        rows.append({
            "item": item, "position": position, "norm": norm(row), "best": best.tolist(),
            "bestLogits": [rounded(row[i]) for i in best],
            "logSumExp": rounded(np.logaddexp.reduce(row.astype(np.float64))), "samples": samples(row, 64),
        })
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", default="src/whisper/golden/decoder-gradients")
    parser.add_argument("--full", help="also write every gradient but the embedding's, float16, as .npz here")
    options = parser.parse_args()

    model = load_model(options.model, attention="eager")
    tokenizer = Tokenizer.from_file(str(Path(options.model) / "tokenizer.json"))
    inputs, labels = batch(tokenizer)
    width = model.config.d_model
    frames = torch.from_numpy(pseudo_frames((2, FRAMES, width), seed=1))
    tail = torch.from_numpy(pseudo_frames((len(TAIL_WEIGHTS), width), seed=2))
    with_tail = torch.cat([frames, tail.expand(2, -1, -1)], dim=1)
    tail_bias = np.log(np.array(TAIL_WEIGHTS)).astype(np.float32)
    bias = torch.zeros(2, 1, 1, FRAMES + len(TAIL_WEIGHTS))
    bias[:, 0, 0, FRAMES:] = torch.from_numpy(tail_bias)
    padded_bias = bias.clone()
    for item, real in enumerate(REAL_FRAMES):
        padded_bias[item, 0, 0, real:FRAMES] = MASKED
    cases = {"plain": (frames, None), "tail": (with_tail, bias), "tailPadded": (with_tail, padded_bias)}
    results = {name: run(model, inputs, labels, *case) for name, case in cases.items()}
    doubles = {name: run(model, inputs, labels, *case, dtype=torch.float64) for name, case in cases.items()}

    # The .bin holds float32 values: small tensors whole, half of one matrix, and the touched embedding rows.
    blob = bytearray()

    def store(values: np.ndarray) -> int:
        offset = len(blob) // 4
        blob.extend(np.ascontiguousarray(values, dtype="<f4").tobytes())
        return offset

    plain = results["plain"]
    tensors = {}
    for name, gradient in plain["gradients"].items():
        entry = {"shape": list(gradient.shape), "norm": norm(gradient), "signedSums": signed_sums(gradient)}
        if name == EMBEDDING:
            rows = sorted(set(inputs.flatten().tolist()) | set(labels[labels >= 0].tolist()) | {0, 220, 51864})
            entry.update(
                inputNorm=norm(plain["from_input"]), outputNorm=norm(plain["from_output"]), rows=rows,
                rowsOffset=store(gradient[rows]), inputRowNorms=[norm(plain["from_input"][r]) for r in rows],
                samples=samples(gradient, 256),
            )
        elif name == "embed_positions.weight":
            used = inputs.shape[1]
            assert not gradient[used:].any()
            entry.update(offset=store(gradient[:used]), storedRows=used)
        elif gradient.ndim == 1:
            entry.update(offset=store(gradient), storedRows=gradient.shape[0])
        else:
            entry.update(samples=samples(gradient, 256))
            if name == DENSE_MATRIX:
                entry.update(offset=store(gradient[: gradient.shape[0] // 2]), storedRows=gradient.shape[0] // 2)
        tensors[name] = entry
    with_extra = {}
    for name in ("tail", "tailPadded"):
        result = results[name]
        with_extra[name] = {
            "loss": rounded(result["loss"], 9), "itemLosses": [rounded(v, 9) for v in result["items"]],
            "logits": logit_rows(result["logits"], labels),
            "frameGradientNorms": [norm(result["frames"][b]) for b in range(2)],
            "gradientNorms": {n: norm(g) for n, g in result["gradients"].items()},
            "gradientSignedSums": {n: signed_sums(g) for n, g in result["gradients"].items()},
        }
    agreement = {
        name: min(cosine(results[name]["gradients"][n], doubles[name]["gradients"][n]) for n in tensors)
        for name in cases
    }
    out = Path(options.out)
    write_json(out.with_suffix(".json"), {
        **header("decoder_gradients.py", options.model),
        "comment": "Gradients of the mean cross-entropy over unmasked labels. Values in .bin are float32, little endian; "
        "offsets count floats; the first storedRows rows of a tensor are there. samples[k] is the flat entry floor(unit(k, 101) * size); signedSums[j] is the sum of "
        "entries times (unit(i, 201 + j) < 0.5 ? 1 : -1). The token embedding's gradient is input part + output part; "
        "PyTorch leaves the padding row (50257) out of the input part, where it is zero here anyway.",
        "unit": UNIT_FORMULA,
        "framesFormula": "frames[i] = float32((unit(i, 1) - 0.5) * 3.4), [2, 24, width]; tail frames the same with seed 2, [5, width], shared by both clips and appended after frame 23",
        "frames": [2, FRAMES, width],
        "tailWeights": TAIL_WEIGHTS, "tailBias": [float(v) for v in tail_bias], "realFrames": REAL_FRAMES,
        "texts": TEXTS, "promptTokens": len(PROMPT), "inputTokens": inputs.tolist(), "labels": labels.tolist(),
        "labelCounts": plain["counts"], "loss": rounded(plain["loss"], 9),
        "itemLosses": [rounded(v, 9) for v in plain["items"]],
        "float64Losses": {n: rounded(r["loss"], 12) for n, r in doubles.items()},
        "smallestCosineToFloat64": agreement,
        "logits": logit_rows(plain["logits"], labels),
        "frameGradient": {"shape": list(plain["frames"].shape), "norm": norm(plain["frames"]), "signedSums": signed_sums(plain["frames"]), "samples": samples(plain["frames"], 256)},
        "tensors": tensors,
        **with_extra,
    })
    out.with_suffix(".bin").write_bytes(blob)
    print(f"{out.with_suffix('.bin')}: {len(blob)} bytes; losses", {n: r["loss"] for n, r in results.items()}, agreement)
    if options.full:
        full = {n: g.astype(np.float32) for n, g in plain["gradients"].items() if n != EMBEDDING}
        scaled = {}
        for name, gradient in full.items():  # float16 has too few exponents for small gradients: scale to 1
            largest = float(np.abs(gradient).max()) or 1.0
            scaled[name] = (gradient / largest).astype(np.float16)
            scaled[f"{name}.scale"] = np.float32(largest)
        Path(options.full).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(options.full, **scaled)


if __name__ == "__main__":
    main()
