"""Reference values of causal language models for the tests of src/language-model: transformers and PyTorch.

    python scripts/golden/causal_language_model.py --out src/language-model/golden     # needs onnx and onnxscript too

`gpt.json`: loss and the gradient of every weight of a small OPT, which src/language-model/gpt.ts is. `tiny-gpt2/`: a random GPT-2
with a tokenizer learned from twelve sentences, exported by torch.onnx with keys and values of earlier tokens; and the log
probabilities that transformers gives some texts.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import onnx
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from golden_file import dump, norm, rounded, signed_sums, unit
from with_past import WithPast

SENTENCES = [
    'the balloon lands in the water', 'click on the right color', 'the water is cold today', 'she reads a book at home',
    'we went to the station by bus', 'what time does the train leave', 'i have never seen the sea', 'he is afraid of dogs',
    'they sang a song together', 'my sister lives in the north', 'it rained all day long', 'please open the window',
]
TEXTS = ['the water', 'the water is', 'the water is cold', 'click on the right color today', 'zebra', 'a', '', 'i have never seen the sea']


def pseudo(shape, seed, width):
    count = int(np.prod(shape))
    return torch.from_numpy(((unit(np.arange(count), seed) - 0.5) * width).astype(np.float32).reshape(shape))


def opt_values():
    """Weights are drawn as src/testing/tiny-model.ts draws them: the k-th name in sorted order with seed + k."""
    config = transformers.OPTConfig(
        vocab_size=61, hidden_size=16, num_hidden_layers=2, ffn_dim=64, num_attention_heads=2, max_position_embeddings=12,
        word_embed_proj_dim=16, dropout=0.0, attention_dropout=0.0, layerdrop=0.0, activation_function='gelu',
        do_layer_norm_before=True, tie_word_embeddings=True, attn_implementation='eager',
    )
    model = transformers.OPTForCausalLM(config).eval()
    named = {k: v for k, v in model.named_parameters() if k != 'lm_head.weight'}
    no_key_bias = {k: v for k, v in named.items() if not k.endswith('k_proj.bias')}
    with torch.no_grad():
        for k, (name, value) in enumerate(sorted(no_key_bias.items())):
            # The first two rows of OPT's positions are for padding.
            own = value[2:] if name.endswith('embed_positions.weight') else value
            inputs = own.numel() / own.shape[0]
            own.copy_(pseudo(own.shape, 7 + k, 0.4 if own.dim() == 1 else 3.4 / np.sqrt(inputs)))
            if name.endswith('norm.weight'):
                own += 1
        for name, value in named.items():
            if name.endswith('k_proj.bias'):
                value.zero_()
    texts, count = 3, 9
    tokens = torch.from_numpy((unit(np.arange(texts * count), 31) * 61).astype(np.int64).reshape(texts, count))
    labels = torch.from_numpy((unit(np.arange(texts * count), 32) * 61).astype(np.int64).reshape(texts, count))
    lengths = [9, 6, 4]
    weights = torch.tensor([[1.0 if i < n else 0.0 for i in range(count)] for n in lengths]) / sum(lengths)
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    logs = torch.log_softmax(logits, -1).gather(-1, labels[..., None])[..., 0]
    loss = -(logs * weights).sum()
    loss.backward()
    gradients = {}
    for name, value in no_key_bias.items():
        gradient = value.grad.numpy()
        if name.endswith('embed_positions.weight'):
            gradient = gradient[2:]
        gradients[name] = {'norm': norm(gradient), 'signedSums': signed_sums(gradient)}
    return {'loss': rounded(loss.item()), 'gradients': gradients}


def gpt2(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=['<|endoftext|>'], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.save(str(folder / 'tokenizer.json'))
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0,
        attn_implementation='eager',
    )
    torch.manual_seed(5)
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1:
                value *= 10  # so that probabilities differ
    config.save_pretrained(folder)
    scores = []
    with torch.no_grad():
        for text in TEXTS:
            ids = [0, *tokenizer.encode(text).ids]
            logs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
            begun = sum(logs[i, ids[i + 1]].item() for i in range(len(ids) - 1))
            scores.append({'text': text, 'ids': ids[1:], 'begun': rounded(begun, 9), 'ended': rounded(begun + logs[-1, 0].item(), 9)})
    past = [torch.zeros(2, 2, 3, 8) for _ in range(4)]
    example = (torch.ones(2, 4, dtype=torch.int64), torch.ones(2, 7, dtype=torch.int64), torch.arange(3, 7).repeat(2, 1), past)
    names = [f'{layer}.{part}' for layer in range(2) for part in ('key', 'value')]
    dim = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        WithPast(model), example, str(folder / 'model.onnx'), dynamo=True, external_data=False, optimize=True, opset_version=20,
        input_names=['input_ids', 'attention_mask', 'position_ids', *(f'past_key_values.{n}' for n in names)],
        output_names=['logits', *(f'present.{n}' for n in names)],
        dynamic_shapes=({0: dim, 1: dim}, {0: dim, 1: dim}, {0: dim, 1: dim}, [{0: dim, 2: dim} for _ in past]),
    )
    strip(folder / 'model.onnx')
    return scores


def strip(file):
    """Takes out what only says where each node comes from, most of the file."""
    model = onnx.load(file)
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ''
    del model.graph.value_info[:]
    onnx.save(model, file)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    header = {
        'madeBy': 'scripts/golden/causal_language_model.py',
        'versions': {'python': platform.python_version(), 'torch': torch.__version__, 'transformers': transformers.__version__},
    }
    for name, value in {'gpt.json': opt_values(), 'tiny-gpt2/scores.json': {'texts': gpt2(args.out / 'tiny-gpt2')}}.items():
        lines = [f'{json.dumps(key)}: {dump(content)}' for key, content in {**header, **value}.items()]
        (args.out / name).write_text('{\n' + ',\n'.join(lines) + '\n}\n', encoding='utf-8')
