/**
 * Long recordings: ours piece by piece (batched) and in windows one after the other (sequential), greedy and with 5 beams,
 * against faster-whisper int8, sequential and batched, and whisper.cpp with 8-bit weights, each in its turn. English is
 * compared with the sentences' texts; French and Catalan have none of their own: with what Whisper reads in each
 * sentence alone, in a full window.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { decode } from '../src/decoding/decode.ts';
import { transcribeFiles } from '../src/decoding/transcribe-files.ts';
import type { Segment, Transcript } from '../src/decoding/transcript.ts';
import { UserError } from '../src/errors.ts';
import { normalizeEnglish } from '../src/language/english/normalize-english.ts';
import { normalizeBasic } from '../src/language/normalize-basic.ts';
import { bootstrap } from '../src/metrics/significance.ts';
import { cutLikeReferences, errorMetric } from '../src/metrics/word-error-rate.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { type LongRecording, RECORDINGS } from './long-recordings.ts';
import type { BenchOptions } from './options.ts';
import { Peer } from './peer.ts';
import { type BenchResult, type Goal, inRepository, type Row } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const SEARCHES = { greedy: 1, beams: 5 } as const;
type SearchName = keyof typeof SEARCHES;

const OURS = ['batched', 'sequential'] as const;
type Mode = (typeof OURS)[number];

/** Points of word error rate above the sequential mode's, and a peer's. */
const MAX_DIFFERENCE = 0.5;
/** Of a short recording one word is more than that: it may have so many more errors. */
const MAX_WORDS = 3;
/** A segment's border is that of a sentence where it is as near. */
const NEAR_SECONDS = 0.5;
/** Sentences that are encoded together for the reference: full windows are 3 MB each. */
const TOGETHER = 16;

interface PeerKind {
  readonly name: string;
  readonly script: string;
  readonly options: (options: BenchOptions) => readonly string[];
}

const FASTER_WHISPER = 'faster_whisper_transcribe.py';
const PEERS: readonly PeerKind[] = [
  {
    name: 'faster-whisper batched',
    script: FASTER_WHISPER,
    options: ({ ctranslate2 }) => ['--model', ctranslate2, '--compute', 'int8', '--batched'],
  },
  {
    name: 'faster-whisper',
    script: FASTER_WHISPER,
    options: ({ ctranslate2 }) => ['--model', ctranslate2, '--compute', 'int8', '--timestamps'],
  },
  {
    name: 'whisper.cpp',
    script: 'whisper_cpp_transcribe.py',
    options: ({ whisperCpp }) => ['--model', whisperCpp],
  },
];

/** The largest share of a peer's time. */
const RATIOS: readonly { mode: Mode; search: SearchName; peer: string; most: number }[] = [
  { mode: 'batched', search: 'greedy', peer: 'faster-whisper batched', most: 0.6 },
  { mode: 'batched', search: 'beams', peer: 'faster-whisper batched', most: 0.8 },
  { mode: 'sequential', search: 'beams', peer: 'faster-whisper', most: 0.7 },
];

/** What one side made of a recording. */
interface Found {
  readonly recording: string;
  readonly search: SearchName;
  readonly side: string;
  /** Of each round, seconds. */
  readonly took: number[];
  text: string;
  segments: readonly TimedText[];
}

type TimedText = Pick<Segment, 'start' | 'end' | 'text'>;

interface Errors {
  /** Percent, with the middle 95 % of resampled sentences. */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly deletions: number;
  readonly insertions: number;
  readonly substitutions: number;
  /** Of the references. */
  readonly words: number;
}

export async function longAudio(options: BenchOptions): Promise<BenchResult> {
  const chosen = choiceOf(options.only);
  const model = await WhisperModel.load(options.model, { compute: options.compute });
  const found: Found[] = [];
  const rows: Row[] = [];
  const goals: Goal[] = [];
  const notes = new Set<string>();
  const versions: Record<string, string> = {};
  try {
    for (const name of chosen.recordings) {
      const recording = await RECORDINGS[name]!.make(options);
      const references = await referencesOf(model, recording);
      const errorsOf = (text: string): Errors => errors(text, references, recording.language);
      for (const search of chosen.searches) {
        const own = await measured(model, recording, search, options, chosen, { notes, versions });
        found.push(...own);
        rows.push(...rowsOf(own, recording, errorsOf));
        goals.push(...goalsOf(own, recording, search, errorsOf));
        for (const row of rows.slice(-own.length)) console.log(Object.values(row).join('  '));
      }
    }
  } finally {
    await model.close();
  }
  return {
    title: `Long recordings, ${options.compute}: ${chosen.recordings.map((name) => RECORDINGS[name]!.about).join('; ')}`,
    rows,
    goals,
    notes: [
      'Errors: percent of words (95 % interval): deletions, insertions, substitutions. French and Catalan: words that differ',
      'from what Whisper reads in each sentence alone, in a full window: they have no transcript of their own.',
      ...notes,
    ],
    peerVersions: versions,
    raw: found,
  };
}

