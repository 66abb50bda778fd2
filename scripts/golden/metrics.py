"""Golden values for src/metrics and src/language: sacreBLEU, jiwer, Whisper's normalisers (transformers) and OpenCC.

    python scripts/golden/metrics.py TATOEBA_EN_ZH.tsv src/metrics/golden [--only real fuzz]

The sentences come from Tatoeba (CC-BY 2.0 FR); the transcripts of Whisper base are those of greedy_texts.py, their
references samples/manifest.tsv. Needs sacrebleu 2.6.0, jiwer 4, transformers, opencc, regex and openai-whisper's
english.json (--spelling, from its source archive: whisper/normalizers/english.json); --only real needs neither of the last two.
The generated pairs are made by the same few lines here and in metrics-fuzz.test.ts; only scores are stored.
"""
import argparse, csv, gzip, hashlib, importlib.metadata, json, logging, os, platform, random, unicodedata
from unittest import mock

import jiwer, numpy, regex, sacrebleu, transformers
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from generated_text import ALPHABET, below, line, perturb, sfc32

logging.getLogger('sacrebleu').setLevel(logging.ERROR)
VERSIONS = {m.__name__: getattr(m, '__version__', '?') for m in (sacrebleu, transformers, numpy)}
VERSIONS |= {'python': platform.python_version(), 'unicode': unicodedata.unidata_version, 'jiwer': importlib.metadata.version('jiwer')}
SOURCE = 'Sentences: Tatoeba, https://tatoeba.org, CC-BY 2.0 FR'
TOKENIZERS = ['13a', 'zh', 'char', 'intl', 'none']
SMOOTHINGS = [('exp', None), ('floor', None), ('floor', 0.01), ('add-k', None), ('add-k', 0.3), ('none', None)]


def write(folder, name, value):
    path = os.path.join(folder, name)
    data = json.dumps({'versions': VERSIONS, **value}, ensure_ascii=False).encode()
    with open(path, 'wb') as out:
        out.write(gzip.compress(data, 9, mtime=0) if name.endswith('.gz') else data + b'\n')
    print(path, os.path.getsize(path))


# ---- generated pairs

BLOCKS, PAIRS, FUZZ_SEED = 100, 100, 2024


def mixed_tokens(text):
    text = unicodedata.normalize('NFKC', text).lower()
    word = r'[[\p{L}\p{M}\p{N}]--\p{Script=Han}]+'
    return regex.findall(rf"\p{{Script=Han}}|{word}(?:['’-]{word})*", text, regex.V1)


def error_counts(output):
    return [output.substitutions, output.deletions, output.insertions, output.hits]


def mixed_counts(hyps, refs):
    blank = jiwer.Compose([jiwer.Strip(), jiwer.ReduceToListOfListOfWords()])
    h, r = [[' '.join(mixed_tokens(x)) for x in side] for side in (hyps, refs)]
    return error_counts(jiwer.process_words(r, h, blank, blank))


def metrics():
    yield from ((f'bleu {t}', BLEU(tokenize=t, force=True), 1) for t in TOKENIZERS)
    yield 'bleu zh lc floor eff 2', BLEU(tokenize='zh', lowercase=True, smooth_method='floor', effective_order=True), 2
    yield 'bleu 13a add-k 2', BLEU(tokenize='13a', smooth_method='add-k', smooth_value=0.5, force=True), 2
    yield 'bleu intl none', BLEU(tokenize='intl', smooth_method='none'), 1
    yield 'bleu zh 2', BLEU(tokenize='zh'), 2
    yield 'chrf', CHRF(), 1
    yield 'chrf lc', CHRF(lowercase=True), 1
    yield 'chrf++', CHRF(word_order=2), 1
    yield 'chrf++ lc', CHRF(word_order=2, lowercase=True), 1
    yield 'chrf space eps 2', CHRF(char_order=4, word_order=1, beta=1, whitespace=True, eps_smoothing=True), 2
    yield 'chrf++ 2', CHRF(word_order=2), 2
    yield 'ter', TER(), 1
    yield 'ter norm asian 2', TER(normalized=True, asian_support=True), 2
    yield 'ter norm case', TER(normalized=True, case_sensitive=True), 1
    yield 'ter nopunct', TER(no_punct=True), 1
    yield 'ter norm nopunct asian', TER(normalized=True, no_punct=True, asian_support=True), 1
    yield 'ter nopunct asian case', TER(no_punct=True, asian_support=True, case_sensitive=True), 1


