/** Checks a manifest: its rows, texts and recordings, by themselves and among each other. Memory grows by some bytes a row. */
import { takeTurn } from '../abort.ts';
import { type Clip, speakerOf } from '../data/clip.ts';
import { type MachineMade, MachineMadeCounts } from '../data/machine-made.ts';
import { type ManifestRow, manifestRows } from '../data/manifest.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import { excerpt as excerptOf, UserError } from '../errors.ts';
import { entryOf } from '../lists.ts';
import { formatNumber } from '../report/format.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { hashOf, SeenHashes } from '../seen-hashes.ts';
import { type ColumnText, textsOf } from './columns.ts';
import { Findings } from './findings.ts';
import { type FindingKind, LISTED } from './kinds.ts';
import { LengthPairs } from './length-outliers.ts';
import { SILENCE_DB, type SoundMeasures } from './measure-sound.ts';
import { MeasuredSounds, type NoSound } from './measured-sounds.ts';
import { RowTable, SPLITS, splitOf } from './row-table.ts';
import {
  isEmptyText,
  isTelling,
  isUntranslated,
  loadLanguage,
  sentenceOf,
  textFaults,
} from './text-faults.ts';

/** `duration_s` may differ from the recording by the larger of both: headers and encoders round, and add some frames. */
const DURATION_SECONDS = 0.25;
const DURATION_SHARE = 0.02;
/** Whisper's window and the rounding of encoders. */
const TOO_LONG_SECONDS = MAX_SECONDS + 0.1;
/** A vowel alone takes longer. */
const TOO_SHORT_SECONDS = 0.2;
/** The quietest 16-bit recordings of speech have noise above it; below, nothing can be heard. */
const SILENT_DB = -60;
/** Speech is recorded at -30 to -15; the noise of cheap microphones stands at -60. */
const QUIET_DB = -50;
/** A hundredth of full scale, -40 dB, is what good converters stay below; so much moves every level. */
const OFFSET = 0.02;
/**
 * Loud recordings touch full scale now and then: of 877 read words and sentences at -12 dB (GCompris) the worst has 0.34 %. Speech
 * that was recorded 6 dB too loud has several per cent.
 */
const CLIPPED_SHARE = 0.005;
/** From the length of a translation in proportion: rows of the Bible and subtitles differ by half. */
const RATIO_FACTOR = 2.5;
/** Characters that the longer of two texts has: a word may be any number of words elsewhere ("die Lupe", "magnifying glass"). */
const RATIO_LENGTH = 20;
/** From the characters a second in proportion: readers differ by half, digits and abbreviations are read at length. */
const RATE_FACTOR = 2.5;
/** Share of the rows with a text in a column from which an empty one counts as forgotten. */
const NEARLY_ALL = 0.95;

export interface CheckOptions extends WorkOptions {
  /** Whether recordings are read. Default true. */
  readonly audio?: boolean | undefined;
  /** Folder where measures of recordings are kept. Default: nowhere. */
  readonly cache?: string | undefined;
}

export interface CheckedManifest {
  readonly manifest: string;
  /** Rows that were read, and those that could not be. */
  readonly rows: number;
  /** Findings of both severities. */
  readonly errors: number;
  readonly warnings: number;
  readonly findings: Findings;
  readonly table: RowTable;
  /** Seconds of all recordings, where they were read; else of `duration_s`. */
  readonly seconds: number;
  readonly audio: boolean;
  /** Columns whose translations, or recordings, were made by machines, as the manifest says. */
  readonly machineMade: readonly MachineMade[];
}

