"""Whether PEFT loads the adapters that our LoRA saves, and means the same by them.

    npm run build && node scripts/golden/peft_adapter.mjs models/whisper-base-int8 <audio file> out/peft
    python scripts/golden/peft_adapter.py --model models/whisper-base-int8 --folder out/peft

Compares our logits with those of base model + adapters in PEFT, and of the merged model in transformers; fails where
any differs by 1e-3 or more.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import peft
import torch
import transformers

from load_model import load_model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", required=True)
    options = parser.parse_args()
    folder = Path(options.folder)
    tokens = torch.tensor([json.loads((folder / "tokens.json").read_text())])
    base = load_model(options.model)
    mel = np.fromfile(folder / "mel.f32", dtype="<f4").reshape(1, base.config.num_mel_bins, -1)
    ours = np.fromfile(folder / "logits.f32", dtype="<f4").reshape(tokens.shape[1], -1)

    def logits(model) -> np.ndarray:
        with torch.no_grad():
            return model(input_features=torch.from_numpy(mel), decoder_input_ids=tokens).logits[0].numpy()

    untuned = logits(base)
    merged = logits(load_model(folder / "merged"))
    adapted = logits(peft.PeftModel.from_pretrained(base, folder / "adapter").eval())
    versions = {"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
    apart = lambda a: float(np.abs(a - ours).max())
    print(versions, {"peft": apart(adapted), "merged": apart(merged), "untuned": apart(untuned)})
    assert apart(adapted) < 1e-3 and apart(merged) < 1e-3, "logits differ"
    assert apart(untuned) > 0.1, "the adapters change nothing: nothing was compared"


if __name__ == "__main__":
    main()
