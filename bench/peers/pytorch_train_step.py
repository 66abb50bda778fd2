"""PyTorch's time for one training step of Whisper: forward, backward, clipping, AdamW.

    python bench/peers/pytorch_train_step.py --model <folder> --batch 16 --frames 125 --tokens 20 --steps 10 \
        --embedding trained|frozen [--tune decoder|all] [--lora 32] [--threads 2]

With --tune decoder the encoder's output is given (random numbers of its shape): with the encoder frozen, each clip is
encoded once. With --tune all the step begins with log-mel, in windows of that many frames. --lora: PEFT's adapters of
q_proj and v_proj in place of the decoder's weights. Every
token position is a label. --steps 0 (default): one step for each line "go" on stdin, see peer.py. Each reply tells the
phases apart: forward_backward_seconds and update_seconds (clipping and AdamW). AdamW's two implementations are tried on
the side first, and the faster one is taken ("adamw").
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "golden"))
from load_model import load_model  # noqa: E402
from peer import drive  # noqa: E402

WARM_UP_STEPS = 4
LEARNING_RATE = 1e-5
LARGEST_NORM = 1.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=125, help="encoder output frames of each clip")
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--embedding", choices=["trained", "frozen"], default="trained")
    parser.add_argument("--tune", choices=["decoder", "all"], default="decoder")
    parser.add_argument("--lora", type=int, default=0, help="rank; 0: none")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = load_model(options.model)
    decoder, encoder = model.model.decoder, model.model.encoder
    decoder.embed_tokens.weight.requires_grad_(options.embedding == "trained")
    if options.tune == "decoder":
        model.model.encoder = None
        frames = torch.randn(options.batch, options.frames, model.config.d_model)
    else:
        mel = torch.randn(options.batch, model.config.num_mel_bins, 2 * options.frames)
        encoder.config.max_source_positions = options.frames  # its only use: how long the input must be
        encoder.embed_positions = torch.nn.Embedding.from_pretrained(
            encoder.embed_positions.weight[: options.frames].clone(), freeze=True)
    if options.lora:
        import peft

        peft.inject_adapter_in_model(peft.LoraConfig(
            r=options.lora, lora_alpha=2 * options.lora, lora_dropout=0.0, target_modules=["q_proj", "v_proj"],
        ), decoder)
        for name, parameter in decoder.named_parameters():
            parameter.requires_grad_("lora_" in name)
    trained = decoder if options.tune == "decoder" else model
    parameters = [p for p in trained.parameters() if p.requires_grad]
    inputs = torch.randint(0, 50257, (options.batch, options.tokens))
    labels = torch.randint(0, 50257, (options.batch, options.tokens))

    def forward_backward() -> torch.Tensor:
        heard = frames if options.tune == "decoder" else encoder(mel).last_hidden_state
        hidden = decoder(input_ids=inputs, encoder_hidden_states=heard, use_cache=False).last_hidden_state
        logits = model.proj_out(hidden)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        loss.backward()
        return loss

    def update(optimizer: torch.optim.Optimizer) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, LARGEST_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    optimizers = {
        "fused": torch.optim.AdamW(parameters, lr=LEARNING_RATE, fused=True),
        "foreach": torch.optim.AdamW(parameters, lr=LEARNING_RATE, foreach=True),
    }
    trial_seconds = {}
    for name, optimizer in optimizers.items():
        for _ in range(WARM_UP_STEPS):
            forward_backward()
            started = time.perf_counter()
            update(optimizer)
            trial_seconds[name] = round(time.perf_counter() - started, 4)
    chosen = min(trial_seconds, key=trial_seconds.get)
    optimizer = optimizers[chosen]
    optimizers.clear()

    def step() -> dict:
        started = time.perf_counter()
        loss = forward_backward()
        middle = time.perf_counter()
        update(optimizer)
        return {
            "forward_backward_seconds": round(middle - started, 6),
            "update_seconds": round(time.perf_counter() - middle, 6), "loss": round(loss.item(), 5),
        }

    drive(step, options.steps, "seconds_per_step", {
        "peer": "pytorch", "embedding": options.embedding, "tune": options.tune, "lora": options.lora,
        "batch": options.batch, "frames": options.frames,
        "tokens": options.tokens, "threads": options.threads, "trained_parameters": sum(p.numel() for p in parameters),
        "adamw": chosen, "adamw_trial_seconds": trial_seconds,
    })


if __name__ == "__main__":
    main()
