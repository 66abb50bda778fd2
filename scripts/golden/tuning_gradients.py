"""Golden loss and gradients of what can be tuned besides the decoder alone, from PyTorch and PEFT in float32.

    python scripts/golden/tuning_gradients.py --model models/whisper-base-int8 \
        [--out src/training/golden/tuning-gradients.json]

Two runs over one batch of two clips of 64 log-mel frames, through encoder and decoder, with 5 tail frames after the
encoder's 32 (as in decoder_gradients.py: their cross-attention scores get + log(weight)):
  all    every weight but the encoder's position table;
  lora   PEFT's LoRA, r 4 and alpha 6, on every projection of encoder and decoder, with B not zero.
"""

import argparse
from pathlib import Path

import numpy as np
import peft
import torch
from tokenizers import Tokenizer

from decoder_gradients import TAIL_WEIGHTS, batch
from golden_file import UNIT_FORMULA, header, norm, pseudo_frames, rounded, samples, unit, write_json
from load_model import load_model

MEL_FRAMES = 64
RANK, ALPHA = 4, 6
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
SAMPLES = 48


def run(model, mel, tail, bias, inputs, labels) -> float:
    def add_bias(_module, args, kwargs):
        kwargs["attention_mask"] = bias  # added to the scores before the softmax
        return args, kwargs

    hooks = [
        layer.encoder_attn.register_forward_pre_hook(add_bias, with_kwargs=True) for layer in model.model.decoder.layers
    ]
    frames = encode(model.model.encoder, mel)
    frames = torch.cat([frames, tail.expand(len(mel), -1, -1)], dim=1)
    hidden = model.model.decoder(input_ids=inputs, encoder_hidden_states=frames, use_cache=False).last_hidden_state
    loss = torch.nn.functional.cross_entropy(
        (hidden @ model.model.decoder.embed_tokens.weight.T).flatten(0, 1), labels.flatten(), ignore_index=-100
    )
    loss.backward()
    for hook in hooks:
        hook.remove()
    return loss.item()


def encode(encoder, mel: torch.Tensor) -> torch.Tensor:
    """WhisperEncoder.forward, for a window of any length: its own refuses all but 30 s."""
    gelu = torch.nn.functional.gelu
    x = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    for layer in encoder.layers:
        out = layer(x, attention_mask=None)
        x = out[0] if isinstance(out, tuple) else out
    return encoder.layer_norm(x)


def entries(gradients: dict[str, np.ndarray]) -> dict[str, dict]:
    return {
        name: {"norm": norm(g), "samples": [rounded(v, 6) for v in samples(g, SAMPLES)]} for name, g in gradients.items()
    }


def gradients_of(model) -> dict[str, np.ndarray]:
    return {n: p.grad.numpy().copy() for n, p in model.named_parameters() if p.grad is not None}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", default="src/training/golden/tuning-gradients.json")
    options = parser.parse_args()

    model = load_model(options.model, attention="eager")
    inputs, labels = batch(Tokenizer.from_file(str(Path(options.model) / "tokenizer.json")))
    config = model.config
    mel = torch.from_numpy(pseudo_frames((2, config.num_mel_bins, MEL_FRAMES), seed=21))
    tail = torch.from_numpy(pseudo_frames((len(TAIL_WEIGHTS), config.d_model), seed=2))
    bias = torch.zeros(2, 1, 1, MEL_FRAMES // 2 + len(TAIL_WEIGHTS))
    bias[:, 0, 0, MEL_FRAMES // 2 :] = torch.from_numpy(np.log(np.array(TAIL_WEIGHTS)).astype(np.float32))
    case = (mel, tail, bias, inputs, labels)

    all_loss = run(model, *case)
    everything = gradients_of(model)
    model.zero_grad(set_to_none=True)

    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=PROJECTIONS)
    ).eval()
    names = sorted(n for n, p in adapted.named_parameters() if "lora_" in n)
    parameters = dict(adapted.named_parameters())
    for k, name in enumerate(names):
        p = parameters[name]
        values = (unit(np.arange(p.numel()), 1000 + k) - 0.5) * 0.1
        p.data = torch.from_numpy(values.astype(np.float32).reshape(p.shape))
    lora_loss = run(adapted.base_model.model, *case)
    plain = {
        n.removeprefix("base_model.model.").replace(".default", ""): g for n, g in gradients_of(adapted).items()
    }
    assert len(plain) == len(names)
    head = header("tuning_gradients.py", options.model)
    head["versions"]["peft"] = peft.__version__
    write_json(options.out, {
        **head,
        "unit": UNIT_FORMULA,
        "melFormula": "mel[i] = float32((unit(i, 21) - 0.5) * 3.4), [2, mel bins, melFrames]; tail frames the same with "
        "seed 2, [5, width], after each clip's; samples[k] is the flat entry floor(unit(k, 101) * size)",
        "adapterFormula": "values of the k-th of adapterNames: float32((unit(i, 1000 + k) - 0.5) * 0.1)",
        "melFrames": MEL_FRAMES, "tailBias": [float(v) for v in np.log(np.array(TAIL_WEIGHTS)).astype(np.float32)],
        "inputTokens": inputs.tolist(), "labels": labels.tolist(),
        "allLoss": rounded(all_loss, 9), "loraLoss": rounded(lora_loss, 9),
        "rank": RANK, "alpha": ALPHA,
        "adapterNames": [n.removeprefix("base_model.model.").replace(".default", "") for n in names],
        "all": entries(everything), "lora": entries(plain),
    })
    print("losses", all_loss, lora_loss)


if __name__ == "__main__":
    main()
