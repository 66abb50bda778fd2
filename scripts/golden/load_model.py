"""Load a Whisper model folder into transformers' WhisperForConditionalGeneration, in float32.

Two forms of weights are read, from every *.safetensors file of the folder:
  - plain: `<name>` as F16, BF16 or F32 (Hugging Face layout);
  - int8:  `<name>` as I8 with `<name>.scale` as F16, one scale per output row (dimension 0; convolution
           kernels count as [out, in * width]). The weight is int8 * scale, computed in float32.
"""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise SystemExit(f"{folder}: no .safetensors file in this folder")
    stored = {}
    for file in files:
        stored.update(load_file(file))
    weights = {}
    for name, tensor in stored.items():
        if name.removesuffix(".scale") in stored and name.endswith(".scale"):
            continue
        scale = stored.get(f"{name}.scale")
        if tensor.dtype == torch.int8:
            if scale is None:
                raise SystemExit(f"{folder}: {name} is int8 but {name}.scale is missing")
            rows = scale.float().reshape(-1, *[1] * (tensor.dim() - 1))
            weights[name] = tensor.float() * rows
        else:
            weights[name] = tensor.float()
    return weights


def load_model(folder: str | Path, attention: str = "sdpa") -> WhisperForConditionalGeneration:
    folder = Path(folder)
    config = WhisperConfig.from_pretrained(folder)
    config.dtype = torch.float32
    config._attn_implementation = attention
    model = WhisperForConditionalGeneration(config).float()
    missing, unexpected = model.load_state_dict(read_weights(folder), strict=False)
    missing = [name for name in missing if name != "proj_out.weight"]  # tied to the token embedding
    if missing or unexpected:
        raise SystemExit(f"{folder}: missing tensors {missing[:3]}, unexpected tensors {unexpected[:3]}")
    model.tie_weights()
    assert model.proj_out.weight is model.model.decoder.embed_tokens.weight
    if (folder / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval()


def weights_sha256(folder: str | Path) -> str:
    """Which weights a golden value belongs to: SHA-256 over the weight files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(Path(folder).glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
