"""Golden values of sacreBLEU's tokenizers that need a model or a dictionary: flores101, flores200, ja-mecab.

    python scripts/golden/model_tokenizers.py LASER/data/tatoeba/v1 src/metrics/golden

The sentences are those that LASER took from Tatoeba (CC-BY 2.0 FR) in 112 languages. Needs sacrebleu 2.6.0,
sentencepiece 0.2.1 (from 0.2.2 on, paths of exactly one score are chosen otherwise), mecab-python3 and ipadic.
The small SentencePiece model is trained here and put where sacreBLEU looks for its own. Its normalisation is a part of
NFKC, whole blocks of it, as all of NFKC would take 240 KB.
"""
import glob, gzip, hashlib, importlib.metadata, json, logging, os, platform, random, shutil, sys, tempfile, unicodedata

os.environ['SACREBLEU'] = tempfile.mkdtemp()
import sentencepiece
from sacrebleu.metrics import BLEU, CHRF

from generated_text import ALPHABET, below, sfc32

logging.getLogger('sacrebleu').setLevel(logging.ERROR)
MODEL = 'small.spm.model'
SENTENCES, JAPANESE, SEED, LINES = 20, 800, 101, 4000
BLOCK = 100
TOKENIZERS = ['13a', 'zh', 'char', 'intl', 'none', 'flores101', 'flores200', 'ja-mecab']
ODD = [chr(c) for c in (1, 7, 8, 0xb, 0xc, 0x1f, 0x7f, 0x80, 0x8f, 0xad, 0x200c, 0x200d, 0x200e, 0x2060, 0x2581, 0xe000, 0xfe0f,
                        0xfffd, 0xffff, 0x10ffff, 0x1f1e8, 0x3099, 0x1100, 0x1161, 0xfb01, 0x212b, 0x958, 0xfdfa, 0x3300, 0xff5e)]
JAPANESE_PIECES = ['\r', 'ー', 'ッ', 'んん', 'ガギ', 'ABC', '１２３', '123', '・・・', 'なぜなら', 'それから', 'エルドアン', '東京都', 'に', 'は',
                   'した', 'です', 'ませ', 'ん', '食べ', 'られる', 'すもも', 'もも', 'うち', 'コンピュータ', '山', '田', '人']
BLOCKS = [(0x1, 0x20), (0x7f, 0x240), (0x1100, 0x1200), (0x2000, 0x2100), (0x2460, 0x2500), (0x3000, 0x3400), (0xac00, 0xac80),
          (0xfb00, 0xfb10), (0xff00, 0x10000)]


def sentences(folder):
    result = {}
    for file in sorted(glob.glob(os.path.join(folder, 'tatoeba.*-eng.*'))):
        language = file.rsplit('.', 1)[1]
        if language != 'eng':
            with open(file, encoding='utf8', newline='\n') as lines:
                result[language] = lines.read().split('\n')[:-1]
    return result


def normalization():
    rules = ['FEFF\t20']  # as in SentencePiece's own rules
    for first, end in BLOCKS:
        for code in range(first, end):
            text = chr(code)
            normal = ' ' if text.isspace() else '' if unicodedata.category(text) in ('Cc', 'Cf') else unicodedata.normalize('NFKC', text)
            if normal != text:
                rules.append(f"{code:X}\t{' '.join(f'{ord(c):X}' for c in normal)}")
            # Pairs that NFKC composes: e with an acute accent, か with a voiced sound mark
            pair = unicodedata.normalize('NFD', text)
            if len(pair) > 1 and unicodedata.normalize('NFKC', pair) == text:
                rules.append(f"{' '.join(f'{ord(c):X}' for c in pair)}\t{code:X}")
    return rules


def train(texts, folder):
    rng = random.Random(1)
    lines = [line for own in texts.values() for line in rng.sample(own, min(100, len(own)))]
    rng.shuffle(lines)
    with tempfile.TemporaryDirectory() as temporary:
        corpus, rules = os.path.join(temporary, 'text'), os.path.join(temporary, 'rules.tsv')
        open(corpus, 'w', encoding='utf8').write('\n'.join(lines) + '\n')
        open(rules, 'w').write('\n'.join(dict.fromkeys(normalization())) + '\n')
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=os.path.join(temporary, 'small'), vocab_size=3000, character_coverage=0.99,
            normalization_rule_tsv=rules, minloglevel=2)
        model = os.path.join(folder, MODEL)
        shutil.copy(os.path.join(temporary, 'small.model'), model)
    os.makedirs(os.path.join(os.environ['SACREBLEU'], 'models'))
    for name in ('sacrebleu_tokenizer_spm.model', 'flores200sacrebleuspm'):
        shutil.copy(model, os.path.join(os.environ['SACREBLEU'], 'models', name))
    print(model, os.path.getsize(model))


def system(refs):
    """An output that both sides can make: some lines cut, some exchanged."""
    return [refs[(i + 1) % len(refs)] if i % 5 == 1 else line[:-3] if i % 3 == 0 else line for i, line in enumerate(refs)]


def digest(lines):
    return hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:12]


def main(texts_folder, folder):
    texts = sentences(texts_folder)
    train(texts, folder)
    metrics = {f'bleu {t}': BLEU(tokenize=t, force=True) for t in TOKENIZERS} | {'chrf': CHRF(), 'chrf++': CHRF(word_order=2)}
    split = {t: metrics[f'bleu {t}'].tokenizer for t in TOKENIZERS}
    words = lambda t, line: ' '.join(split[t](line.rstrip()).split())
    languages, signatures = {}, {}
    for language, own in texts.items():
        refs = random.Random(language).sample(own, min(JAPANESE if language == 'jpn' else SENTENCES, len(own)))
        scores = {name: metric.corpus_score(system(refs), [refs]).score for name, metric in metrics.items()}
        signatures = {name: str(metric.get_signature()) for name, metric in metrics.items()}
        languages[language] = {
            'lines': refs, 'scores': scores, 'tokens': {t: digest(words(t, line) for line in refs) for t in TOKENIZERS}}
    # Written out, for a look at where a segmentation differs
    languages['jpn']['words'] = [words('ja-mecab', line) for line in languages['jpn']['lines']]
    alphabet = ALPHABET + ODD + JAPANESE_PIECES
    draw = sfc32(SEED)
    odd = [''.join(alphabet[below(len(alphabet), draw)] for _ in range(below(25, draw))) for _ in range(LINES)]
    generated = [{t: digest(words(t, line) for line in odd[i:i + BLOCK]) for t in TOKENIZERS} for i in range(0, LINES, BLOCK)]
    versions = {p: importlib.metadata.version(p) for p in ('sacrebleu', 'sentencepiece', 'mecab-python3', 'ipadic')}
    value = {'versions': versions | {'python': platform.python_version()}, 'source': 'Sentences: Tatoeba, https://tatoeba.org, CC-BY 2.0 FR',
             'signatures': signatures, 'languages': languages, 'seed': SEED, 'block': BLOCK, 'alphabet': alphabet, 'generated': generated}
    path = os.path.join(folder, 'model-tokenizers.json.gz')
    with open(path, 'wb') as out:
        out.write(gzip.compress(json.dumps(value, ensure_ascii=False).encode(), 9, mtime=0))
    print(path, os.path.getsize(path), sum(len(x['lines']) for x in languages.values()), 'lines')


if __name__ == '__main__':
    main(*sys.argv[1:])
