"""A causal language model as it is exported to ONNX: keys and values of earlier tokens are inputs, those of all tokens outputs."""

import torch
import transformers


class WithPast(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, past):
        cache = transformers.DynamicCache()
        for layer, (key, value) in enumerate(zip(past[::2], past[1::2])):
            cache.update(key, value, layer)
        found = self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache, use_cache=True,
        )
        present = [part for layer in found.past_key_values.layers for part in (layer.keys, layer.values)]
        return (found.logits, *present)
