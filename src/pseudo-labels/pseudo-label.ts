/** Translates the transcripts of a manifest by a service, and writes the manifest with them, marked as made by a machine. */
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { writeManifest } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { lockFile } from '../files/lock.ts';
import { otherLine, ResumableLines } from '../files/resumable-lines.ts';
import { checkWritable, inPieces, removeFile, writeWhole } from '../files/write-whole.ts';
import { loadIdentifier } from '../language/identify.ts';
import { isLanguage, languageProfile } from '../language/profile.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type Budget, totalUsage } from './budget.ts';
import type { Fault } from './check-answer.ts';
import type { TranslationEngine, Usage } from './engine.ts';
import { eachOnce, type Sentence, sentenceKey, sentencesOf } from './sentence.ts';
import {
  type AnsweredSentence,
  isOpen,
  type Judged,
  judge,
  type TranslateOptions,
  translateSentences,
} from './translate-sentences.ts';

/** What is to be asked, told before it is. */
export interface Plan {
  readonly rows: number;
  /** Rows that have a translation already. */
  readonly translated: number;
  /** Rows without a transcript. */
  readonly withoutText: number;
  /** Different sentences of the other rows. */
  readonly sentences: number;
  /** Those of them with an answer from an earlier run. */
  readonly kept: number;
  /** Characters of the sentences that are asked for. */
  readonly characters: number;
  /** Estimate, in the engine's unit. */
  readonly usage: Usage;
}

export interface PseudoLabelOptions
  extends WorkOptions,
    Pick<
      TranslateOptions,
      'target' | 'batchSize' | 'concurrency' | 'accepted' | 'countTokens' | 'onRequest'
    > {
  readonly engine: TranslationEngine;
  readonly context: number;
  /** Folder of kept answers. */
  readonly cache: string;
  readonly budget: Budget;
  /** Told before the first request; false ends the run, with nothing asked or written. */
  readonly begin: (plan: Plan) => Promise<boolean>;
}

export interface PseudoLabelled {
  readonly plan: Plan;
  /** Rows that got a translation. */
  readonly labelled: number;
  /** Rows whose sentence has no good translation, by fault. */
  readonly leftOut: Readonly<Partial<Record<Fault, number>>>;
  /** Their list; undefined: there are none. */
  readonly report: string | undefined;
  /** Rows whose sentence was not answered: the requests failed, or the budget ended. */
  readonly unanswered: number;
  readonly stopped: boolean;
}

const EXPECTED = 'an answer of an earlier pseudo-label';

/** Name of the column that says who made the texts of `text_<target>`. */
const pseudoColumn = (target: string): string => `pseudo_${languageProfile(target).code}`;

/**
 * @param manifest with transcripts
 * @param output the manifest to write (.tsv)
 * @returns undefined where `begin` ended the run
 * @throws UserError for a manifest without transcripts; where every request fails: answers are kept
 */
export function pseudoLabel(
  manifest: string,
  output: string,
  options: PseudoLabelOptions,
): Promise<PseudoLabelled | undefined> {
  return abortable(options.signal, () => label(manifest, output, options));
}

