"""Scores of KenLM for the tests of src/language-model, and models that its lmplz trained.

    python scripts/golden/kenlm_values.py --lmplz <kenlm>/build/bin/lmplz --tatoeba <en-zh TSV> --out src/language-model/golden

The scores come from the Python package (pip install kenlm), the trained models from lmplz of the source repository
(kpu/kenlm, built with cmake). The sentences are Tatoeba's (CC-BY 2.0 FR), cut into words here by rules of one line:
the tests compare what is done with words, not how a text becomes words.
"""

import argparse
import gzip
import importlib.metadata
import json
import math
import random
import re
import subprocess
import tempfile
from pathlib import Path

import kenlm

SOURCE = 'Sentences: Tatoeba (https://tatoeba.org), CC-BY 2.0 FR'

# What trained models do not have: suffixes and contexts that pruning took, unigrams without back-off, an <unk> with
# one and in longer n-grams, n-grams of back-off 0 that nothing follows, numbers of all forms.
ODD = r"""# a comment

\data\
ngram 1=8
ngram 2=9
ngram 3=5
ngram 4=2

\1-grams:
-2.5	<unk>	-0.75
-99	<s>	-0.4149733
-1.0294930	</s>
-.9	a	-6.9897e-1
-1.25	b	0
-1.5	c	-0.0
-1.75e0	d
-2	e	0.125

\2-grams:
-0.25	<s> a	-0.301
-0.5	a b	-0.2
-0.75	<unk> a	-0.1
-0.8	a <unk>	-0.35
-0.9	b c	0
-0.3	c d	-0.45
-0.6	d e
-0.65	d a	0.05
-0.85	e b

\3-grams:
-0.2	<s> a b	-0.15
-0.3	a b d	-0.05
-0.4	<unk> a e
-0.1	c d e	-0.6
-0.7	b c d	-0.25

\4-grams:
-0.05	<s> a b e
-0.15	b c d e

\end\
"""


def full_scores(path, sentences):
    """log10 of each word and of the end of the sentence."""
    model = kenlm.Model(str(path))
    return [[round(p, 6) for p, _, _ in model.full_scores(' '.join(words))] for words in sentences]


def lmplz(binary, folder, name, sentences, *options):
    text, arpa = folder / f'{name}.txt', folder / f'{name}.arpa'
    text.write_text(''.join(' '.join(words) + '\n' for words in sentences), encoding='utf-8')
    subprocess.run([binary, '--text', text, '--arpa', arpa, '-S', '200M', *options], check=True, capture_output=True)
    return arpa


def reference_probability(sentences, order):
    """Probability of a word after a context of order - 1 words: smoothing once more, by its definition alone."""
    padded = [['<s>', *words, '</s>'] for words in sentences]
    raw = [{} for _ in range(order + 1)]
    for words in padded:
        for n in range(1, order + 1):
            for i in range(len(words) - n + 1):
                ngram = tuple(words[i:i + n])
                raw[n][ngram] = raw[n].get(ngram, 0) + 1
    counts = [{} for _ in range(order + 1)]
    for n in range(1, order + 1):
        for ngram, count in raw[n].items():
            if n == order or ngram[0] == '<s>':
                counts[n][ngram] = count
        if n < order:
            for longer in raw[n + 1]:
                if longer[1:][0] != '<s>':
                    counts[n][longer[1:]] = counts[n].get(longer[1:], 0) + 1
    counts[1].pop(('<s>',), None)
    vocabulary = {word for words in padded for word in words} - {'<s>'} | {'<unk>'}
    discounts = [None]
    for n in range(1, order + 1):
        of = [sum(1 for c in counts[n].values() if c == k) for k in range(5)]
        y = of[1] / (of[1] + 2 * of[2])
        discounts.append([0, *(k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3))])

    def probability(context, word):
        n = len(context) + 1
        lower = probability(context[1:], word) if context else 1 / len(vocabulary)
        after = {ngram: c for ngram, c in counts[n].items() if ngram[:-1] == context}
        total = sum(after.values())
        if total == 0:
            return lower
        discount = lambda c: discounts[n][min(c, 3)]
        gamma = sum(map(discount, after.values())) / total
        count = after.get((*context, word), 0)
        return (count - discount(count)) / total + gamma * lower

    return probability


