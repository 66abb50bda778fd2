"""Prompts with previous text, as transformers' Whisper tokenizer makes them (get_prompt_ids, then the prefix of the task).

    python scripts/golden/prompts.py     # writes src/decoding/golden/prompts.json
"""
import json
import sys
from pathlib import Path

import tokenizers
import transformers
from transformers import WhisperTokenizer

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / 'models/whisper-base-int8'

TEXTS = [
    'Tux, GCompris', ' Qwst and Orsted. ', 'glossary: SeqSim; Å, naïve, œuvre', 'Привет, Мир!', '你好，世界。', 'こんにちは  世界',
    '안녕하세요', 'नमस्ते दुनिया', 'مرحبا', '¿Qué tal?', "don't", 'A', '3.14 and 1,000', 'emoji 👩‍🔬 here', 'line one\nline two', '\ttab',
    '...', 'e\u0301 or é', 'UPPER lower', 'a  b   c', '<not a token>',
]
TASKS = [('fr', 'transcribe'), ('de', 'translate'), ('zh', 'transcribe')]

tokenizer = WhisperTokenizer.from_pretrained(str(MODEL))
rows = []
for text in TEXTS:
    for language, task in TASKS:
        tokenizer.set_prefix_tokens(language=language, task=task, predict_timestamps=False)
        ids = [int(id) for id in tokenizer.get_prompt_ids(text, return_tensors='np')]
        rows.append({'text': text, 'language': language, 'task': task, 'ids': ids + list(tokenizer.prefix_tokens)})
out = ROOT / 'src/decoding/golden/prompts.json'
head = {
    'script': 'scripts/golden/prompts.py', 'model': 'models/whisper-base-int8',
    'transformers': transformers.__version__, 'tokenizers': tokenizers.__version__, 'python': sys.version.split()[0],
}
lines = ',\n'.join(json.dumps(row, ensure_ascii=False) for row in rows)
out.write_text(json.dumps(head)[:-1] + ', "prompts": [\n' + lines + '\n]}\n')
