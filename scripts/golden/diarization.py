"""Diarization errors of pyannote.metrics for random turns.

python scripts/golden/diarization.py src/metrics/golden/diarization.json.gz
"""

import gzip
import json
import platform
import random
import sys
import warnings
from importlib.metadata import version

from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

warnings.filterwarnings("ignore")
HEADER = {
    "madeBy": "scripts/golden/diarization.py",
    "versions": {
        "python": platform.python_version(),
        "pyannote.metrics": version("pyannote.metrics"),
        "pyannote.core": version("pyannote.core"),
    },
}


def turns(seed: int, count: int, speakers: int, overlap: float) -> list:
    """Turns one after the other, with pauses or overlaps; no two of one speaker touch or overlap."""
    draw = random.Random(seed).random
    found, time, ends = [], draw(), {}
    for _ in range(count):
        who = int(draw() * speakers)
        start = time + (draw() - overlap) * 2
        start = round(max(0.0, ends.get(who, -1.0) + 0.05, start), 3)
        end = round(start + 0.2 + 4 * draw() ** 2, 3)
        found.append({"start": start, "end": end, "speaker": "abcdefgh"[who]})
        ends[who] = end
        time = end
    return found


def changed(reference: list, seed: int, speakers: int) -> list:
    """Other names, moved edges, some turns lost, some given to another speaker."""
    draw = random.Random(seed).random
    found, ends = [], {}
    for turn in reference:
        if draw() < 0.1:
            continue
        who = (ord(turn["speaker"]) + (0 if draw() < 0.8 else 1)) % speakers
        start = max(0.0, ends.get(who, -1.0) + 0.05, turn["start"] + draw() - 0.5)
        end = turn["end"] + draw() - 0.5
        if end - start < 0.01:
            continue
        found.append({"start": round(start, 3), "end": round(end, 3), "speaker": f"speaker {who}"})
        ends[who] = end
    return found


def annotation(some: list) -> Annotation:
    result = Annotation()
    for i, turn in enumerate(some):
        result[Segment(turn["start"], turn["end"]), i] = turn["speaker"]
    return result


def case(seed: int) -> dict:
    count = 1 + seed % 40
    reference = turns(seed, count, 1 + seed % 6, (seed % 3) * 0.3)
    hypothesis = turns(seed + 1, count, 1 + seed % 4, 0.3) if seed % 5 == 0 else changed(reference, seed + 2, 1 + seed % 7)
    options = {"collar": [0.0, 0.5, 0.25][seed % 3], "skipOverlap": seed % 4 == 1}
    metric = DiarizationErrorRate(collar=options["collar"], skip_overlap=options["skipOverlap"])
    found = metric(annotation(reference), annotation(hypothesis), detailed=True)
    keys = {"total": "total", "missed": "missed detection", "falseAlarm": "false alarm", "confusion": "confusion"}
    return {
        "reference": reference,
        "hypothesis": hypothesis,
        "options": options,
        "errors": {name: found[key] for name, key in keys.items()},
        "rate": found["diarization error rate"],
    }


with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as file:
    file.write(json.dumps({**HEADER, "cases": [case(seed) for seed in range(0, 600, 7)]}).encode())