async function label(
  manifest: string,
  output: string,
  options: PseudoLabelOptions,
): Promise<PseudoLabelled | undefined> {
  const { engine, target, context, accepted = [], signal, onProgress } = options;
  if (!isLanguage(target)) throw new UserError(`--to: found ${JSON.stringify(target)}; expected a language`);
  if (!output.toLowerCase().endsWith('.tsv'))
    throw new UserError(`${output}: expected a name that ends in .tsv, as manifests are written`);
  await checkWritable(output);
  const clips = await readManifest(manifest);
  const sentences = sentencesOf(clips, target, context);
  checkTranscripts(manifest, clips);
  const file = join(
    options.cache,
    `${safeName(engine.name)}-${languageProfile(target).code}-${engine.identity}.jsonl`,
  );
  const work = async (): Promise<PseudoLabelled | undefined> => {
    const lines = await openAnswers(file);
    const answered = (key: string): readonly string[] => lines.get(key)?.answers ?? [];
    await loadIdentifier(target);
    /** By key: clips with the same sentence get the same translation. */
    const judged = new Map<string, Judged | undefined>();
    /** @returns whether it is to be asked for */
    const judgeKept = (sentence: Sentence): boolean => {
      const key = sentenceKey(sentence);
      const answers = answered(key);
      const one = judge(sentence, answers, target, accepted);
      judged.set(key, one);
      return isOpen(one, answers);
    };
    const once = eachOnce(sentences);
    const pending = once.filter(judgeKept);
    const plan: Plan = {
      rows: clips.length,
      translated: clips.filter(({ text }, i) => !sentences[i] && text.trim() !== '').length,
      withoutText: clips.filter(({ text }) => text.trim() === '').length,
      sentences: once.length,
      kept: once.length - pending.length,
      characters: pending.reduce((sum, { text }) => sum + text.length, 0),
      usage: totalUsage(engine, pending, options.batchSize, options.countTokens),
    };
    if (!(await options.begin(plan))) return undefined;
    if (pending.length > 0)
      await engine.prepare?.([...new Set(pending.map(({ language }) => language))], signal);
    /** Also those that an earlier run left with a doubtful answer; one that is asked for again counts once. */
    const asked = new Set<string>();
    const report = () =>
      onProgress?.({
        stage: 'translating',
        done: plan.kept + asked.size,
        total: once.length,
        resumed: plan.kept,
      });
    if (pending.length > 0) report();
    // Writes follow one another; requests do not.
    let writing: Promise<void> = Promise.resolve();
    const { stopped } = await translateSentences(engine, pending, {
      ...options,
      answered,
      keep: (records) => {
        writing = writing.then(() => lines.addAll(records));
        return writing.then(() => {
          for (const { key } of records) asked.add(key);
          if (!signal?.aborted) report();
        });
      },
    });
    for (const sentence of pending) judgeKept(sentence);
    const rows = sentences.map((sentence) => sentence && judged.get(sentenceKey(sentence)));
    return {
      plan,
      stopped,
      ...(await write(output, clips, { rows, target, name: engine.name })),
      unanswered: rows.filter((row, i) => sentences[i] && !row).length,
    };
  };
  return lockFile(file, work, options);
}

function checkTranscripts(manifest: string, clips: readonly Clip[]): void {
  if (clips.some(({ text }) => text.trim() !== '')) return;
  throw new UserError(
    `${manifest}: found no transcript ("text") in its ${clips.length} rows; expected what is said, to translate it: ` +
      '`whisper-transfer transcribe` writes it',
  );
}

const openAnswers = (file: string): Promise<ResumableLines<AnsweredSentence>> =>
  ResumableLines.open<AnsweredSentence>(file, {
    resume: true,
    start: '{"key":"',
    expected: EXPECTED,
    keyOf: ({ key }) => key,
    keep: ({ answers }, where) => {
      if (!Array.isArray(answers) || answers.some((one) => typeof one !== 'string'))
        throw otherLine(where, JSON.stringify(answers) ?? '', EXPECTED);
      return answers.length > 0;
    },
  });

/** A model's name, such as `org/model:7b`, as a part of a file's. */
const safeName = (name: string): string => name.replace(/[^\w.-]+/g, '-').slice(0, 60);

async function write(
  output: string,
  clips: readonly Clip[],
  { rows, target, name }: { rows: readonly (Judged | undefined)[]; target: string; name: string },
): Promise<Pick<PseudoLabelled, 'labelled' | 'leftOut' | 'report'>> {
  const { code } = languageProfile(target);
  let labelled = 0;
  const leftOut: Partial<Record<Fault, number>> = {};
  const lines: string[][] = [];
  const written = clips.map((clip, i) => {
    const row = rows[i];
    if (!row) return clip;
    if (row.fault !== undefined) {
      leftOut[row.fault] = (leftOut[row.fault] ?? 0) + 1;
      lines.push([clip.audio, row.fault, clip.text, row.answer]);
      return clip;
    }
    labelled++;
    return {
      ...clip,
      translations: { ...clip.translations, [code]: row.text },
      other: { ...clip.other, [pseudoColumn(target)]: name },
    };
  });
  await writeManifest(output, written);
  const report = output.replace(/\.tsv$/i, '.left-out.tsv');
  if (lines.length === 0) {
    await removeFile(report);
    return { labelled, leftOut, report: undefined };
  }
  const cell = (text: string): string => text.replace(/\s+/g, ' ').trim();
  const all = [['audio', 'reason', 'text', 'answer'], ...lines];
  await writeWhole(
    report,
    inPieces(all, (line) => `${line.map(cell).join('\t')}\n`),
  );
  return { labelled, leftOut, report };
}