def write(folder, name, value):
    with gzip.GzipFile(folder / name, 'wb', mtime=0) as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(',', ':')).encode('utf-8'))


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--lmplz', required=True)
    parser.add_argument('--tatoeba', required=True, help='English and Chinese, tab-separated, with a header')
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    rng = random.Random(3)
    rows = [line.split('\t') for line in Path(args.tatoeba).read_text(encoding='utf-8').split('\n')[1:] if line]
    english = sorted({row[0].strip('\ufeff') for row in rows})
    chinese = sorted({row[1] for row in rows})
    rng.shuffle(english), rng.shuffle(chinese)
    english = [re.findall(r"[a-z']+", line.lower()) for line in english]
    chinese = [re.findall(r'[\u4e00-\u9fff]', line) for line in chinese]
    texts = {'en': [words for words in english if words], 'zh': [words for words in chinese if words]}

    value = {'script': 'scripts/golden/kenlm_values.py', 'kenlm': importlib.metadata.version('kenlm'), 'source': SOURCE}
    odd_sentences = [[rng.choice('aaabbccddex') for _ in range(rng.randrange(9))] for _ in range(200)]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        value['models'] = []
        without_unknown = re.sub('.*<unk>.*\n', '', ODD.replace('1=8', '1=7').replace('2=9', '2=7').replace('3=5', '3=4'))
        for name, arpa in (
            ('odd', ODD), ('odd without <unk>', without_unknown), ('odd with <UNK>', ODD.replace('<unk>', '<UNK>')),
        ):
            (scratch / 'odd.arpa').write_text(arpa)
            scores = full_scores(scratch / 'odd.arpa', odd_sentences)
            value['models'].append({'name': name, 'arpa': arpa, 'sentences': odd_sentences, 'scores': scores})
        pruned = lmplz(args.lmplz, scratch, 'pruned', texts['en'][:2500], '-o', '4', '--prune', '0', '0', '1', '2')
        held = texts['en'][-150:]
        scores = full_scores(pruned, held)
        arpa = pruned.read_text(encoding='utf-8')
        value['models'].append({'name': 'pruned by lmplz', 'arpa': arpa, 'sentences': held, 'scores': scores})
        write(args.out, 'kenlm-scores.json.gz', value)

        value = {key: value[key] for key in ('script', 'kenlm', 'source')}
        value['models'] = []
        for language, count, order in (('en', 1200, 5), ('en', 400, 2), ('zh', 500, 3)):
            train, held = texts[language][:count], texts[language][-100:]
            arpa = lmplz(args.lmplz, scratch, 'trained', train, '-o', str(order))
            scores = full_scores(arpa, held)
            model = {'language': language, 'order': order, 'train': train, 'heldOut': held, 'scores': scores}
            if order <= 3:
                # KenLM against the definition, on the words of a few sentences.
                probability = reference_probability(train, order)
                known = {word for words in train for word in words} | {'</s>'}
                for words, found in list(zip(held, scores))[:10]:
                    padded = ['<s>', *(word if word in known else '<unk>' for word in words), '</s>']
                    for i, log10 in enumerate(found, 1):
                        context = tuple(padded[max(0, i - order + 1):i])
                        assert abs(math.log10(probability(context, padded[i])) - log10) < 1e-4, (context, padded[i])
            lines = [line.split('\t') for line in arpa.read_text(encoding='utf-8').split('\n')]
            # Every n-gram's values, as ten thousandths: the file stays small, and 1e-4 is what is compared.
            values = {line[1]: [round(1e4 * float(x)) for x in (line[0], *line[2:])] for line in lines if len(line) > 1}
            ngrams = {}
            for ngram, numbers in values.items():
                ngrams.setdefault(str(ngram.count(' ') + 1), {})[ngram] = numbers
            sizes = {n: len(found) for n, found in ngrams.items()}
            kept = {n: dict(sorted(found.items())[:: max(1, len(found) // 700)]) for n, found in ngrams.items()}
            value['models'].append({**model, 'sizes': sizes, 'ngrams': kept})
        write(args.out, 'lmplz-models.json.gz', value)