interface Choice {
  readonly recordings: readonly string[];
  readonly searches: readonly SearchName[];
  readonly modes: readonly Mode[];
  readonly peers: readonly PeerKind[];
}

/** `en,greedy`: what is named of each kind, all of a kind of which nothing is named; `ours`: without peers. */
function choiceOf(only: string | undefined): Choice {
  const names = only?.split(',') ?? [];
  const named = <Name extends string>(all: readonly Name[]): readonly Name[] => {
    const some = all.filter((name) => names.includes(name));
    return some.length > 0 ? some : all;
  };
  const kinds = [Object.keys(RECORDINGS), Object.keys(SEARCHES), OURS, ['ours']];
  const unknown = names.find((name) => !kinds.flat().includes(name));
  if (unknown !== undefined)
    throw new UserError(`--only: found "${unknown}"; expected some of ${kinds.flat().join(', ')}`);
  return {
    recordings: named(Object.keys(RECORDINGS)),
    searches: named(Object.keys(SEARCHES) as SearchName[]),
    modes: named(OURS),
    peers: names.includes('ours') ? [] : PEERS,
  };
}

/** All sides take turns, as often as there are rounds. */
async function measured(
  model: WhisperModel,
  { name, file, language, sentences }: LongRecording,
  search: SearchName,
  options: BenchOptions,
  { modes, peers: kinds }: Choice,
  { notes, versions }: { readonly notes: Set<string>; readonly versions: Record<string, string> },
): Promise<Found[]> {
  const beams = SEARCHES[search];
  const list = inRepository(`out/bench/long-${name}.tsv`);
  writeFileSync(list, `${file}\t${language}\n`);
  const found = new Map<string, Found>();
  const add = (side: string, took: number, text: string, segments: readonly TimedText[]): void => {
    const before = found.get(side)?.took ?? [];
    found.set(side, { recording: name, search, side, took: [...before, took], text, segments });
  };
  const ours = async (mode: Mode) => {
    const started = performance.now();
    const request = { beams, batched: mode === 'batched' };
    const { value } = await transcribeFiles(model, [{ audio: file, language }], request).next();
    const { text, segments } = value as Transcript;
    return { took: (performance.now() - started) / 1000, text, segments };
  };
  const peers: { readonly name: string; readonly peer: Peer }[] = [];
  for (const kind of kinds) {
    const fixed = ['--files-from', list, '--beam', String(beams), '--threads', String(model.runtime.threads)];
    const peer = await Peer.start(kind.script, [...kind.options(options), ...fixed]);
    if (typeof peer === 'string') notes.add(`${kind.name}: ${peer}`);
    else peers.push({ name: kind.name, peer });
  }
  // Programs are compiled when they are first needed.
  for (const window of ['fit', 'full'] as const) {
    const short = [{ audio: sentences[0]!.audio, language }];
    await transcribeFiles(model, short, { beams, window, timestamps: true }).next();
  }
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const mode of modes) {
        const { took, text, segments } = await ours(mode);
        add(mode, took, text, segments);
      }
      for (const { name, peer } of peers) {
        const reply = await peer.step();
        add(name, reply.seconds, (reply.texts as string[])[0]!, (reply.segments as TimedText[][])[0]!);
      }
    }
  } finally {
    for (const { peer } of peers) {
      Object.assign(versions, peer.versions);
      await peer.stop();
    }
  }
  return [...found.values()];
}

/** Normalised texts of the sentences: a person's in English, else Whisper's of each sentence alone. */
async function referencesOf(
  model: WhisperModel,
  { language, sentences }: LongRecording,
): Promise<readonly string[]> {
  if (language === 'en') return sentences.map(({ text }) => text);
  const kept = inRepository(`out/bench/long-${language}-alone.json`);
  const made = await model.encoderFingerprint();
  if (existsSync(kept)) {
    const { encoder, texts } = JSON.parse(readFileSync(kept, 'utf8'));
    if (encoder === made && texts.length === sentences.length) return texts;
  }
  const prompt = model.tokens.prompt(language, 'transcribe');
  const texts: string[] = [];
  for (let start = 0; start < sentences.length; start += TOGETHER) {
    const some = sentences.slice(start, start + TOGETHER);
    const clips = await model.encode(await Promise.all(some.map(({ audio }) => readAudio(audio))), 'full');
    const decoded = await decode(model, clips, { prompts: some.map(() => prompt) });
    texts.push(...decoded.map(({ text }) => text));
  }
  writeFileSync(kept, JSON.stringify({ encoder: made, texts }));
  return texts;
}

function errors(text: string, references: readonly string[], language: string): Errors {
  const normal = language === 'en' ? normalizeEnglish : (text: string) => normalizeBasic(text);
  const sentences = references.map(normal);
  const metric = errorMetric('wer');
  const statistics = metric.statistics(cutLikeReferences(sentences, normal(text)), [sentences]);
  const total = statistics[0]!.map((_, i) => statistics.reduce((sum, row) => sum + row[i]!, 0));
  const { deletions, insertions, substitutions } = metric.score(total);
  const { score, low, high } = bootstrap(statistics, (sum) => metric.score(sum).score);
  const words = sentences.reduce((sum, sentence) => sum + sentence.split(' ').length, 0);
  return { rate: score, low, high, deletions, insertions, substitutions, words };
}

