/** `whisper-transfer transcribe` and `translate`: audio files to text. */
import { type Command, Option } from 'commander';
import { abortable } from '../abort.ts';
import {
  outputPaths,
  TRANSCRIPT_FORMATS,
  type TranscriptFormat,
  writeTranscript,
} from '../decoding/formats/transcript-formats.ts';
import type { ResultsFile as ResultsFileType } from '../decoding/results-file.ts';
import type { InputToTranscribe, ResumeOptions, Transcriber } from '../decoding/resume-transcripts.ts';
import type { TranscribeFilesOptions } from '../decoding/transcribe-files.ts';
import type { AudioProgress, TranslateOptions } from '../decoding/transcribe-options.ts';
import type { FailedTranscript, Transcript } from '../decoding/transcript.ts';
import { UserError } from '../errors.ts';
import { formatClock } from '../report/format.ts';
import { formatSpeed } from '../report/progress.ts';
import type { Compute } from '../whisper/compute.ts';
import type { Task } from '../whisper/tokens.ts';
import { addClusterOptions, type ClusterFlags, clusterOf } from './cluster-options.ts';
import { addDecodingOptions, type DecodingFlags, decodingChoice } from './decoding-options.ts';
import { stoppedAt } from './interrupt.ts';
import {
  checkedLanguage,
  computeOption,
  deviceOption,
  failedFiles,
  modelOption,
  positiveInteger,
  spokenLanguage,
  threadsOption,
  windowOption,
  writtenLanguage,
} from './options.ts';
import { transcriptPrinter } from './print-transcripts.ts';
import { addPromptOptions } from './prompt-options.ts';
import { type ShownWork, showWork } from './show-work.ts';

interface Flags
  extends DecodingFlags,
    ClusterFlags,
    Omit<TranslateOptions, keyof DecodingFlags | 'onProgress' | 'onNote' | 'signal'> {
  model: string;
  compute: Compute;
  wordTimestamps?: boolean;
  alternatives?: boolean;
  format?: TranscriptFormat[];
  output?: string;
  outputDir?: string;
  maxLineWidth?: number;
  maxLineCount?: number;
  highlightWords?: boolean;
  results?: string;
  resume?: boolean;
  json?: boolean;
}

