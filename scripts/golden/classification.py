"""Accuracy, macro-F1, confusion, ROC AUC, EER and minDCF of scikit-learn.

python scripts/golden/classification.py src/studies/probes/golden/classification.json src/studies/speaker/golden/verification.json
"""

import platform
import sys

import numpy as np
import scipy
import sklearn
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import accuracy_score, confusion_matrix, det_curve, f1_score, roc_auc_score, roc_curve

from golden_file import unit, write_json

HEADER = {
    "madeBy": "scripts/golden/classification.py",
    "versions": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
}


def classification(seed: int, clips: int, labels: int, right: float, unheard: bool) -> dict:
    truth = np.floor(unit(np.arange(clips), seed) ** 2 * labels).astype(int)
    guess = np.floor(unit(np.arange(clips), seed + 1) * labels).astype(int)
    if unheard:  # the last label is never true, the one before never given
        truth = np.minimum(truth, labels - 2)
        guess = np.where(guess == labels - 2, 0, guess)
    predicted = np.where(unit(np.arange(clips), seed + 2) < right, truth, guess)
    if unheard:
        predicted = np.where(predicted == labels - 2, 0, predicted)
    return {
        "labels": labels,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "confusion": confusion_matrix(truth, predicted, labels=range(labels)).tolist(),
        "accuracy": accuracy_score(truth, predicted),
        "macroF1": f1_score(truth, predicted, average="macro", zero_division=0),
        "f1": f1_score(truth, predicted, average=None, labels=range(labels), zero_division=0).tolist(),
    }


def verification(seed: int, pairs: int, share: float, gap: float, digits: int) -> dict:
    same = unit(np.arange(pairs), seed) < share
    noise = sum(unit(np.arange(pairs), seed + k) for k in range(1, 5)) - 2
    scores = np.round(noise + np.where(same, gap, 0), digits)  # rounded: ties
    false_alarm, hit, _ = roc_curve(same, scores, drop_intermediate=False)
    miss = 1 - hit
    detection_false_alarm, detection_miss, _ = det_curve(same, scores)
    cost = {}
    for prior in (0.01, 0.05, 0.5):
        cost[str(prior)] = float(np.min(prior * miss + (1 - prior) * false_alarm) / min(prior, 1 - prior))
    return {
        "scores": scores.tolist(),
        "same": same.astype(int).tolist(),
        "auc": roc_auc_score(same, scores),
        "eer": float(brentq(lambda x: 1 - x - interp1d(false_alarm, hit)(x), 0, 1)),
        "minDcf": cost,
        # A few points, to know that the curve is the same one.
        "det": [
            [float(detection_false_alarm[i]), float(detection_miss[i])]
            for i in np.linspace(0, len(detection_miss) - 1, 7).astype(int)
        ],
    }


write_json(
    sys.argv[1],
    HEADER
    | {
        "cases": [
            classification(1, 60, 3, 0.7, False),
            classification(11, 90, 7, 0.4, False),
            classification(21, 40, 5, 0.5, True),
        ]
    },
)
write_json(
    sys.argv[2],
    HEADER
    | {
        "cases": [
            verification(1, 300, 0.3, 0.8, 6),
            verification(11, 400, 0.1, 0.4, 1),
            verification(21, 50, 0.5, 5.0, 6),
            verification(31, 80, 0.5, -0.3, 2),
        ]
    },
)
