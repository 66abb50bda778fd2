"""The time of a training step as Hugging Face's "Fine-tune Whisper" script makes it, its encoder frozen.

    python bench/peers/hf_usual_script.py --model <Hugging Face folder> --clips <list.jsonl> --batch 16 [--steps 4] \
        [--threads 2]

A line of the list is {"audio": path, "labels": token ids without <|startoftranscript|>}. As in that script, each clip's
log-mel of 30 s is made once, before the training ("prepare_seconds", of all clips); a step is Seq2SeqTrainer's: labels
padded with -100, forward through the encoder and the decoder, backward, clip_grad_norm_, fused AdamW (its default). Eager,
float32, no gradient checkpointing. Batches are drawn anew in each epoch. --steps 0 (default): one step for each line
"go" on stdin, see peer.py.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Iterator

import soundfile
import torch
from transformers import WhisperFeatureExtractor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "golden"))
from load_model import load_model  # noqa: E402
from peer import drive  # noqa: E402

LEARNING_RATE = 1e-5
LARGEST_NORM = 1.0
IGNORED = -100  # the loss leaves out labels of this value


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clips = [json.loads(line) for line in Path(options.clips).read_text(encoding="utf-8").splitlines()]
    extractor = WhisperFeatureExtractor.from_pretrained(options.model)

    def log_mel(path: str) -> torch.Tensor:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return extractor(samples.mean(axis=1), sampling_rate=rate, return_tensors="pt").input_features[0]

    log_mel(clips[0]["audio"])
    started = time.perf_counter()
    features = [log_mel(clip["audio"]) for clip in clips]
    prepare_seconds = time.perf_counter() - started

    model = load_model(options.model).train()
    model.freeze_encoder()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.0, fused=True)

    def batches() -> Iterator[list[int]]:
        while True:
            order = torch.randperm(len(clips)).tolist()
            for start in range(0, len(clips) - options.batch + 1, options.batch):
                yield order[start : start + options.batch]

    def one(batch: list[int]) -> dict:
        labels = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(clips[i]["labels"]) for i in batch], batch_first=True, padding_value=IGNORED)
        loss = model(input_features=torch.stack([features[i] for i in batch]), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, LARGEST_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {"loss": round(loss.item(), 5)}

    drawn = batches()
    one(next(drawn))
    drive(lambda: one(next(drawn)), options.steps, "seconds_per_step", {
        "peer": "transformers", "clips": len(clips), "batch": options.batch, "threads": options.threads,
        "prepare_seconds": round(prepare_seconds, 6), "trained_parameters": sum(p.numel() for p in parameters),
    })


if __name__ == "__main__":
    main()