def fuzz(folder):
    draw = sfc32(FUZZ_SEED)
    blocks, signatures = [], {}
    for _ in range(BLOCKS):
        pieces = [line(draw) for _ in range(PAIRS)]
        refs = [[''.join(perturb(p, draw)) for p in pieces] for _ in range(2)]
        hyps = [''.join(p) for p in pieces]
        scores = {}
        for name, metric, count in metrics():
            scores[name] = metric.corpus_score(hyps, refs[:count]).score
            signatures[name] = str(metric.get_signature())
        one = BLEU(tokenize='zh', effective_order=True)
        scores['sentence bleu sum'] = sum(one.sentence_score(h, [r]).score for h, r in zip(hyps, refs[0]))
        one = CHRF(word_order=2)
        scores['sentence chrf++ sum'] = sum(one.sentence_score(h, [r]).score for h, r in zip(hyps, refs[0]))
        # Only single sentences have orders without a match, which is what smoothing is for
        smoothed = {}
        for t in TOKENIZERS:
            for method, value in SMOOTHINGS:
                for effective in (False, True):
                    one = BLEU(tokenize=t, smooth_method=method, smooth_value=value, effective_order=effective, force=True)
                    name = f'{t} {method} {value} {effective}'
                    smoothed[name] = sum(one.sentence_score(h, [r]).score for h, r in zip(hyps, refs[0]))
                    signatures[name] = str(one.get_signature())
        tokens = {}
        for t in TOKENIZERS:
            tok = BLEU(tokenize=t).tokenizer
            text = '\n'.join(' '.join(tok(h.rstrip()).split()) for h in hyps)
            tokens[t] = hashlib.sha256(text.encode()).hexdigest()[:12]
        basic, english = BasicTextNormalizer(), EnglishTextNormalizer(SPELLING)
        diacritics = BasicTextNormalizer(remove_diacritics=True)
        for name, f in (('basic', basic), ('basic diacritics', diacritics), ('english', english)):
            tokens[name] = hashlib.sha256('\n'.join(f(h) for h in hyps).encode()).hexdigest()[:12]
        blocks.append({
            'scores': scores, 'smoothed': smoothed, 'tokens': tokens,
            'wer': error_counts(jiwer.process_words(refs[0], hyps)),
            'cer': error_counts(jiwer.process_characters(refs[0], hyps)),
            'mixed': mixed_counts(hyps, refs[0]),
        })
    write(folder, 'metrics-fuzz.json.gz', {'seed': FUZZ_SEED, 'pairs': PAIRS, 'alphabet': ALPHABET,
                                           'signatures': signatures, 'blocks': blocks})


# ---- real sentences

def shake(rng, text, vocabulary):
    units = text.split() if ' ' in text else list(text)
    for _ in range(rng.randint(0, 3)):
        if not units:
            break
        at, kind = rng.randrange(len(units)), rng.randrange(4)
        if kind == 0:
            del units[at]
        elif kind == 1:
            units[at] = rng.choice(vocabulary)
        elif kind == 2:
            units.insert(at, units[rng.randrange(len(units))])
        else:
            length = rng.randint(1, 3)
            moved, rest = units[at:at + length], units[:at] + units[at + length:]
            to = rng.randint(0, len(rest))
            units = rest[:to] + moved + rest[to:]
    return (' ' if ' ' in text else '').join(units)


def weaker(hyps):
    """Every third output without its last three characters: a second system both sides can make."""
    return [h[:-3] if i % 3 == 0 else h for i, h in enumerate(hyps)]


