"""Reference values of the similarities beside SeqSim, on small pseudo-random clips.

    pip install numpy scipy POT dtw-python
    python scripts/golden/retrieval_metrics.py src/retrieval/golden/metrics.json

DTW by dtw-python (symmetric2 over n + m; also in a slanted band), optimal transport by POT's Sinkhorn in the
logarithmic domain, CSLS and centring by their formulas in numpy.
"""

import platform
import sys

import dtw
import numpy as np
import ot

from golden_file import pseudo_frames, rounded, write_json

WIDTH = 8
SOURCES = (1, 7, 20, 33)
TARGETS = (5, 12, 31)
REGULARISATION = 0.05
BAND = 0.25


def clips(lengths: tuple[int, ...], seed: int) -> list[np.ndarray]:
    return [pseudo_frames((length, WIDTH), seed + i).astype(np.float64) for i, length in enumerate(lengths)]


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    return unit(x) @ unit(y).T


def warped(distance: np.ndarray, **window) -> float:
    """dtw-python counts the first cell once; Sakoe and Chiba count it twice, so that every path weighs n + m."""
    total = dtw.dtw(distance, step_pattern="symmetric2", **window).distance + distance[0, 0]
    return float(1 - total / sum(distance.shape))


def banded(distance: np.ndarray) -> float:
    rows, columns = distance.shape

    def inside(i, j, query_size, reference_size):
        return abs(j - ((i + 1) * columns / rows - 1)) <= BAND * columns

    return warped(distance, window_type=inside)


def transport(distance: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    plan = ot.sinkhorn(a, b, distance, REGULARISATION, method="sinkhorn_log", numItermax=100_000, stopThr=1e-12)
    return float(1 - (plan * distance).sum())


def csls(s: np.ndarray, k: int) -> np.ndarray:
    rows = np.sort(s, axis=1)[:, -k:].mean(axis=1, keepdims=True)
    columns = np.sort(s, axis=0)[-k:].mean(axis=0, keepdims=True)
    return 2 * s - rows - columns


def main() -> None:
    sources, targets = clips(SOURCES, 10), clips(TARGETS, 50)
    matrix = lambda f: [[rounded(f(x, y)) for y in targets] for x in sources]
    flat = lambda n: np.full(n, 1 / n)
    rising = lambda n: np.arange(1, n + 1) / (n * (n + 1) / 2)
    similarity = pseudo_frames((9, 14), 90).astype(np.float64)
    mean = np.concatenate(sources).mean(axis=0)
    write_json(
        sys.argv[1],
        {
            "madeBy": "scripts/golden/retrieval_metrics.py",
            "versions": {"python": platform.python_version(), "numpy": np.__version__, "POT": ot.__version__,
                         "dtw-python": "1.9.0"},
            "width": WIDTH,
            "sources": list(SOURCES),
            "targets": list(TARGETS),
            "band": BAND,
            "dtw": matrix(lambda x, y: warped(1 - cosines(x, y))),
            # A clip of one frame has no path inside a band.
            "dtwBanded": [[rounded(banded(1 - cosines(x, y))) for y in targets] for x in sources[1:]],
            "transport": matrix(lambda x, y: transport(1 - cosines(x, y), flat(len(x)), flat(len(y)))),
            "transportWeighted": matrix(lambda x, y: transport(1 - cosines(x, y), rising(len(x)), rising(len(y)))),
            "csls": [[rounded(value) for value in row] for row in csls(similarity, 10)],
            "csls3": [[rounded(value) for value in row] for row in csls(similarity, 3)],
            "centred": [[rounded(value) for value in (x - mean)[-1]] for x in sources],
        },
    )


main()
