"""What all golden files share: numbers that TypeScript can generate identically, and the header of versions."""

import json
import platform
from pathlib import Path

import numpy as np
import torch
import transformers

from load_model import weights_sha256

UNIT_FORMULA = (
    "unit(index, seed): h = index + imul(seed, 0x9E3779B9) as uint32; h ^= h >>> 16; h = imul(h, 0x85EBCA6B); "
    "h ^= h >>> 13; h = imul(h, 0xC2B2AE35); h ^= h >>> 16; return (h >>> 0) / 2**32"
)
SAMPLE_SEED = 101
SIGN_SEEDS = (201, 202, 203, 204)


def unit(index: np.ndarray, seed: int) -> np.ndarray:
    """Pseudo-random doubles in [0, 1), the finaliser of MurmurHash3: exact in JavaScript with Math.imul."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.asarray(index, dtype=np.uint64) + np.uint64(seed * 0x9E3779B9 & 0xFFFFFFFF)) & mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & mask
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 2**32


def pseudo_frames(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Stand-in for encoder output: float32((unit(i, seed) - 0.5) * 3.4), i the flat index; deviation near 1."""
    index = np.arange(int(np.prod(shape)))
    return ((unit(index, seed) - 0.5) * 3.4).astype(np.float32).reshape(shape)


def sample_indices(size: int, count: int) -> np.ndarray:
    """Flat indices floor(unit(k, 101) * size): spread over rows and columns alike, repeats possible."""
    return np.floor(unit(np.arange(count), SAMPLE_SEED) * size).astype(np.int64)


def signed_sums(values: np.ndarray) -> list[float]:
    """Dot products with four vectors of +1 (unit(i, seed) < 0.5) and -1, seeds 201 to 204."""
    flat = values.reshape(-1).astype(np.float64)
    index = np.arange(flat.size)
    return [rounded(np.where(unit(index, seed) < 0.5, flat, -flat).sum()) for seed in SIGN_SEEDS]


def rounded(value: float, digits: int = 7) -> float:
    return float(f"{float(value):.{digits}g}")


def norm(values: np.ndarray) -> float:
    return rounded(np.linalg.norm(values.reshape(-1).astype(np.float64)))


def samples(values: np.ndarray, count: int) -> list[float]:
    flat = values.reshape(-1)
    return [rounded(flat[i]) for i in sample_indices(flat.size, count)]


def header(script: str, model: str) -> dict:
    return {
        "madeBy": f"scripts/golden/{script}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "model": Path(model).resolve().name,
        "weightsSha256": weights_sha256(model),
    }


def write_json(path: str | Path, content: dict) -> None:
    """One line per entry of the outer object and of its lists of objects, so that a diff can be read."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for key, value in content.items():
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            inner = ",\n".join(f"  {json.dumps(k)}: {dump(v)}" for k, v in value.items())
            lines.append(f"{json.dumps(key)}: {{\n{inner}\n}}")
        else:
            lines.append(f"{json.dumps(key)}: {dump(value)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


def dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