export function transcribeCommand(command: Command): Command {
  return withCommonOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer transcribe samples/gcompris/fr/*.opus --from fr --json' +
        '\n  $ whisper-transfer transcribe interviews/ --beam 5 --word-timestamps --format srt,vtt --output subtitles' +
        '\n  $ whisper-transfer transcribe lecture.mp3 --compute int8 --beam 5 --format srt --output subtitles',
    )
    .action((paths: string[], flags: Flags) => run(paths, flags, 'transcribe'));
}

export function translateCommand(command: Command): Command {
  return withCommonOptions(command)
    .option(
      '--to <language>',
      'language to translate into, such as de; default: the one that the model was trained for, else en',
      writtenLanguage,
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer translate talk.ogg --from fr --model out/demo/model' +
        '\n  $ whisper-transfer translate lecture.mp3 --from fr --format srt --output subtitles',
    )
    .action((paths: string[], flags: Flags) => run(paths, flags, 'translate'));
}

function withCommonOptions(command: Command): Command {
  command
    .argument(
      '<audio...>',
      'audio or video files, folders, archives (.tar, .tar.gz), Parquet tables, manifests (.tsv, .csv, .jsonl), or - for a list of paths on standard input',
    )
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(computeOption())
    .addOption(deviceOption())
    .option(
      '--from <language>',
      'spoken language, such as en, pt-BR or French; default: detected where somebody first speaks in each file',
      spokenLanguage,
    )
    .option(
      '--language-per-window',
      'detect the language of each window of up to 15 s, for recordings that change it',
    )
    .addOption(windowOption())
    .option('--clip <range>', 'only this part, such as 10:00-20:00, 90-120.5 (seconds) or 1:10:00-', clipOf)
    .addOption(
      new Option('--channels <how>', 'mix, or separate: a transcript of each channel, merged by time')
        .choices(['mix', 'separate'])
        .default('mix'),
    )
    .option(
      '--timestamps',
      'decode timestamps of segments; always on for more than 30 s of speech and for subtitles',
    )
    .option('--word-timestamps', 'compute the start and end of each word')
    .option(
      '--speakers [n]',
      'find who speaks, and label segments, words and subtitles; n: how many, where it is known',
      speakersOf,
    )
    .option(
      '--speaker-model <dir>',
      'with --speakers: folder that "speaker train" wrote with this --model; default: embeddings of its own',
    )
    .option('--condition-on-previous', 'long audio: prompt each window with the text of those before it')
    .option(
      '--batched',
      'long audio: cut it in its pauses into pieces, many of which are decoded at once; the default, but with --window full or --condition-on-previous',
    )
    .option('--no-batched', 'long audio: windows of 30 s, each from where the one before ended; slower')
    .option('--skip-silence', 'skip stretches without speech (Silero VAD)')
    .option('--alternatives', 'with --json: also the other hypotheses of the beam search');
  addPromptOptions(command);
  addDecodingOptions(command);
  return addClusterOptions(command)
    .addOption(
      new Option('--format <list>', `output formats, any of ${TRANSCRIPT_FORMATS.join(', ')}`).argParser(
        (value: string) => {
          const list = value.split(',') as TranscriptFormat[];
          const unknown = list.find((format) => !TRANSCRIPT_FORMATS.includes(format));
          if (unknown !== undefined) {
            throw new UserError(
              `--format: found "${unknown}"; expected any of ${TRANSCRIPT_FORMATS.join(', ')}`,
            );
          }
          return list;
        },
      ),
    )
    .option('--output <dir>', 'with --format: folder for the files, one for each audio file and format')
    .addOption(new Option('--output-dir <dir>').hideHelp())
    .option(
      '--max-line-width <n>',
      'subtitles: largest number of characters in a line (with --word-timestamps)',
      positiveInteger,
    )
    .option(
      '--max-line-count <n>',
      'subtitles: largest number of lines at a time (with --word-timestamps)',
      positiveInteger,
    )
    .option('--highlight-words', 'subtitles: underline each word while it is spoken (with --word-timestamps)')
    .option('--results <file>', 'also write each result to this file as it comes, one JSON object a line')
    .option('--resume', 'with --results: keep the results in the file and process only the other files')
    .option('--json', 'print one JSON object a line, in the order given');
}

/** Flags that change no result: where it is computed, where it goes, and in which form. */
const NOT_COMPUTED = [
  ...(['threads', 'device', 'redis', 'store', 'progress'] as const),
  ...(['format', 'output', 'outputDir', 'results', 'resume', 'json', 'alternatives'] as const),
  ...(['maxLineWidth', 'maxLineCount', 'highlightWords'] as const),
] satisfies readonly (keyof Flags)[];

/** Audio that takes long enough for a line of progress. */
const WORTH_A_LINE_SECONDS = 60;

const SUBTITLES: readonly TranscriptFormat[] = ['srt', 'vtt', 'tsv'];

async function run(paths: readonly string[], flags: Flags, task: Task): Promise<void> {
  const { format, results: resultsPath } = flags;
  const output = flags.output ?? flags.outputDir;
  if (flags.from !== undefined && flags.languagePerWindow)
    throw new UserError(
      `--language-per-window: found --from ${flags.from} with it; expected one or the other`,
    );
  if (flags.resume && !resultsPath) throw new UserError('--resume: expected --results <file> to resume');
  if (flags.speakerModel !== undefined && !flags.speakers)
    throw new UserError('--speaker-model: expected --speakers with it');
  if (format?.includes('rttm') && !flags.speakers)
    throw new UserError('--format rttm: expected --speakers with it: the format says who speaks when');
  if (output && !format) throw new UserError('--output: expected --format with it');
  const { audioInputsOrErrors } = await import('../data/audio-inputs.ts');
  const { lockFile } = await import('../files/lock.ts');
  const { checkWritable, createFolder, removeEmpty } = await import('../files/write-whole.ts');
  const work = showWork();
  const inputs = await audioInputsOrErrors(paths, { onNote: work.onNote });
  const outputs = output
    ? outputPaths(
        inputs.map((input) => input.audio),
        output,
      )
    : undefined;
  // Before the model is loaded and the work begins.
  if (resultsPath) await checkWritable(resultsPath);
  const created = output ? await createFolder(output) : undefined;
  const done: Done = { files: 0, failed: 0, audio: undefined };
  const all = () => abortable(work.signal, () => transcribeInputs(inputs, outputs, flags, task, work, done));
  try {
    await (resultsPath ? lockFile(resultsPath, all, work) : all());
  } catch (error) {
    if (!work.signal.aborted || error !== work.signal.reason) throw error;
    throw stoppedAt(work.signal, stopped(done, inputs.length, resultsPath));
  } finally {
    if (output) removeEmpty(output, created);
  }
  failedFiles(done.failed, inputs.length);
}

interface Done {
  files: number;
  failed: number;
  audio: AudioProgress | undefined;
}

function stopped({ files, audio }: Done, of: number, results: string | undefined): string {
  const where =
    of === 1 && audio
      ? `at ${formatClock(audio.done)} of ${formatClock(audio.total)}`
      : `after ${files} of ${of} files`;
  return `stopped ${where}; ${results ? '--resume continues' : '--results <file> keeps what is done, so that --resume continues'}`;
}

async function transcribeInputs(
  inputs: readonly InputToTranscribe[],
  outputs: readonly string[] | undefined,
  flags: Flags,
  task: Task,
  work: ShownWork,
  done: Done,
): Promise<void> {
  const { ResultsFile } = await import('../decoding/results-file.ts');
  const { resumeTranscripts, transcriber } = await import('../decoding/resume-transcripts.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  const cluster = clusterOf(flags, work);
  const { json, alternatives, format } = flags;
  const printer = transcriptPrinter({
    ...{ json, alternatives, format, layout: flags, toFiles: outputs !== undefined },
  });
  const openResults = async () =>
    flags.results
      ? ResultsFile.open(flags.results, settingsOf(flags, task), Boolean(flags.resume))
      : undefined;
  const write = async (transcribe: Transcriber, results: ResultsFileType | undefined): Promise<void> => {
    let i = 0;
    for await (const result of resumeTranscripts(transcribe, inputs, flags.from, results)) {
      const written = outputs ? await writtenOrError(result, outputs[i]!, flags) : result;
      if ('error' in written) done.failed++;
      work.clear();
      printer.print(written);
      done.files = ++i;
    }
    work.end();
  };
  const load = () => WhisperModel.load(flags.model, { compute: flags.compute });
  if (cluster) {
    const { checkPlan } = await import('../decoding/plan.ts');
    const { transcribeOnWorkers } = await import('../cluster/transcribe.ts');
    const transcribe = transcribeOptions(flags, task);
    // What does not fit the model is said here, and not by each worker.
    await withModel(load(), async (loaded) => {
      checkedLanguage(loaded, flags.from);
      await checkPlan(loaded, transcribe);
    });
    const job = { model: flags.model, compute: flags.compute, transcribe };
    await write(
      (recordings) => transcribeOnWorkers(cluster, job, [...recordings], work),
      await openResults(),
    );
    return;
  }
  await withModel(load(), async (model) => {
    // Before the results file is opened.
    checkedLanguage(model, flags.from);
    const results = await openResults();
    const options: ResumeOptions = {
      ...transcribeOptions(flags, task),
      signal: work.signal,
      onNote: work.onNote,
      onProgress: audioProgress(task, inputs.length, work, done),
      onRead: (audio, seconds, stage) => {
        if (seconds < WORTH_A_LINE_SECONDS) return;
        const what = stage === 'reading' ? 'reading' : 'finding speakers in';
        work.onProgress({ stage: `${what} ${String(audio)}`, done: seconds, total: 0, unit: 'audio' });
      },
      onSegment:
        printer.onSegment &&
        ((segment, recording) => {
          work.clear();
          printer.onSegment!(segment, recording);
        }),
    };
    await write(transcriber(model, inputs, options, results), results);
  });
}

/** The result once its files are written; a place that cannot be written is the error of this recording alone. */
async function writtenOrError(
  result: Transcript | FailedTranscript,
  path: string,
  flags: Flags,
): Promise<Transcript | FailedTranscript> {
  if ('error' in result) return result;
  try {
    await writeTranscript(result, path, flags.format!, flags);
    return result;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { audio: result.audio, error: error.message };
  }
}

/** Progress of one recording in its time, of several by their number; of a little audio it is not worth a line. */
function audioProgress(task: Task, total: number, work: ShownWork, done: Done): ResumeOptions['onProgress'] {
  const stage = task === 'translate' ? 'translating' : 'transcribing';
  let begun: { readonly time: number; readonly seconds: number } | undefined;
  return (files, resumed, audio) => {
    done.audio = audio;
    begun ??= { time: performance.now(), seconds: audio.done };
    if (total === 1) {
      if (audio.total < WORTH_A_LINE_SECONDS) return;
      work.onProgress({ stage, ...audio, resumed: begun.seconds, unit: 'audio' });
      return;
    }
    if (total <= 3 && audio.total < WORTH_A_LINE_SECONDS) return;
    const rate = (audio.done - begun.seconds) / ((performance.now() - begun.time) / 1000);
    const speed = rate > 0 && Number.isFinite(rate) ? `, ${formatSpeed(rate)}` : '';
    const note = `${formatClock(audio.done)} of audio${speed}`;
    work.onProgress({ stage, done: files, total, resumed, note });
  };
}

/** The number after --speakers: a file's name lands here, too, where it follows the flag. */
function speakersOf(value: string): number {
  const count = Number(value);
  if (Number.isInteger(count) && count > 0) return count;
  throw new UserError(
    `--speakers: found "${value}"; expected how many speak, or nothing: then files go before --speakers`,
  );
}

/** `10:00-20:00` in seconds; either end may be left out. */
export function clipOf(value: string): { readonly from: number; readonly to?: number } {
  const [, from, to] = /^([\d:.]*)\s*-\s*([\d:.]*)$/.exec(value.trim()) ?? [];
  const clip = { from: from ? secondsOf(from) : 0, ...(to && { to: secondsOf(to) }) };
  if ((from || to) && clip.from < (clip.to ?? Number.POSITIVE_INFINITY)) return clip;
  throw new UserError(`--clip: found "${value}"; expected a part such as 10:00-20:00, 90-120.5 or 1:10:00-`);
}

/** Seconds of `90.5`, `1:30` or `1:10:00`; NaN for another text. */
function secondsOf(clock: string): number {
  if (!/^(\d+:){0,2}\d+(\.\d*)?$/.test(clock)) return Number.NaN;
  return clock.split(':').reduce((sum, part) => 60 * sum + Number(part), 0);
}

function transcribeOptions(flags: Flags, task: Task): TranscribeFilesOptions {
  const { model, compute, wordTimestamps, ...options } = computedFlags(flags);
  const subtitles = flags.format?.some((format) => SUBTITLES.includes(format));
  return {
    ...decodingChoice(options),
    task,
    words: wordTimestamps,
    ...((flags.timestamps || subtitles) && { timestamps: true }),
  };
}

function computedFlags(flags: Flags): Omit<Flags, (typeof NOT_COMPUTED)[number]> {
  const left = { ...flags };
  for (const name of NOT_COMPUTED) delete left[name];
  return left;
}

/** Settings that results depend on: a results file of other settings is not resumed. */
function settingsOf(flags: Flags, task: Task): Record<string, string | number | boolean> {
  const { clip, compute, ...settings } = computedFlags(flags);
  return Object.fromEntries([
    ['task', task],
    ...Object.entries(settings).map(([name, value]) => [name, Array.isArray(value) ? value.join() : value]),
    // Files from before there was a choice are float32's.
    ...(compute === 'float32' ? [] : [['compute', compute]]),
    ...(clip ? [['clip', `${clip.from}-${clip.to ?? ''}`]] : []),
  ]);
}
