"""src/language/golden/chinese.json: sentences in Simplified characters and in Taiwan's, as OpenCC converts them.

    pip install opencc==1.4.2
    python scripts/golden/chinese.py

From the references in samples/manifest.tsv: all with 着 or 著 and every 15th of the rest, as far as OpenCC's own way back
(tw2s) gives the same sentence again.
"""

import csv
import json
from importlib.metadata import version
from pathlib import Path

from opencc import OpenCC

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "src/language/golden/chinese.json"

with open(ROOT / "samples/manifest.tsv", encoding="utf-8") as file:
    sentences = sorted({row["zh"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)})
chosen = [s for i, s in enumerate(sentences) if i % 15 == 0 or "着" in s or "著" in s]
s2tw, tw2s = OpenCC("s2tw"), OpenCC("tw2s")
pairs = [[s, s2tw.convert(s)] for s in chosen]
pairs = [[s, t] for s, t in pairs if tw2s.convert(t) == s and t != s]
lines = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs)
OUT.write_text(f'{{"opencc": "{version("opencc")}", "pairs": [\n{lines}\n]}}\n', encoding="utf-8")
print(f"{len(pairs)} of {len(chosen)} sentences, {OUT.stat().st_size} bytes")
