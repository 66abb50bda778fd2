"""The time of transformers' `generate` for transcribing a list of clips, one after the other, in float32.

    python bench/peers/hf_generate.py --model <Hugging Face folder> --files-from <list> --beam 1 [--steps 1] [--threads 2]

The list has one clip a line: path, tab, language code. Language given, transcribe, without timestamps. --steps 0
(default): one pass over the list for each line "go" on stdin, see peer.py. Reading the audio and its log-mel
spectrogram are part of the time, as they are for ours.
"""

import argparse
import sys
from pathlib import Path

import soundfile
import torch
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "golden"))
from load_model import load_model  # noqa: E402
from peer import drive, read_list  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--files-from", required=True)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--task", choices=["transcribe", "translate"], default="transcribe")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    clips = read_list(options.files_from)
    model = load_model(options.model)
    extractor = WhisperFeatureExtractor.from_pretrained(options.model)
    tokenizer = Tokenizer.from_file(str(Path(options.model) / "tokenizer.json"))

    def transcribe(path: str, language: str) -> str:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        features = extractor(samples.mean(axis=1), sampling_rate=rate, return_tensors="pt").input_features
        with torch.inference_mode():
            tokens = model.generate(
                features, language=language, task=options.task, num_beams=options.beam, do_sample=False,
                return_timestamps=False,
            )
        return tokenizer.decode(tokens[0].tolist(), skip_special_tokens=True).strip()

    transcribe(*clips[0])

    def one_pass() -> dict:
        return {"texts": [transcribe(*clip) for clip in clips]}

    drive(one_pass, options.steps, "seconds_per_pass", {
        "peer": "transformers", "clips": len(clips), "beam": options.beam, "compute": "float32",
        "threads": options.threads,
    })


if __name__ == "__main__":
    main()
