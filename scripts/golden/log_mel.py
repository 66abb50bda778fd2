"""Golden cells for src/whisper/log-mel.test.ts, by transformers' WhisperFeatureExtractor.

    python scripts/golden/log_mel.py

Every case is extracted by the numpy path (float64) and by the torch path (float32); the numpy values are kept,
and the largest difference between the two is recorded, since it bounds what a tolerance can mean.
The signals are made by formulas that the test repeats, or read from src/audio/fixtures/speech.flac.
"""

import json
import platform
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from transformers import WhisperFeatureExtractor

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


def chirp(samples: int) -> np.ndarray:
    t = np.arange(samples, dtype=np.float64) / RATE
    seconds = samples / RATE
    return (0.5 * np.sin(2 * np.pi * (50 * t + (7900 - 50) / (2 * seconds) * t * t))).astype(np.float32)


def noise(samples: int) -> np.ndarray:
    state, out = 1, np.empty(samples, np.float32)
    for i in range(samples):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = (state / 2**32 - 0.5) * 0.2
    return out


def silence(samples: int) -> np.ndarray:
    return np.zeros(samples, np.float32)


def speech(_: int) -> np.ndarray:
    return soundfile.read(ROOT / "src/audio/fixtures/speech.flac", dtype="float32")[0]


CASES = [
    # signal, samples, mel bins, frames of the window
    (speech, 0, 80, 3000),
    (speech, 0, 128, 3000),
    (speech, 0, 80, 125),
    (speech, 0, 80, 30),
    (chirp, 480000, 80, 3000),
    (chirp, 80051, 128, 550),
    (noise, 32000, 80, 200),
    (noise, 496000, 128, 3000),
    (noise, 1, 80, 50),
    (silence, 16000, 80, 100),
]
CELLS = 400

rng = np.random.default_rng(0)
extractors = {bins: WhisperFeatureExtractor(feature_size=bins) for bins in (80, 128)}
cases, numpy_torch = [], 0.0
for make, samples, bins, frames in CASES:
    signal = make(samples)
    window = np.zeros(frames * 160, np.float32)
    length = min(len(signal), len(window))
    window[:length] = signal[:length]
    extractor = extractors[bins]
    mel = extractor._np_extract_fbank_features(window[None], "cpu")[0]
    by_torch = extractor(window, sampling_rate=RATE, padding=False, return_tensors="np")["input_features"][0]
    assert mel.shape == by_torch.shape == (bins, frames), (mel.shape, by_torch.shape)
    numpy_torch = max(numpy_torch, float(np.abs(mel - by_torch).max()))
    # Half of the cells where there is sound and at its end, half anywhere.
    sounding = min(frames, length // 160 + 3)
    columns = np.concatenate([rng.integers(0, sounding, CELLS // 2), rng.integers(0, frames, CELLS // 2)])
    columns[:4] = [0, 1, frames - 2, frames - 1]
    rows = rng.integers(0, bins, CELLS)
    cases.append(
        {
            "signal": make.__name__,
            "samples": samples,
            "melBins": bins,
            "frames": frames,
            "sum": round(float(mel.sum(dtype=np.float64)), 3),
            "row": rows.tolist(),
            "column": columns.tolist(),
            "value": [round(float(v), 6) for v in mel[rows, columns]],
        }
    )

golden = {
    "madeBy": f"scripts/golden/log_mel.py, transformers {transformers.__version__}, torch {torch.__version__}, "
    f"numpy {np.__version__}, Python {platform.python_version()}",
    "numpyAgainstTorch": numpy_torch,
    "cases": cases,
}
(ROOT / "src/audio/golden/log-mel.json").write_text(json.dumps(golden) + "\n")
print(golden["madeBy"], "numpy against torch:", numpy_torch)