const shown = ({ rate, low, high, deletions, insertions, substitutions }: Errors): string =>
  `${rate.toFixed(1)} % (${low.toFixed(1)}–${high.toFixed(1)}): ${deletions}, ${insertions}, ${substitutions}`;

/** A row for each of our modes, beside each peer; and one for the errors of each side. */
function rowsOf(
  found: readonly Found[],
  recording: LongRecording,
  errorsOf: (text: string) => Errors,
): Row[] {
  const { name, seconds: length } = recording;
  const peers = found.filter(({ side }) => !isOurs(side));
  return found.flatMap((side): Row[] => {
    const of = `${name} (${(length / 60).toFixed(1)} min), ${side.search}, ${side.side}`;
    const rows: Row[] = [
      { measure: of, ours: `${seconds(median(side.took))}; ${shown(errorsOf(side.text))}` },
    ];
    if (recording.music)
      rows.push({
        measure: `  ${side.side}, words in the music`,
        ours: shownWords(inventedWords(side, recording.music)),
      });
    if (!isOurs(side.side)) return rows;
    const ratios = peers.map((peer): Row => {
      const ratio = showRatios(pairwise(side.took, peer.took));
      return {
        measure: `  ${side.side}, ${side.search}, against ${peer.side}`,
        ours: seconds(median(side.took)),
        peer: seconds(median(peer.took)),
        ratio,
      };
    });
    const borders = shownBorders(side.segments, recording);
    return [...rows, { measure: `  ${side.side}, borders of sentences`, ours: borders }, ...ratios];
  });
}

/** How far the next segment's beginning, or end, is from each sentence's. */
function shownBorders(segments: readonly TimedText[], { sentences }: LongRecording): string {
  const of = (border: 'start' | 'end'): string => {
    const places = segments.map((segment) => segment[border]);
    const distances = sentences.map((sentence) =>
      Math.min(...places.map((place) => Math.abs(place - sentence[border]))),
    );
    const near = distances.filter((distance) => distance <= NEAR_SECONDS).length;
    return `${border}s ${seconds(median(distances))}, ${near} of ${sentences.length} within ${NEAR_SECONDS} s`;
  };
  return `${of('start')}; ${of('end')}`;
}

/** A segment is the music's where so much of its time is: faster-whisper's batched ones begin before the music and end after it. */
const IN_MUSIC = 0.9;

/** Words of the segments that lie in the music. */
function inventedWords({ segments }: Found, music: NonNullable<LongRecording['music']>): string[] {
  return segments
    .filter(({ start, end }) => {
      const within = Math.min(end, music.end) - Math.max(start, music.start);
      return within > 0 && within >= IN_MUSIC * (end - start);
    })
    .flatMap(({ text }) => text.split(/\s+/).filter(Boolean));
}

const SHOWN_WORDS = 12;
const shownWords = (words: readonly string[]): string =>
  words.length === 0 ? 'none' : `${words.length}: ${words.slice(0, SHOWN_WORDS).join(' ')}`;

const isOurs = (side: string): boolean => (OURS as readonly string[]).includes(side);

function goalsOf(
  found: readonly Found[],
  recording: LongRecording,
  search: SearchName,
  errorsOf: (text: string) => Errors,
): Goal[] {
  const of = (side: string): Found | undefined => found.find((each) => each.side === side);
  const where = `${recording.name}, ${search}`;
  const goals: Goal[] = [];
  const whole = recording.sentences.length > 50;
  for (const { mode, peer, most } of RATIOS.filter((ratio) => whole && ratio.search === search)) {
    const [ours, theirs] = [of(mode), of(peer)];
    if (!ours) continue;
    const ratio = theirs && pairwise(ours.took, theirs.took).median;
    goals.push({
      goal: `${where}: ${mode} at most ${most} of the time of ${peer}`,
      found: ratio === undefined ? 'no peer' : ratio.toFixed(2),
      reached: ratio === undefined ? undefined : ratio <= most,
    });
  }
  const batched = of('batched');
  for (const other of ['sequential', 'faster-whisper', 'faster-whisper batched']) {
    const against = of(other);
    if (!batched || !against) continue;
    const [own, theirs] = [errorsOf(batched.text), errorsOf(against.text)];
    const most = Math.max(MAX_DIFFERENCE, (100 * MAX_WORDS) / own.words);
    goals.push({
      goal: `${where}: errors of batched at most ${most.toFixed(1)} points above those of ${other}`,
      found: `${own.rate.toFixed(1)} % against ${theirs.rate.toFixed(1)} %`,
      reached: own.rate - theirs.rate <= most,
    });
  }
  const { music } = recording;
  for (const side of music ? found.filter(({ side }) => isOurs(side)) : []) {
    const invented = inventedWords(side, music!);
    goals.push({
      goal: `${where}: ${side.side} writes nothing for the music`,
      found: shownWords(invented),
      reached: invented.length === 0,
    });
  }
  return goals;
}
