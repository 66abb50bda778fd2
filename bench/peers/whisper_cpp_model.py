"""Writes a Hugging Face Whisper folder as the one file that whisper.cpp reads, its matrices quantised to 8 bits (Q8_0).

    python bench/peers/whisper_cpp_model.py <Hugging Face model folder> <output file>

The layout is that of whisper.cpp's convert-h5-to-ggml.py, and which tensors are quantised that of its quantize tool:
all matrices but the tables of positions. Q8_0: blocks of 32 values, a float16 scale and 32 int8 each.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from safetensors.numpy import load_file

MAGIC = 0x67676D6C
F32, F16, Q8_0 = 0, 1, 8
# File types: the kind of the matrices, and the version of the quantisation.
FILE_TYPE_Q8_0, QUANTIZATION_VERSION = 7, 2
BLOCK = 32

NAMES = {
    "self_attn.k_proj": "attn.key", "self_attn.q_proj": "attn.query", "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out", "self_attn_layer_norm": "attn_ln",
    "encoder_attn.k_proj": "cross_attn.key", "encoder_attn.q_proj": "cross_attn.query",
    "encoder_attn.v_proj": "cross_attn.value", "encoder_attn.out_proj": "cross_attn.out",
    "encoder_attn_layer_norm": "cross_attn_ln", "fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln",
}
WHOLE_NAMES = {
    "encoder.layer_norm": "encoder.ln_post", "decoder.layer_norm": "decoder.ln",
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens": "decoder.token_embedding",
}


def name_of(hugging_face: str) -> str:
    name = hugging_face.removeprefix("model.")
    for theirs, ours in WHOLE_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    parts = name.split(".")
    if parts[1] != "layers":
        return name
    rest = ".".join(parts[3:-1])
    return f"{parts[0]}.blocks.{parts[2]}.{NAMES[rest]}.{parts[-1]}"


def quantized(matrix: np.ndarray) -> bytes:
    blocks = matrix.astype(np.float32).reshape(-1, BLOCK)
    scale = np.abs(blocks).max(axis=1) / 127
    values = np.round(blocks / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
    packed = np.empty(len(blocks), dtype=[("scale", "<f2"), ("values", "i1", BLOCK)])
    packed["scale"], packed["values"] = scale, values
    return packed.tobytes()


def byte_of_character() -> dict[str, int]:
    """GPT-2's characters for bytes: printable ones stand for themselves, the others come after 255."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def main() -> None:
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    # <|endoftext|> is a special token to whisper.cpp, as those after it.
    tokens = sorted((token for token in vocabulary if token != "<|endoftext|>"), key=vocabulary.get)
    byte_of = byte_of_character()
    filters = FeatureExtractor.get_mel_filters(16000, 400, config["num_mel_bins"]).astype(np.float32)
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{output}.incomplete", "wb") as file:
        file.write(struct.pack(
            "<12i", MAGIC, config["vocab_size"], config["max_source_positions"], config["d_model"],
            config["encoder_attention_heads"], config["encoder_layers"], config["max_target_positions"],
            config["d_model"], config["decoder_attention_heads"], config["decoder_layers"], config["num_mel_bins"],
            1000 * QUANTIZATION_VERSION + FILE_TYPE_Q8_0,
        ))
        file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            text = bytes(byte_of[character] for character in token)
            file.write(struct.pack("<i", len(text)) + text)
        for hugging_face, values in load_file(folder / "model.safetensors").items():
            if hugging_face == "proj_out.weight":  # The same as the token embedding.
                continue
            name = name_of(hugging_face)
            positions = "positional_embedding" in name
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                values = values.reshape(-1, 1)
            kind = F32
            if values.ndim == 2 and not positions and not name.endswith("bias"):
                kind = Q8_0
            elif values.ndim == 3:
                kind = F16
            encoded = name.encode()
            file.write(struct.pack("<3i", values.ndim, len(encoded), kind))
            file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + encoded)
            if kind == Q8_0:
                file.write(quantized(values))
            else:
                file.write(values.astype(np.float16 if kind == F16 else np.float32).tobytes())
    Path(f"{output}.incomplete").replace(output)


if __name__ == "__main__":
    main()
