"""PyTorch's rates for what bench/gpu.ts measures, on the same machine: training steps of the decoder, encoder, greedy decoding.

    python bench/peers/gpu.py --device cuda|cpu --shapes base,small,large-v3 [--seconds 150]

Weights are drawn at random in the shapes of Whispers; nothing is downloaded. A step is forward, backward, clipping and
AdamW (fused where PyTorch has it) on 16 clips x 125 encoder frames x 20 tokens, attention by SDPA. fp32 and tf32 are
float32 with TF32 products off and on; bf16 and fp16 are autocast for steps and the weights' own type for the encoder and
decoding. Prints one JSON object of seconds.
"""

import argparse
import json
import statistics
import sys
import time

import torch
import transformers
from transformers import WhisperConfig, WhisperForConditionalGeneration

SHAPES = {
    "tiny": dict(d_model=64, layers=2, heads=1, mel=80, vocab=51865),
    "base": dict(d_model=512, layers=6, heads=8, mel=80, vocab=51865),
    "small": dict(d_model=768, layers=12, heads=12, mel=80, vocab=51865),
    "large-v3": dict(d_model=1280, layers=32, heads=20, mel=128, vocab=51866),
}
BATCH, FRAMES, TOKENS = 16, 125, 20


def whisper(shape: dict, device: str) -> WhisperForConditionalGeneration:
    width = shape["d_model"]
    config = WhisperConfig(
        vocab_size=shape["vocab"], num_mel_bins=shape["mel"], d_model=width,
        encoder_layers=shape["layers"], decoder_layers=shape["layers"],
        encoder_attention_heads=shape["heads"], decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, dropout=0.0, attn_implementation="sdpa",
        pad_token_id=50257, bos_token_id=50257, eos_token_id=50257, decoder_start_token_id=50258)
    with torch.device(device):
        return WhisperForConditionalGeneration(config).eval()


def seconds_of(work, device: str, runs: int = 10) -> float:
    """Median of single runs, each waited for, after three that warm up."""
    times = []
    for i in range(runs + 3):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= 3:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def training_step(model: WhisperForConditionalGeneration, kind: str, device: str, runs: int) -> float:
    decoder = model.model.decoder
    parameters = [p for name, p in decoder.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
    scaler = torch.amp.GradScaler(device, enabled=kind == "fp16")
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    frames = torch.randn(BATCH, FRAMES, model.config.d_model, device=device)
    inputs = torch.randint(0, 50257, (BATCH, TOKENS), device=device)
    labels = torch.randint(0, 50257, (BATCH * TOKENS,), device=device)

    def step() -> None:
        with torch.autocast(device, dtype=types.get(kind, torch.bfloat16), enabled=kind in types):
            hidden = decoder(input_ids=inputs, encoder_hidden_states=frames, use_cache=False).last_hidden_state
            logits = model.proj_out(hidden).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return seconds_of(step, device, runs)


@torch.no_grad()
def encoder_run(model, kind: str, device: str, clips: int, runs: int) -> float:
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    encoder = model.model.encoder.to(types.get(kind, torch.float32))
    mel = torch.randn(clips, model.config.num_mel_bins, 3000, device=device, dtype=encoder.conv1.weight.dtype)
    found = seconds_of(lambda: encoder(mel), device, runs)
    model.model.encoder.to(torch.float32)
    return found


@torch.no_grad()
def greedy(model, kind: str, device: str, clips: int, runs: int) -> float:
    """40 tokens of each clip, encoder (full windows, as Hugging Face has them) included."""
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    model = model.to(types.get(kind, torch.float32))
    mel = torch.randn(clips, model.config.num_mel_bins, 3000, device=device, dtype=model.dtype)
    prompt = torch.tensor([[50258, 50259, 50359, 50363]] * clips, device=device)
    found = seconds_of(
        lambda: model.generate(
            mel, decoder_input_ids=prompt, max_new_tokens=40, min_new_tokens=40, do_sample=False, num_beams=1),
        device, runs)
    model.to(torch.float32)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--shapes", default="base,small,large-v3")
    parser.add_argument("--seconds", type=float, default=150)
    options = parser.parse_args()
    device = options.device
    began = time.perf_counter()
    results: dict = {"torch": torch.__version__, "transformers": transformers.__version__}
    if device == "cuda":
        results["card"] = torch.cuda.get_device_name()

    def attempt(name: str, work) -> None:
        if time.perf_counter() - began > options.seconds:
            results[name] = "no time left"
            return
        try:
            results[name] = work()
        except Exception as error:  # noqa: BLE001: one that fails does not end the others
            results[name] = {"error": str(error).splitlines()[0][:200]}
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)

    for name in options.shapes.split(","):
        small = name == "tiny"
        runs = 2 if small else 10
        model = whisper(SHAPES[name], device)
        for kind in ("fp32", "tf32", "bf16", "fp16"):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind == "tf32"
            if device == "cpu" and kind in ("tf32", "fp16"):
                continue
            attempt(f"step {name} {kind}", lambda: training_step(model, kind, device, runs))
            attempt(f"encoder {name} {kind}, full windows",
                    lambda: encoder_run(model, kind, device, 1 if small else 16, runs))
            if name != "large-v3":
                attempt(f"greedy {name} {kind}", lambda: greedy(model, kind, device, 2 if small else 64, 2))
        if device == "cuda":
            results[f"peak GB {name}"] = torch.cuda.max_memory_allocated() / 1e9
            torch.cuda.reset_peak_memory_stats()
        del model
    print(json.dumps(results))


main()
