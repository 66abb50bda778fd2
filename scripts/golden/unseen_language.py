"""Does transformers load a model with a token for a language that Whisper has none for, and give the same text?

    npm run build && python scripts/golden/unseen_language.py --out src/whisper/golden/unseen-language.json
    python scripts/golden/unseen_language.py --model <folder> --ours <results.jsonl>

The first writes the golden file: a tiny random Whisper (src/testing/tiny-model.ts, width 16, seed 1) gets `<|ga|>`, once
as a new token that begins as the mean of cy and en and is then moved, once as another name of cy, and is saved by this
package; transformers loads both folders with nothing but `from_pretrained` and writes greedily what pseudo-random sounds
make it say. The second does so with a real model's folder and the recordings of `whisper-transfer translate --window full
--json`, and compares the texts.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from golden_file import UNIT_FORMULA, rounded, unit, write_json
from objectives import tiny_model

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "models" / "whisper-base-int8"
FORMS = {"mean": {"language": "ga", "mean": ["cy", "en"]}, "as": {"language": "ga", "as": "cy"}}
SECONDS, SEEDS, NEW_TOKENS = 2, (41, 42), 12
ROW_SEED, ROW_WIDTH = 77, 4.0

GROW = """
const [dist, from, to, token, row] = process.argv.slice(2);
const { WhisperModel } = await import(`${dist}/whisper/model.js`);
const { LANGUAGE_ROW } = await import(`${dist}/whisper/decoder.js`);
const { mergeLanguageRow } = await import(`${dist}/whisper/language-token.js`);
const { saveModel } = await import(`${dist}/training/save.js`);
const model = await WhisperModel.load(from, { languageToken: JSON.parse(token), threads: 1 });
if (JSON.parse(token).mean) {
  const data = Float32Array.from(JSON.parse(row));
  await model.runtime.store(new Map([[LANGUAGE_ROW, { shape: [1, data.length], data }]]));
  await mergeLanguageRow(model);
}
await saveModel(model, to, { prompt: { target: 'ga', kind: 'target-transcribe' }, dtype: 'float32' });
await model.close();
"""


def write_base(folder: Path) -> None:
    sizes = {"vocab_size": 51865, "d_model": 16, "decoder_layers": 2}
    tiny_model(sizes, 1).save_pretrained(folder)
    for name in ("tokenizer.json", "generation_config.json", "preprocessor_config.json"):
        shutil.copy(BASE / name, folder / name)


def generate(model, processor, features, **options) -> list[dict]:
    """Texts, and ids after the prompt without end of text."""
    with torch.no_grad():
        ids = model.generate(features, do_sample=False, num_beams=1, **options)
    texts = processor.batch_decode(ids, skip_special_tokens=True)
    end, words = model.generation_config.eos_token_id, model.generation_config.no_timestamps_token_id
    tokens = [[i for i in row.tolist() if i < end or i > words and i < model.config.vocab_size - 1] for row in ids]
    return [{"text": text, "tokens": row} for text, row in zip(texts, tokens)]


def load(folder: Path):
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval(), WhisperProcessor.from_pretrained(folder)


def golden(out: str) -> None:
    sounds = [((unit(np.arange(16000 * SECONDS), seed) - 0.5) * 0.8).astype(np.float32) for seed in SEEDS]
    row = ((unit(np.arange(16), ROW_SEED) - 0.5) * ROW_WIDTH).astype(np.float32)
    forms = {}
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        write_base(base)
        grow = Path(scratch) / "grow.mjs"
        grow.write_text(GROW)
        for form, token in FORMS.items():
            folder = Path(scratch) / form
            arguments = [ROOT / "dist", base, folder, json.dumps(token), json.dumps(row.tolist())]
            subprocess.run(["node", grow, *map(str, arguments)], check=True)
            model, processor = load(folder)
            features = processor(sounds, sampling_rate=16000, return_tensors="pt").input_features
            default = generate(model, processor, features, max_new_tokens=NEW_TOKENS)
            named = generate(model, processor, features, max_new_tokens=NEW_TOKENS, language="<|ga|>", task="transcribe")
            assert default == named, (default, named)
            stamped = generate(model, processor, features, max_new_tokens=NEW_TOKENS, return_timestamps=True)
            ga = model.generation_config.lang_to_id["<|ga|>"]
            prompt = torch.tensor([[50258, ga, 50359, 50363]] * len(sounds))
            with torch.no_grad():
                logits = model(input_features=features, decoder_input_ids=prompt).logits[:, -1].numpy()
            forms[form] = {
                "token": ga,
                "vocabulary": model.config.vocab_size,
                "texts": default,
                "timestamps": stamped,
                "logits": [[rounded(v) for v in line[:: 5000]] for line in logits],
            }
            print(form, ga, default, stamped)
    write_json(out, {
        "madeBy": "scripts/golden/unseen_language.py",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "unit": UNIT_FORMULA,
        "formula": f"sounds: float32((unit(i, seed) - 0.5) * 0.8), {SECONDS} s; moved row: float32((unit(i, {ROW_SEED}) - 0.5) * {ROW_WIDTH})",
        "seeds": list(SEEDS),
        "newTokens": NEW_TOKENS,
        "rowSeed": ROW_SEED,
        "rowWidth": ROW_WIDTH,
        "forms": forms,
    })


def compare(folder: Path, ours: str) -> None:
    import soundfile

    model, processor = load(folder)
    differing = 0
    lines = [json.loads(line) for line in Path(ours).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        sound, rate = soundfile.read(line["audio"], dtype="float32", always_2d=True)
        assert rate == 16000, f"{line['audio']}: {rate} Hz"
        features = processor(sound.mean(axis=1), sampling_rate=16000, return_tensors="pt").input_features
        text = generate(model, processor, features, max_new_tokens=224)[0]["text"]
        same = text.strip() == line["text"].strip()
        differing += not same
        print("=" if same else "!", line["audio"], json.dumps(text, ensure_ascii=False), "" if same else json.dumps(line["text"], ensure_ascii=False))
    print(f"transformers {transformers.__version__}: {len(lines) - differing} of {len(lines)} texts are the same")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--ours")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if options.out:
        golden(options.out)
    if options.model:
        compare(options.model, options.ours)


if __name__ == "__main__":
    main()
