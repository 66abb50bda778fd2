"""Golden encoder output (after the final layer norm), from PyTorch in float32, of log-mel spectrograms made by formula.

    python scripts/golden/encoder_output.py --model models/whisper-base-int8 [--out src/whisper/golden/encoder-output.json]

Two windows: the full one (3000 log-mel frames, 1500 positions), and a short one of 300 frames, for which the encoder
takes the first 150 position embeddings.
"""

import argparse

import numpy as np
import torch

from golden_file import UNIT_FORMULA, header, norm, rounded, samples, signed_sums, unit, write_json
from load_model import load_model

WINDOWS = (300, 3000)
VECTOR_POSITIONS = 5


def pseudo_log_mel(bins: int, frames: int) -> np.ndarray:
    """Blocks of 8 frames by 4 bins like syllables and formants, plus noise; [bins, frames], within -0.8 and 1.2."""
    b, t = np.meshgrid(np.arange(bins), np.arange(frames), indexing="ij")
    block = unit((t // 8) * 32 + b // 4, 11)
    noise = unit(t * 128 + b, 12)
    return (-0.8 + 1.6 * block * block + 0.4 * noise).astype(np.float32)


def encode(encoder, log_mel: torch.Tensor) -> list[torch.Tensor]:
    """transformers' encoder forward without its demand for 3000 frames. Returns the states after the convolutions
    with positions, after each layer, and last after the final layer norm; each [1, frames / 2, width]."""
    hidden = torch.nn.functional.gelu(encoder.conv1(log_mel))
    hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    states = [hidden]
    for layer in encoder.layers:
        hidden = layer(hidden, None)
        states.append(hidden)
    return [*states, encoder.layer_norm(hidden)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", default="src/whisper/golden/encoder-output.json")
    options = parser.parse_args()

    model = load_model(options.model)
    encoder = model.model.encoder
    windows = {}
    with torch.inference_mode():
        for frames in WINDOWS:
            log_mel = pseudo_log_mel(model.config.num_mel_bins, frames)
            states = encode(encoder, torch.from_numpy(log_mel)[None])
            output = states[-1][0].numpy()
            if frames == 3000:
                theirs = encoder(torch.from_numpy(log_mel)[None]).last_hidden_state[0].numpy()
                assert np.abs(theirs - output).max() < 1e-4, "this script's encoder differs from transformers'"
            positions = np.linspace(0, output.shape[0] - 1, VECTOR_POSITIONS).astype(int).tolist()
            windows[str(frames)] = {
                "shape": list(output.shape),
                "logMelNorm": norm(log_mel),
                "logMelSamples": samples(log_mel, 16),
                "norm": norm(output),
                "signedSums": signed_sums(output),
                "samples": samples(output, 512),
                "positions": positions,
                "vectors": [[rounded(v) for v in output[p]] for p in positions],
                "states": [
                    {"norm": norm(state[0].numpy()), "samples": samples(state[0].numpy(), 64)} for state in states
                ],
            }
    write_json(options.out, {
        **header("encoder_output.py", options.model),
        "comment": "samples[k] is the flat entry floor(unit(k, 101) * size); signedSums[j] the sum of entries times "
        "(unit(i, 201 + j) < 0.5 ? 1 : -1); vectors are whole output rows at positions; states are "
        "after the convolutions and positions, after each layer, and after the final layer norm.",
        "unit": UNIT_FORMULA,
        "logMelFormula": "logMel[b, t] = float32(-0.8 + 1.6 * u * u + 0.4 * unit(t * 128 + b, 12)), u = unit(floor(t / 8) * 32 + floor(b / 4), 11), [bins, frames]",
        "windows": windows,
    })


if __name__ == "__main__":
    main()
