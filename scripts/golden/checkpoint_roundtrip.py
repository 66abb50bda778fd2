"""Do transformers and this package read what the other writes? An extra proof, not part of the test suite.

    npm run build && python scripts/golden/checkpoint_roundtrip.py <whisper directory> [<dist>]

For each float type, in one file and in shards: transformers saves the model, the package reads and writes it, and
transformers loads the result; logits on a fixed input must agree. Last, the int8 form is compared by its logits.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperProcessor

source = Path(sys.argv[1]).resolve()
dist = Path(sys.argv[2] if len(sys.argv) > 2 else "dist").resolve()
print(f"transformers {transformers.__version__}, torch {torch.__version__}, numpy {numpy.__version__}")
transformers.logging.set_verbosity_error()

REWRITE = """
const [dist, from, to, options] = process.argv.slice(1);
const { readCheckpoint, writeCheckpoint } = await import(`${dist}/whisper/checkpoint.js`);
await writeCheckpoint(to, await readCheckpoint(from), JSON.parse(options));
"""
QUANTIZE = """
const [dist, from, to] = process.argv.slice(1);
const { quantize } = await import(`${dist}/whisper/quantize.js`);
console.log(JSON.stringify(await quantize({ model: from, output: to })));
"""


def node(code, *arguments):
    command = ["node", "--input-type=module", "-e", code, str(dist), *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def load(directory):
    return WhisperForConditionalGeneration.from_pretrained(directory, dtype=torch.float32).eval()


def logits(model):
    random = numpy.random.default_rng(0)
    mel = torch.from_numpy(random.normal(0, 0.5, (2, model.config.num_mel_bins, 3000)).astype(numpy.float32))
    tokens = torch.from_numpy(random.integers(0, 50_000, (2, 16)))
    tokens[:, :4] = torch.tensor([50258, 50260, 50358, 50363])
    with torch.no_grad():
        return model(input_features=mel, decoder_input_ids=tokens).logits


original = load(source)
processor = WhisperProcessor.from_pretrained(source)
expected = logits(original)
scale = expected.std().item()
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    for dtype, shards in [("float32", "5GB"), ("float16", "40MB"), ("bfloat16", "5GB")]:
        saved, written = folder / f"saved-{dtype}", folder / f"written-{dtype}"
        original.to(getattr(torch, dtype)).save_pretrained(saved, max_shard_size=shards)
        original.to(torch.float32)
        processor.save_pretrained(saved)
        shard_bytes = 40_000_000 if shards == "40MB" else 5_000_000_000
        node(REWRITE, saved, written, json.dumps({"dtype": dtype, "maxShardBytes": shard_bytes}))
        if dtype == "bfloat16":
            # Rounded by PyTorch before the package read it: what was saved is what must come back.
            expected_here = logits(load(saved))
        else:
            expected_here = expected
        difference = (logits(load(written)) - expected_here).abs().max().item()
        files = sorted(path.name for path in written.iterdir())
        text = WhisperProcessor.from_pretrained(written).tokenizer.decode([50258, 2425, 1002])
        languages = len(GenerationConfig.from_pretrained(written).lang_to_id)
        print(f"{dtype}: largest logit difference {difference:g} (logits' deviation {scale:.3f})")
        print(f"  saved {sorted(path.name for path in saved.iterdir())}")
        print(f"  written {files}; {languages} languages; tokens decode to {text!r}")
        assert difference == 0
    eight, back = folder / "int8", folder / "int8-as-float32"
    print("int8:", node(QUANTIZE, source, eight).strip())
    node(REWRITE, eight, back, json.dumps({"dtype": "float32"}))
    found = logits(load(back))
    print(
        f"int8: logits differ by {(found - expected).pow(2).mean().sqrt().item():.4f} rms, "
        f"{(found - expected).abs().max().item():.4f} at most (deviation {scale:.3f}); "
        f"best token agrees at {(found.argmax(-1) == expected.argmax(-1)).float().mean().item():.1%} of positions"
    )
