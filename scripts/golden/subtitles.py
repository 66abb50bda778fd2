"""src/decoding/formats/golden/subtitles.json.gz: random transcripts as OpenAI's whisper writes them.

    pip install openai-whisper==20250625
    python scripts/golden/subtitles.py

Left out is where this project departs on purpose: arrows, line breaks and tabs in texts, & and < in WebVTT.
"""

import gzip
import io
import json
import random
from pathlib import Path

from whisper.utils import get_writer

OUT = Path(__file__).resolve().parents[2] / "src/decoding/formats/golden/subtitles.json.gz"
VERSION = "20250625"
PIECES = [" a", " Hello", " wonderful", "-day", ",", ".", " ¿qué", " l'eau", "你好", "。", " 🙂", " 12,5", " antidisestablishment"]
OPTIONS = [
    {},
    {"maxLineWidth": 12},
    {"maxLineCount": 1},
    {"maxLineWidth": 10, "maxLineCount": 1},
    {"maxLineWidth": 16, "maxLineCount": 2},
    {"maxLineWidth": 42, "maxLineCount": 2, "highlightWords": True},
    {"highlightWords": True},
]
NAMES = {"maxLineWidth": "max_line_width", "maxLineCount": "max_line_count", "highlightWords": "highlight_words"}


def transcript(rng: random.Random, with_words: bool) -> dict:
    now = rng.choice([0, 59.98, 3599.7, 36000.5])
    segments = []
    for _ in range(rng.randrange(6)):
        now = round(now + rng.choice([0, 0, 0.44, 2.9, 3.02, 8]), 2)
        words = []
        for _ in range(rng.randrange(1, 12)):
            start = round(now + rng.choice([0, 0, 0.02, 0.4, 3.5]), 2)
            now = round(start + rng.choice([0, 0.08, 0.31, 0.9]), 2)
            words.append({"start": start, "end": now, "word": rng.choice(PIECES)})
        segment = {"start": words[0]["start"], "end": now, "text": "".join(word["word"] for word in words)}
        segments.append({**segment, "words": words} if with_words else segment)
    return {"segments": segments}


def written(result: dict, extension: str, options: dict) -> str:
    file = io.StringIO()
    get_writer(extension, ".").write_result(result, file, {NAMES[key]: value for key, value in options.items()})
    return file.getvalue()


rng = random.Random(1)
cases = []
for i in range(280):
    result = transcript(rng, with_words=i % 5 != 0)
    options = OPTIONS[i % len(OPTIONS)]
    expected = {extension: written(result, extension, options) for extension in ("txt", "srt", "vtt", "tsv")}
    cases.append({"segments": result["segments"], "options": options, "expected": expected})
OUT.parent.mkdir(exist_ok=True)
golden = {"madeBy": f"scripts/golden/subtitles.py, openai-whisper {VERSION}", "cases": cases}
OUT.write_bytes(gzip.compress(json.dumps(golden, ensure_ascii=False).encode(), mtime=0))
