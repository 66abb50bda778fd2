"""Golden ids of transformers' slow WhisperTokenizer, which reads vocab.json and merges.txt, with tokens added to it.

Usage: python3 scripts/golden/vocab_merges_tokenizer.py   (pip install transformers==4.57.6)
Writes src/checkpoint/golden/vocab-merges.json: versions, the files beside the vocabulary as transformers saves them, and
texts with their ids and what they decode to. The vocabulary and the merges are those of models/whisper-base-int8.
"""

import csv
import json
import tempfile
from pathlib import Path

import transformers
from transformers import WhisperTokenizer, WhisperTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
ADDED = ["Tux", "GCompris", "łódź"]

fast = WhisperTokenizerFast(tokenizer_file=str(ROOT / "models/whisper-base-int8/tokenizer.json"))
with tempfile.TemporaryDirectory() as folder:
    vocab = {token: id for token, id in fast.get_vocab().items() if id < 50257}
    data = json.loads((ROOT / "models/whisper-base-int8/tokenizer.json").read_text())
    Path(folder, "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in data["model"]["merges"]]
    Path(folder, "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    Path(folder, "added_tokens.json").write_text(
        json.dumps({token["content"]: token["id"] for token in data["added_tokens"]})
    )
    special = [token["content"] for token in data["added_tokens"] if token["special"]]
    Path(folder, "special_tokens_map.json").write_text(
        json.dumps({"bos_token": special[0], "eos_token": special[0], "unk_token": special[0],
                    "additional_special_tokens": special})
    )
    slow = WhisperTokenizer.from_pretrained(folder)
    assert slow.add_tokens(ADDED) == len(ADDED)
    with tempfile.TemporaryDirectory() as saved:
        slow.save_pretrained(saved)
        added_tokens = json.loads(Path(saved, "added_tokens.json").read_text())
        special_map = json.loads(Path(saved, "special_tokens_map.json").read_text())
        decoder = json.loads(Path(saved, "tokenizer_config.json").read_text())["added_tokens_decoder"]

with open(ROOT / "samples/manifest.tsv", encoding="utf-8") as rows:
    clips = list(csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE))
texts = [clip[column] for clip in clips[::40] for column in ("source_text", "zh") if clip[column]]
texts += [
    "", " ", "  two  spaces ", "tab\tand\nline", "don't I'M we'll", "12,345.67 €", "naïve café", "🙂👩‍👩‍👧", "Ελληνικά",
    "नमस्ते दुनिया", "日本語のテスト", "Tux and GCompris", "Tuxedo", "w łódź.", " Tux,Tux", "שלום", "a\u00a0b\u3000c",
    "x" * 300,
]
golden = {
    "versions": {"transformers": transformers.__version__},
    "added": {token: slow.convert_tokens_to_ids(token) for token in ADDED},
    "special_tokens_map": special_map,
    "last_added_tokens": dict(list(sorted(added_tokens.items(), key=lambda item: item[1]))[-5:]),
    "decoder_entry": decoder[str(slow.convert_tokens_to_ids("Tux"))],
    "texts": [[text, slow(text, add_special_tokens=False)["input_ids"]] for text in dict.fromkeys(texts)],
}
target = ROOT / "src/checkpoint/golden/vocab-merges.json"
target.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
print(len(golden["texts"]), "texts", target.stat().st_size, "bytes", golden["added"], golden["decoder_entry"])
