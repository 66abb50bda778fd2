"""Golden greedy texts of Hugging Face transformers: full 30 s window, language given, transcribe, no timestamps.

    python scripts/golden/greedy_texts.py --model models/whisper-base-int8 --speech samples \
        --languages en,ca,fr --limit 32 --beams 5 --beam-limit 16 --out src/decoding/golden/greedy-texts.jsonl

The folder holds manifest.tsv (columns audio, lang, set, key, en, source_text, zh, duration_s). The first line
of the output is the header; then one line per clip: {"audio", "language", "text", "tokens", "count"}; `tokens` are
the generated ones without prompt and end of text. The first 20 clips of each language (sorted by key) also carry
"detected": the language the model takes it for, and the five likeliest with their probabilities. With --beams N each line also has "beam": the text of
a beam search with N beams, its tokens and its score (log probability / length).
"""

import argparse
import copy
import csv
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor
from transformers.generation import GenerationMixin

from golden_file import dump, header, rounded
from load_model import load_model

MAX_NEW_TOKENS = 200
DETECTED_CLIPS = 20


def read_audio(file: Path) -> np.ndarray:
    """Mono 16 kHz float32. Other rates are refused: a resampler would become part of the golden value."""
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    if rate != 16000:
        raise SystemExit(f"{file}: sampled at {rate} Hz, expected 16000 Hz")
    return samples.mean(axis=1)


def clips(speech: Path, languages: list[str], limit: int) -> list[dict]:
    with open(speech / "manifest.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["set"] == "intro"]
    chosen = []
    for language in languages:
        chosen += sorted((row for row in rows if row["lang"] == language), key=lambda row: row["key"])[:limit]
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--speech", required=True)
    parser.add_argument("--languages", default="en,ca,fr")
    parser.add_argument("--limit", type=int, default=1000, help="clips of each language")
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--beam-limit", type=int, default=1000, help="clips of each language that beams search")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()

    folder, speech = Path(options.model), Path(options.speech)
    model = load_model(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    ids = model.generation_config.lang_to_id
    codes = {token: name.strip("<|>") for name, token in ids.items()}
    language_ids = torch.tensor(sorted(codes))
    end = model.config.eos_token_id
    rows = clips(speech, options.languages.split(","), options.limit)
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".incomplete")
    started, seen = time.time(), {}
    with open(part, "w", encoding="utf-8") as file, torch.inference_mode():
        comment = (
            "float32, full 30 s window, language given, greedy, suppress lists of generation_config.json, "
            f"at most {MAX_NEW_TOKENS} new tokens"
        )
        file.write(dump({**header("greedy_texts.py", options.model), "comment": comment}) + "\n")
        for start in range(0, len(rows), 8):
            # A batch has one language: the prompt is then the same for all.
            pending = rows[start : start + 8]
            audio = [read_audio(speech / row["audio"]) for row in pending]
            features = extractor(audio, sampling_rate=16000, return_tensors="pt").input_features
            encoded = model.model.encoder(features)
            first = torch.full((len(pending), 1), model.config.decoder_start_token_id)
            logits = model(encoder_outputs=encoded, decoder_input_ids=first, use_cache=False).logits[:, 0, language_ids]
            chances = torch.softmax(logits, dim=-1)
            for language in dict.fromkeys(row["lang"] for row in pending):
                of_language = [i for i, row in enumerate(pending) if row["lang"] == language]
                prompt = [ids[f"<|{language}|>"], model.generation_config.task_to_id["transcribe"], model.generation_config.no_timestamps_token_id]
                prompt = torch.tensor([[model.config.decoder_start_token_id, *prompt]] * len(of_language))
                part_encoded = type(encoded)(last_hidden_state=encoded.last_hidden_state[of_language])
                sequences, _ = generate(model, part_encoded, prompt, end, 1)
                wanted = options.beams > 1 and seen.get(language, 0) < options.beam_limit
                beams = generate(model, part_encoded, prompt, end, options.beams) if wanted else None
                for place, (i, tokens) in enumerate(zip(of_language, sequences)):
                    row = pending[i]
                    line = {
                        "audio": row["audio"], "key": row["key"], "language": language,
                        "text": tokenizer.decode(tokens, skip_special_tokens=True).strip(), "tokens": tokens, "count": len(tokens),
                    }
                    if beams:
                        best = beams[0][place]
                        line["beam"] = {
                            "text": tokenizer.decode(best, skip_special_tokens=True).strip(), "tokens": best,
                            "score": rounded(beams[1][place], 5),
                        }
                    seen[language] = seen.get(language, 0) + 1
                    if seen[language] <= DETECTED_CLIPS:
                        best = torch.argsort(chances[i], descending=True)[:5]
                        likeliest = {codes[int(language_ids[j])]: rounded(chances[i, j], 5) for j in best}
                        line["detected"] = next(iter(likeliest))
                        line["languageProbabilities"] = likeliest
                    file.write(dump(line) + "\n")
            file.flush()
            print(f"{start + len(pending)}/{len(rows)} clips, {time.time() - started:.0f} s", flush=True)
    part.rename(out)
    print(f"{out}: {out.stat().st_size} bytes")


def generate(model, encoded, prompt: torch.Tensor, end: int, beams: int) -> tuple[list[list[int]], list]:
    """The general `generate` of transformers, with the suppress lists of generation_config.json. Whisper's own
    override is left out: it only adds seeking through long audio, timestamps and fallback temperatures."""
    settings = copy.deepcopy(model.generation_config)
    settings.max_length = prompt.shape[1] + MAX_NEW_TOKENS
    settings.do_sample, settings.num_beams = False, beams
    output = GenerationMixin.generate(
        model, encoder_outputs=encoded, decoder_input_ids=prompt, decoder_attention_mask=torch.ones_like(prompt),
        generation_config=settings, return_dict_in_generate=True, output_scores=beams > 1,
    )
    sequences = []
    for sequence in output.sequences.tolist():
        tokens = sequence[prompt.shape[1] :]
        sequences.append(tokens[: tokens.index(end)] if end in tokens else tokens)
    return sequences, output.sequences_scores if beams > 1 else None


if __name__ == "__main__":
    main()
