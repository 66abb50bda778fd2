"""Does transformers load a student of fewer decoder layers, and decode with it? An extra proof, not part of the test suite.

    node dist/cli/main.js train samples/manifest.tsv --set train --language en --tune.decoderLayers 2 --steps 1 --output out/two
    python scripts/golden/fewer_layers.py out/two
"""

import sys

import torch
from transformers import WhisperForConditionalGeneration

directory = sys.argv[1]
model, told = WhisperForConditionalGeneration.from_pretrained(directory, output_loading_info=True, dtype=torch.float32)
layers = model.config.decoder_layers
assert len(model.model.decoder.layers) == layers
assert not [name for name in told["missing_keys"] if name != "proj_out.weight"], told["missing_keys"]
assert not told["unexpected_keys"], told["unexpected_keys"]
heads = getattr(model.generation_config, "alignment_heads", None) or []
assert all(layer < layers for layer, _ in heads), heads
features = torch.zeros(1, model.config.num_mel_bins, 3000)
ids = model.generate(features, max_new_tokens=8)
print(f"{directory}: {layers} decoder layers, alignment heads {heads}, tokens {ids.tolist()}")
