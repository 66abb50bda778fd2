"""Latency measures of SimulEval and OmniSTEval, for src/metrics/latency.test.ts.

    pip install simuleval==1.1.4 omnisteval==0.1.10 textgrid
    python scripts/golden/latency.py > src/metrics/golden/latency.json
"""
import json
import math
from importlib.metadata import version
from types import SimpleNamespace

from omnisteval.scoring import YAALScorer
from simuleval.evaluator.instance import LogInstance
from simuleval.evaluator.scorers.latency_scorer import ALScorer, APScorer, DALScorer, LAALScorer


def line(index, prediction, unit, delays, elapsed, reference, source_length):
    length = len(prediction.split(" ")) if unit == "word" else len(prediction)
    assert len(delays) == len(elapsed) == length, (length, len(delays))
    return {"index": index, "prediction": prediction, "delays": delays, "elapsed": elapsed,
            "prediction_length": length, "reference": reference, "source": ["a.wav"], "source_length": source_length}


def steps(count, every, each, late=0.0):
    """`each` units are written after every `every` ms."""
    return [every * (1 + i // each) + late * (1 + i // each) for i in range(count)]


EN = "Multiply the two numbers together and type in your answer"
WORDS = [
    line(0, EN, "word", steps(10, 1000, 2), steps(10, 1000, 2, 130.5), "multiply both numbers and type the answer", 4800.0),
    line(1, "Click on it", "word", [2500.0] * 3, [2710.0] * 3, "Click on the required colour", 2100.0),
    line(2, "one two three four", "word", [900, 900, 1900, 3300], [1000, 1010, 2200, 3500], "one two", 3100),
]
CHARACTERS = [
    line(0, "将两个数字相乘，并输入答案", "char", steps(13, 1100, 3), steps(13, 1100, 3, 222.25), "将两个数字相乘，并在气球落入水中之前输入答案", 5200.0),
    line(1, "点击𠮷", "char", [700.0, 1500.0, 1500.0], [800.0, 1700.0, 1700.0], "单击所需的颜色", 2000.0),
]


def number(value):
    return None if value is None or math.isnan(value) else value


def scores(lines, unit):
    found = {}
    for times, aware in (("unaware", False), ("aware", True)):
        instances = {i: LogInstance(json.dumps(one), unit) for i, one in enumerate(lines)}
        found[times] = {name: scorer(computation_aware=aware)(instances)
                        for name, scorer in (("AL", ALScorer), ("LAAL", LAALScorer), ("AP", APScorer), ("DAL", DALScorer))}
        omni = [SimpleNamespace(emission_cu=one["delays"], emission_ca=one["elapsed"], reference=one["reference"],
                                reference_length=instances[i].reference_length, source_length=one["source_length"],
                                longform=None, time_to_recording_end=None) for i, one in enumerate(lines)]
        found[times]["YAAL"] = number(YAALScorer(aware, False)(omni))
        found[times]["YAAL long"] = number(YAALScorer(aware, True)(omni))
    return found


print(json.dumps({
    "versions": {name: version(name) for name in ("simuleval", "omnisteval")},
    "sets": [{"language": language, "lines": lines, "scores": scores(lines, unit)}
             for language, unit, lines in (("en", "word", WORDS), ("zh", "char", CHARACTERS))],
}, ensure_ascii=False, indent=1))