/** @throws UserError where the manifest cannot be read or has no rows */
export async function checkManifest(
  manifest: string,
  { audio = true, cache, ...work }: CheckOptions = {},
): Promise<CheckedManifest> {
  const check = new Check(manifest, audio, work);
  await check.texts();
  if (audio) await check.sounds(await MeasuredSounds.open(cache, check.table.count, work.signal));
  check.amongRows();
  const { table, findings } = check;
  const seconds = table.columns.seconds.subarray(0, table.count);
  return {
    manifest,
    rows: table.count + findings.count('row'),
    errors: findings.total('error'),
    warnings: findings.total('warning'),
    findings,
    table,
    seconds: seconds.reduce((sum, one) => sum + one, 0),
    audio,
    machineMade: check.machineMade.list(),
  };
}

/** A column of texts, of the rows of a language spoken. */
interface Coverage {
  filled: number;
  empty: number;
  /** The first rows without a text. */
  readonly rows: number[];
}

/** A recording that is being read. */
interface Reading {
  readonly row: number;
  readonly clip: Clip;
  /** The first row with its path: the row itself, or one before. */
  readonly first: number;
  readonly measures: Promise<SoundMeasures | NoSound> | undefined;
}

/** What is found in a recording by itself. */
const SOUND_KINDS = [
  'missing',
  'unreadable',
  'damaged',
  'silent',
  'too-long',
  'no-speech',
  'clipped',
  'quiet',
  'dc-offset',
  'too-short',
] as const satisfies readonly FindingKind[];

class Check {
  readonly table = new RowTable();
  readonly findings = new Findings(this.table);
  readonly machineMade = new MachineMadeCounts();
  /** Hashes of keys and of keys with texts; of recordings and of recordings with texts. */
  readonly #keys = new SeenHashes();
  readonly #recordings = new SeenHashes();
  readonly #ratios = new Map<string, LengthPairs>();
  readonly #rates = new Map<string, LengthPairs>();
  readonly #coverage = new Map<string, Coverage>();
  /** By speaker: the first row in each split. */
  readonly #speakers = new Map<string, (number | undefined)[]>();

  constructor(
    private readonly manifest: string,
    private readonly audio: boolean,
    private readonly work: WorkOptions,
  ) {}

  /** The first reading: rows and texts. */
  async texts(): Promise<void> {
    const stage = 'checking texts';
    const update = stageProgress(this.work, stage, 0);
    const loaded = new Set<string>();
    const onBadRow = (line: number, reason: string): void => {
      const [found, expected] = reason.split('; expected ');
      this.findings.addLine(line, 'row', found!.replace(/^found /, ''), expected);
    };
    for await (const one of manifestRows(this.manifest, { withoutAudio: true, onBadRow })) {
      const row = this.table.add(one.line);
      for (const [, language] of textsOf(one.clip)) {
        if (loaded.has(language)) continue;
        loaded.add(language);
        await loadLanguage(language);
      }
      this.#addRow(row, one);
      if ((row & 1023) === 0) {
        await takeTurn(this.work.signal);
        update(row);
      }
    }
    const { count } = this.table;
    if (count === 0 && this.findings.count('row') === 0) {
      throw new UserError(`${this.manifest}: found no clips; expected at least one`);
    }
    if (count > 0) this.work.onProgress?.({ stage, done: count, total: count });
  }