class Draws:
    """Stands in for numpy's generator within sacreBLEU, so that both sides draw alike."""
    def __init__(self, seed):
        self.draw = sfc32(7)

    def choice(self, n, size, replace):
        return numpy.array([[below(n, self.draw) for _ in range(size[1])] for _ in range(size[0])])

    def integers(self, high, size, dtype):
        return numpy.array([[self.draw() >> 31 == 0 for _ in range(size[1])] for _ in range(size[0])])


def paired(hyps, refs):
    result = {}
    for name, metric in (('bleu', BLEU(tokenize='zh')), ('chrf', CHRF())):
        n = len(hyps)
        stats = [numpy.array(metric._extract_corpus_statistics(h, refs)) for h in (weaker(hyps), hyps)]
        score = lambda s: metric._compute_score_from_stats(list(map(float, s))).score
        base, system = [score(s.sum(0)) for s in stats]
        draw = sfc32(7)
        index = numpy.array([[below(n, draw) for _ in range(n)] for _ in range(200)])
        scores = [numpy.array([score(s[i].sum(0)) for i in index]) for s in stats]
        absolute = numpy.abs(scores[1] - scores[0])
        count = int(numpy.sum(absolute - absolute.mean() > abs(system - base)))
        bounds = lambda x: [float(numpy.sort(x)[len(x) // 40]), float(numpy.sort(x)[len(x) - len(x) // 40 - 1])]
        draw = sfc32(7)
        swap = numpy.array([[draw() >> 31 for _ in range(n)] for _ in range(200)])[:, :, None]
        one = (numpy.where(swap, stats[1], stats[0])).sum(1)
        two = (numpy.where(swap, stats[0], stats[1])).sum(1)
        diffs = numpy.array([abs(score(a) - score(b)) for a, b in zip(one, two)])
        result[name] = {
            'base': base, 'system': system, 'means': [float(s.mean()) for s in scores],
            'bounds': [bounds(s) for s in scores], 'bs': (count + 1) / 201,
            'ar': (int(numpy.sum(diffs > abs(system - base))) + 1) / 201,
        }
    close = [h[:-1] if i % 50 == 0 else h for i, h in enumerate(hyps)]
    # The tool itself with the same draws, on a second system that is hardly different: p-values far from 0. It sums and scores in float32, so its means are good to four digits or so
    for test in ('bs', 'ar'):
        with mock.patch('numpy.random.default_rng', Draws):
            systems = [('base', close), ('system', hyps)]
            _, scores = PairedTest(systems, {'BLEU': BLEU(tokenize='zh'), 'chrF2': CHRF()}, refs, test, 200)()
        for name, key in (('bleu', 'BLEU'), ('chrf', 'chrF2')):
            result[name][f'tool {test}'] = [
                {'p': r.p_value, 'mean': r.mean and float(r.mean), 'ci': r.ci and float(r.ci)} for r in scores[key]]
    # The tool itself with numpy's random numbers
    for test, samples in (('bs', 1000), ('ar', 1000)):
        systems = [('base', close), ('system', hyps)]
        _, scores = PairedTest(systems, {'BLEU': BLEU(tokenize='zh'), 'chrF2': CHRF()}, refs, test, samples)()
        for name, key in (('bleu', 'BLEU'), ('chrf', 'chrF2')):
            r = scores[key][1]
            result[name][f'numpy {test}'] = {'p': float(r.p_value), 'mean': r.mean and float(r.mean), 'ci': r.ci and float(r.ci)}
    return result


def transcripts():
    """What Whisper base heard in the English GCompris recordings, and what is said in them."""
    with open('samples/manifest.tsv', encoding='utf-8') as file:
        rows = csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE)
        said = {row['key']: row['en'] for row in rows if (row['lang'], row['set']) == ('en', 'intro')}
    with open('src/decoding/golden/greedy-texts-whisper-base.jsonl', encoding='utf-8') as file:
        heard = [json.loads(line) for line in list(file)[1:]]
    pairs = [(row['text'], said[row['key']]) for row in heard if row['language'] == 'en' and row['key'] in said]
    return [h for h, _ in pairs], [r for _, r in pairs]


def real(folder, tsv):
    rng = random.Random(1)
    by_english = {}
    for row in open(tsv, encoding='utf-8').read().split('\n')[1:]:
        if row:
            en, zh = row.split('\t')[:2]
            by_english.setdefault(en.strip('\ufeff'), []).append(zh)
    several = [(en, zhs) for en, zhs in by_english.items() if len(set(zhs)) >= 2]
    rng.shuffle(several)
    characters = list({c for _, zhs in several for zh in zhs for c in zh})
    words = list({w for en, _ in several for w in en.split()})
    characters.sort(), words.sort()
    chosen = several[:700]
    hyps = [shake(rng, zhs[0], characters) for _, zhs in chosen]
    refs = [[zhs[1] for _, zhs in chosen], [zhs[2] if len(zhs) > 2 else shake(rng, zhs[1], characters) for _, zhs in chosen]]
    english = [en for en in by_english if 4 < len(en.split()) < 25]
    english = rng.sample(sorted(english), 300)
    en_hyps = [shake(rng, en, words) for en in english]
    value = {'source': SOURCE, 'seed': 7, 'zh': {'hypotheses': hyps, 'references': refs},
             'en': {'hypotheses': en_hyps, 'references': [english]}}
    heard, said = transcripts()
    value['transcripts'] = {'hypotheses': heard, 'references': [said]}
    for language in ('zh', 'en', 'transcripts'):
        h, r = value[language]['hypotheses'], value[language]['references']
        scores = {}
        for name, metric, count in metrics():
            count = min(count, len(r))
            result = metric.corpus_score(h, r[:count])
            scores[name] = {'score': result.score, 'signature': str(metric.get_signature())}
            if name.startswith('bleu'):
                scores[name] |= {'precisions': result.precisions, 'bp': result.bp, 'lengths': [result.sys_len, result.ref_len]}
        eff = BLEU(tokenize='zh' if language == 'zh' else '13a', effective_order=True)
        value[language] |= {
            'scores': scores,
            'sentenceBleu': [eff.sentence_score(a, list(b)).score for a, *b in zip(h, *r)],
            'sentenceChrf': [CHRF(word_order=2).sentence_score(a, list(b)).score for a, *b in zip(h, *r)],
            'wer': error_counts(jiwer.process_words(r[0], h)),
            'cer': error_counts(jiwer.process_characters(r[0], h)),
            'mixed': mixed_counts(h, r[0]),
        }
    value['paired'] = paired(hyps, refs)
    # Long lines over few words: Tercom's limits on shifts and on the width of its beam
    long = []
    for n, m in [(60, 60), (90, 80), (150, 150), (200, 260), (120, 20), (1, 140), (3, 200), (140, 1), (2, 75), (100, 400)]:
        for vocabulary in (3, 8, 40):
            h, r = ([f'w{rng.randrange(vocabulary)}' for _ in range(k)] for k in (n, m))
            if n == m:
                r = h[n // 2:] + h[:n // 2]
                r[n // 3] = 'other'
            h, r = ' '.join(h), ' '.join(r)
            long.append([h, r, TER().sentence_score(h, [r]).num_edits, error_counts(jiwer.process_words(r, h))])
    value['long'] = long
    write(folder, 'metrics-real.json.gz', value)
    return rng, sorted(by_english), sorted({zh for zhs in by_english.values() for zh in zhs})


# ---- normalisers and Simplified Chinese

PHRASES = """Mr. Brown won't pay $2.50, he'd gone|She's got twenty-five pounds and ten cents|[noise] Uh, hmm, I'm gonna go (laughs) now
the colour of 1,000,000 theatres|one oh one|double oh seven|nineteen ninety nine|two and a half million|three point one four
it costs $0.07|it costs €5 and ¢7|fifty percent|fifty per cent|per cent|per person|the 1960s and the 1970 s|21 st century|minus five
two hundred and five thousand three hundred|a hundred and a half|and a half|zero|oh zero o|one ones 1 1s|triple five six|double trouble
10.5 million|1.2.3.4|twenty one hundredth|sixes and sevens|ninth nineth eighth|the third man|Dr. St. John's o'clock|y'all ain't let's
١٢٣,٤٥٦|३.१४ million|½ cup|ﬁne ﬂag|naïve café Straße Þór Łódź|１２３ ｆｕｌｌ|$20 million|20 million dollars|£5|five pounds|+3 -4|3 - 4
plus one|positive|negative result|ten thousand million|zero hundred|hundred thousands|point|point five|five point|five point x|.5|5.
it is what it's been|they'd done well|who're we've I'll shouldn't've|ＡＢＣ|a.b.c.|etc.|3.|wait...|100%|% 5|$ 5|a$5|rock 'n' roll
<tag>text</tag> [a (b] c)|((nested))|()|（全角）括号|中文 text 混合 二十|kind-hearted re-elect|e-mail  me\tnow|\u3000wide\u00a0space""".replace('\n', '|').split('|')


def normalizers(folder, rng, sentences):
    english, basic = EnglishTextNormalizer(SPELLING), BasicTextNormalizer()
    diacritics = BasicTextNormalizer(remove_diacritics=True)
    letters = BasicTextNormalizer(split_letters=True)
    words = sorted(english.standardize_numbers.words) + ['10', '7', '3.5', '2,000', '1st', '$5', '€0.07', '20%', 'a', 'half', 'and a half', 'cents', 'colour', "it's", 'oh', 'the', '-', '.5', '12.']
    texts = PHRASES + rng.sample(sentences, 300) + rng.sample(list(SPELLING), 60)
    texts += [' '.join(rng.choice(words) for _ in range(rng.randint(1, 7))) for _ in range(2500)]
    rows = [[t, english(t)] for t in texts]
    marks = ['Ça va? [rires] œuvre ΑΣ ß İ', 'Привет, (шум) мир!', 'नमस्ते दुनिया', 'ＡＢＣ，全角。', 'é e\u0301 ñ', '👍🏽 ok', 'กำลัง', '한국어 글', *PHRASES]
    table = [[t, basic(t), diacritics(t), letters(t)] for t in marks]
    write(folder, 'normalizers.json.gz', {'source': SOURCE, 'english': rows, 'basic': table})


def simplified(folder, rng, lines):
    import opencc  # no other part needs it
    VERSIONS['opencc'] = opencc.__version__
    convert = opencc.OpenCC('t2s').convert
    # Tatoeba's lines are nearly all Simplified here: made Traditional first, so that converting them means something
    traditional = opencc.OpenCC('s2t').convert
    changed = [traditional(l) for l in rng.sample(lines, 60)] + [l for l in lines if convert(l) != l]
    extra = ['漢語鍾愛乾坤瞭解著名裏面後來麼', '乾隆皇帝乾杯', '頭髮發現', '藉口憑藉', '鬱金香 English 混排', '著作', '看著', '台灣臺北', '餘額', '么', '龍馬精神', '軟體與程式', '滑鼠', '隻有一隻', '']
    write(folder, 'simplified.json', {'source': SOURCE, 'pairs': [[l, convert(l)] for l in changed + extra]})


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('tatoeba')
    parser.add_argument('folder')
    parser.add_argument('--spelling')
    parser.add_argument('--only', nargs='+', choices=['real', 'fuzz', 'normalizers', 'simplified'])
    args = parser.parse_args()
    wanted = args.only or ['real', 'fuzz', 'normalizers', 'simplified']
    SPELLING = json.load(open(args.spelling)) if args.spelling else {}
    rng, sentences, chinese = real(args.folder, args.tatoeba)  # always: the others go on with its random numbers
    if 'normalizers' in wanted:
        normalizers(args.folder, rng, sentences)
    if 'simplified' in wanted:
        simplified(args.folder, rng, chinese)
    if 'fuzz' in wanted:
        fuzz(args.folder)
