"""Golden word times: OpenAI's whisper with this project's weights, full window, greedy, word_timestamps.

    python scripts/golden/word_times.py --model models/whisper-base-int8 --speech samples --languages en,fr \
        --limit 16 --out src/decoding/golden/word-times.jsonl

One line per clip: {"audio", "language", "segments": [{"start", "end", "text", "words": [[word, start, end], …]}]}; the first
line is the header. Needs the package openai-whisper beside those of the other scripts.
"""

import argparse
import re
from pathlib import Path

import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from golden_file import dump, header
from greedy_texts import clips, read_audio
from load_model import load_model

RENAMED = [
    (r"^model\.", ""),
    (r"layers\.", "blocks."),
    (r"self_attn_layer_norm", "attn_ln"),
    (r"encoder_attn_layer_norm", "cross_attn_ln"),
    (r"self_attn", "attn"),
    (r"encoder_attn", "cross_attn"),
    (r"q_proj", "query"),
    (r"k_proj", "key"),
    (r"v_proj", "value"),
    (r"out_proj", "out"),
    (r"final_layer_norm", "mlp_ln"),
    (r"fc1", "mlp.0"),
    (r"fc2", "mlp.2"),
    (r"decoder\.embed_tokens", "decoder.token_embedding"),
    (r"(encoder|decoder)\.embed_positions\.weight", r"\1.positional_embedding"),
    (r"encoder\.layer_norm", "encoder.ln_post"),
    (r"decoder\.layer_norm", "decoder.ln"),
]


def openai_model(folder: str) -> Whisper:
    theirs = load_model(folder)
    config = theirs.config
    model = Whisper(
        ModelDimensions(
            n_mels=config.num_mel_bins,
            n_audio_ctx=config.max_source_positions,
            n_audio_state=config.d_model,
            n_audio_head=config.encoder_attention_heads,
            n_audio_layer=config.encoder_layers,
            n_vocab=config.vocab_size,
            n_text_ctx=config.max_target_positions,
            n_text_state=config.d_model,
            n_text_head=config.decoder_attention_heads,
            n_text_layer=config.decoder_layers,
        )
    )
    weights = {}
    for name, tensor in theirs.state_dict().items():
        if name == "proj_out.weight":
            continue
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        weights[name] = tensor
    model.load_state_dict(weights, strict=True)
    heads = torch.zeros(config.decoder_layers, config.decoder_attention_heads, dtype=torch.bool)
    for layer, head in theirs.generation_config.alignment_heads:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--speech", required=True)
    parser.add_argument("--languages", default="en")
    parser.add_argument("--limit", type=int, default=16, help="clips of each language")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    model = openai_model(options.model)
    lines = [{**header("word_times.py", options.model), "whisper": whisper.__version__}]
    for row in clips(Path(options.speech), options.languages.split(","), options.limit):
        result = whisper.transcribe(
            model,
            read_audio(Path(options.speech) / row["audio"]),
            language=row["lang"],
            temperature=0,
            word_timestamps=True,
            condition_on_previous_text=False,
            fp16=False,
        )
        segments = [
            {
                "start": round(segment["start"], 2),
                "end": round(segment["end"], 2),
                "text": segment["text"],
                "words": [[w["word"], round(w["start"], 2), round(w["end"], 2)] for w in segment["words"]],
            }
            for segment in result["segments"]
        ]
        lines.append({"audio": row["audio"], "language": row["lang"], "segments": segments})
        print(row["audio"], result["text"])
    Path(options.out).write_text("".join(f"{dump(line)}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