  #addRow(row: number, { clip, row: { columns: written } }: ManifestRow): void {
    const { columns } = this.table;
    const { language, text, translations } = clip;
    const texts = textsOf(clip);
    const all = [clip.set, ...texts.flatMap(([, code, one]) => [code, one])];
    columns.splits[row] = splitOf(clip.set);
    columns.seconds[row] = Number.isNaN(clip.duration) ? 0 : clip.duration;
    columns.sounds[row] = clip.audio === '' ? Number.NaN : hashOf(clip.audio);
    columns.texts[row] = hashOf(all.join('\t'));
    const sentence = sentenceOf(text);
    columns.sentences[row] = isTelling(sentence, language) ? hashOf(`${language}\t${sentence}`) : Number.NaN;
    if (clip.audio === '') this.findings.add(row, 'missing', 'no path in the column audio');
    for (const one of texts) this.#addText(row, clip, one);
    for (const [code] of written.translations) {
      if (translations[code] === undefined) this.#addEmpty(row, this.#coverageOf(language, `text_${code}`));
    }
    if (texts.every(([, , one]) => isEmptyText(one))) {
      this.findings.add(row, 'no-text', text.trim() === '' ? 'no text in any column' : excerpt(text));
    }
    this.#addSpeaker(row, clip);
    this.machineMade.add(clip);
    if (this.audio) return;
    this.#addRecordingTexts(row, clip, columns.sounds[row]!);
    this.#addRate(row, clip, columns.seconds[row]!);
    this.#addLength(row, columns.seconds[row]!);
  }

  #addText(row: number, clip: Clip, [column, code, text]: ColumnText): void {
    const { language, key } = clip;
    const isTranslation = column !== 'text';
    // Older manifests have the transcript in the column of its language.
    if (isTranslation && code === language && text === clip.text) return;
    const coverage = this.#coverageOf(language, column);
    if (isEmptyText(text)) {
      this.#addEmpty(row, coverage);
      return;
    }
    coverage.filled++;
    for (const { kind, found } of textFaults(text, code)) {
      this.findings.add(row, kind, `${column}: ${found} in ${excerpt(text)}`);
    }
    if (isTranslation && !isEmptyText(clip.text)) {
      if (isUntranslated(sentenceOf(clip.text), language, sentenceOf(text), code)) {
        this.findings.add(row, 'untranslated', `${column}: the text in ${language}, ${excerpt(text)}`);
      }
      entryOf(this.#ratios, `${language}\t${code}`, newPairs).add(row, clip.text.length, text.length);
    }
    if (key === '') return;
    const first = this.#otherText(this.#keys, `${key}\t${code}`, text, row);
    if (first === undefined) return;
    const other = `line ${this.table.columns.lines[first]} has another`;
    this.findings.add(row, 'key-texts', `${column} of key ${excerpt(key)}: ${excerpt(text)}; ${other}`);
  }

  #addEmpty(row: number, coverage: Coverage): void {
    coverage.empty++;
    if (coverage.rows.length < LISTED) coverage.rows.push(row);
  }

  #coverageOf(language: string, column: string): Coverage {
    return entryOf(this.#coverage, `${language}\t${column}`, () => ({ filled: 0, empty: 0, rows: [] }));
  }

  /** The first row with something (a key, a recording), where this one is the first with another text for it. */
  #otherText(seen: SeenHashes, name: string, text: string, row: number): number | undefined {
    const first = seen.first(hashOf(name), row);
    const isNew = seen.first(hashOf(`${name}\t${sentenceOf(text)}`), row) === row;
    return first !== row && isNew ? first : undefined;
  }

  #addSpeaker(row: number, clip: Clip): void {
    const split = this.table.columns.splits[row]!;
    const name = speakerOf(clip);
    if (name === undefined || split === 0) return;
    entryOf(this.#speakers, name, () => [])[split] ??= row;
  }

  #addRecordingTexts(row: number, clip: Clip, sound: number): void {
    if (Number.isNaN(sound)) return;
    for (const [column, code, text] of textsOf(clip)) {
      if (isEmptyText(text)) continue;
      const first = this.#otherText(this.#recordings, `${sound}\t${code}`, text, row);
      if (first === undefined) continue;
      const other = `line ${this.table.columns.lines[first]} has another for the same recording`;
      this.findings.add(row, 'recording-texts', `${column}: ${excerpt(text)}; ${other}`);
    }
  }

  #addRate(row: number, { text, language }: Clip, seconds: number): void {
    if (seconds > 0 && !isEmptyText(text))
      entryOf(this.#rates, language, newPairs).add(row, seconds, text.length);
  }

  #addLength(row: number, seconds: number): void {
    if (seconds > TOO_LONG_SECONDS) this.findings.add(row, 'too-long', `${seconds.toFixed(1)} s`);
  }

  /** The second reading: recordings, some at a time, in the order of the rows. */
  async sounds(measured: MeasuredSounds): Promise<void> {
    const update = stageProgress(this.work, 'reading recordings', this.table.count);
    const paths = new SeenHashes();
    const readings: Reading[] = [];
    let row = 0;
    const settle = async (): Promise<void> => {
      const reading = readings.shift()!;
      await this.#addSound(reading);
      update(reading.row + 1);
    };
    try {
      for await (const { clip } of manifestRows(this.manifest, { withoutAudio: true, onBadRow: () => {} })) {
        const first = clip.audio === '' ? row : paths.first(hashOf(clip.audio), row);
        const measures = first === row && clip.audio !== '' ? measured.of(clip.audio) : undefined;
        // Of those that nobody waits for after an error.
        measures?.catch(() => {});
        readings.push({ row, clip, first, measures });
        row++;
        if (readings.length >= measured.atOnce) await settle();
      }
      while (readings.length > 0) await settle();
    } finally {
      await measured.close();
    }
  }

  async #addSound({ row, clip, first, measures }: Reading): Promise<void> {
    if (clip.audio === '') return;
    const { columns } = this.table;
    if (measures === undefined) {
      this.#copySound(row, first);
    } else {
      const found = await measures;
      if ('kind' in found) {
        columns.sounds[row] = Number.NaN;
        this.findings.add(row, found.kind, found.reason.replace(/^found |; expected .*$/gs, ''));
        return;
      }
      columns.seconds[row] = found.seconds;
      columns.sounds[row] = hashOf(found.sound);
      this.#addSoundFaults(row, found);
      if (found.speech > 0) this.#addRate(row, clip, found.speech);
    }
    const seconds = columns.seconds[row]!;
    const wrong = Math.abs(clip.duration - seconds);
    if (wrong > Math.max(DURATION_SECONDS, DURATION_SHARE * seconds)) {
      this.findings.add(row, 'duration', `${clip.duration} s in duration_s of ${seconds.toFixed(2)} s`);
    }
    this.#addRecordingTexts(row, clip, columns.sounds[row]!);
  }

  /** Of a recording that a row before names. */
  #copySound(row: number, first: number): void {
    const { columns } = this.table;
    columns.seconds[row] = columns.seconds[first]!;
    columns.sounds[row] = columns.sounds[first]!;
    for (const kind of SOUND_KINDS) {
      if (this.findings.has(first, kind)) {
        this.findings.add(row, kind, `the recording of line ${columns.lines[first]}`);
      }
    }
  }

  #addSoundFaults(row: number, sound: SoundMeasures): void {
    const add = (kind: FindingKind, found: string): void => this.findings.add(row, kind, found);
    const { seconds, speech, level, loudest, offset, clipped, longestClip, damage } = sound;
    if (damage !== undefined) add('damaged', damage);
    this.#addLength(row, seconds);
    if (seconds < TOO_SHORT_SECONDS) add('too-short', `${seconds.toFixed(2)} s`);
    if (speech === 0 && loudest < SILENT_DB) {
      this.table.columns.sounds[row] = Number.NaN;
      add(
        'silent',
        loudest <= SILENCE_DB ? 'nothing but zeros' : `at most ${loudest.toFixed(0)} dB of full scale`,
      );
      return;
    }
    if (speech === 0) add('no-speech', `no speech in ${seconds.toFixed(1)} s of sound`);
    else if (level < QUIET_DB) add('quiet', `speech at ${level.toFixed(0)} dB of full scale`);
    if (clipped > CLIPPED_SHARE) {
      const share = formatNumber(100 * clipped, 1);
      add('clipped', `${share} % of the samples at full scale, up to ${formatNumber(longestClip)} in a row`);
    }
    if (Math.abs(offset) > OFFSET) {
      add('dc-offset', `a mean of ${formatNumber(100 * offset, 1)} % of full scale`);
    }
  }

  /** What rows say of each other. */
  amongRows(): void {
    for (const [name, { filled, empty, rows }] of this.#coverage) {
      if (filled < NEARLY_ALL * (filled + empty)) continue;
      const [language, column] = name.split('\t');
      for (const row of rows) {
        if (this.findings.has(row, 'no-text')) continue;
        const usual = `a text, as ${formatNumber(filled)} other rows in ${language || 'this language'} have`;
        this.findings.add(row, 'empty-column', `no ${column}`, usual);
      }
    }
    this.#addOutliers();
    this.#addDuplicates();
    this.#addShared('sounds', 'recording-in-sets', 'recording');
    this.#addShared('sentences', 'sentence-in-sets', 'sentence');
    const { lines } = this.table.columns;
    for (const [name, rows] of this.#speakers) {
      const splits = [1, 2, 3].filter((split) => rows[split] !== undefined);
      if (splits.length < 2) continue;
      const places = splits.map((split) => `${SPLITS[split]} (line ${lines[rows[split]!]})`);
      this.findings.add(rows[splits[0]!]!, 'speaker-in-sets', `${excerpt(name)} in ${places.join(' and ')}`);
    }
  }

  #addOutliers(): void {
    for (const [languages, pairs] of this.#ratios) {
      const [from, to] = languages.split('\t');
      const { proportion, pairs: outliers } = pairs.outliers({
        minFactor: RATIO_FACTOR,
        minLength: RATIO_LENGTH,
      });
      for (const { row, x, y } of outliers) {
        if (this.findings.has(row, 'script')) continue;
        this.findings.add(
          row,
          'ratio',
          `text_${to}: ${formatNumber(y)} characters for ${formatNumber(x)} in ${from || 'the text'}`,
          `about ${formatNumber(proportion * x)}, as the others have`,
        );
      }
    }
    for (const [language, pairs] of this.#rates) {
      const { proportion, pairs: outliers } = pairs.outliers({ minFactor: RATE_FACTOR });
      const usual = `about ${formatNumber(proportion, 1)}, as the others in ${language || 'this language'} have`;
      for (const { row, x, y } of outliers) {
        const words = `${formatNumber(y)} characters in ${x.toFixed(1)} s of speech`;
        this.findings.add(row, 'rate', `${formatNumber(y / x, 1)} characters a second: ${words}`, usual);
      }
    }
  }

  #addDuplicates(): void {
    const { count, columns } = this.table;
    const seen = new SeenHashes();
    for (let row = 0; row < count; row++) {
      const sound = columns.sounds[row]!;
      if (Number.isNaN(sound)) continue;
      const first = seen.first(hashOf(`${sound} ${columns.texts[row]}`), row);
      if (first !== row) {
        this.findings.add(row, 'duplicate', `the recording and texts of line ${columns.lines[first]}`);
      }
    }
  }

  /** What a row shares with one of a set that is tested later: the row that is trained on is the one at fault. */
  #addShared(column: 'sounds' | 'sentences', kind: FindingKind, what: string): void {
    const { count, columns } = this.table;
    const values = columns[column];
    const held = new SeenHashes();
    for (const split of [3, 2, 1]) {
      for (let row = 0; row < count; row++) {
        if (columns.splits[row] !== split || Number.isNaN(values[row]!)) continue;
        const other = held.get(values[row]!);
        if (other === undefined || columns.splits[other] === split) continue;
        if (kind === 'sentence-in-sets' && this.findings.has(row, 'recording-in-sets')) continue;
        const set = SPLITS[columns.splits[other]!];
        this.findings.add(row, kind, `the ${what} of line ${columns.lines[other]}, in ${set}`);
      }
      for (let row = 0; row < count; row++) {
        if (columns.splits[row] === split && !Number.isNaN(values[row]!)) held.first(values[row]!, row);
      }
    }
  }
}

const newPairs = (): LengthPairs => new LengthPairs();

const excerpt = (text: string): string => excerptOf(text, 60);
