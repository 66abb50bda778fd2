/** `whisper-transfer transcribe` and `translate`: audio files to text. */
import { type Command, Option } from 'commander';
import {
  formatTranscript,
  outputPaths,
  TRANSCRIPT_FORMATS,
  type TranscriptFormat,
  writeTranscript,
} from '../decoding/formats/transcript-formats.ts';
import type { TranscribeFilesOptions } from '../decoding/transcribe-files.ts';
import type { TranslateOptions } from '../decoding/transcribe-options.ts';
import type { FailedTranscript, Transcript } from '../decoding/transcript.ts';
import { UserError } from '../errors.ts';
import type { Task } from '../whisper/tokens.ts';
import { addDecodingOptions, type DecodingFlags, decodingChoice } from './decoding-options.ts';
import {
  checkedLanguage,
  failedFiles,
  modelOption,
  positiveInteger,
  threadsOption,
  windowOption,
} from './options.ts';
import { addPromptOptions } from './prompt-options.ts';
import { showWork } from './show-work.ts';

interface Flags
  extends DecodingFlags,
    Omit<TranslateOptions, keyof DecodingFlags | 'onProgress' | 'onNote' | 'signal'> {
  model: string;
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
        '\n  $ whisper-transfer transcribe interviews/ --beam 5 --word-timestamps --format srt,vtt --output subtitles',
    )
    .action((paths: string[], flags: Flags) => run(paths, flags, 'transcribe'));
}

export function translateCommand(command: Command): Command {
  return withCommonOptions(command)
    .option(
      '--to <language>',
      'language to translate into, such as de; default: the one that the model was trained for, else en',
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer translate talk.ogg --from fr --model out/demo/model',
    )
    .action((paths: string[], flags: Flags) => run(paths, flags, 'translate'));
}

function withCommonOptions(command: Command): Command {
  command
    .argument(
      '<audio...>',
      'audio files (WAV, FLAC, Ogg, MP3), folders, manifests (.tsv, .jsonl), or - for a list of paths on standard input',
    )
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--from <language>', 'spoken language, such as en; default: detected for each file')
    .addOption(windowOption())
    .option(
      '--timestamps',
      'decode timestamps of segments; always on for audio longer than 30 s and for subtitles',
    )
    .option('--word-timestamps', 'compute the start and end of each word')
    .option('--condition-on-previous', 'long audio: prompt each window with the text of those before it')
    .option('--skip-silence', 'skip stretches without speech (Silero VAD)')
    .option('--alternatives', 'with --json: also the other hypotheses of the beam search');
  addPromptOptions(command);
  addDecodingOptions(command);
  return command
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

const SUBTITLES: readonly TranscriptFormat[] = ['srt', 'vtt', 'tsv'];

async function run(paths: readonly string[], flags: Flags, task: Task): Promise<void> {
  const { format } = flags;
  const output = flags.output ?? flags.outputDir;
  if (flags.resume && !flags.results) throw new UserError('--resume: expected --results <file> to resume');
  if (output && !format) throw new UserError('--output: expected --format with it');
  const { audioInputsOrErrors } = await import('../data/audio-inputs.ts');
  const { ResultsFile } = await import('../decoding/results-file.ts');
  const { resumeTranscripts } = await import('../decoding/resume-transcripts.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  const inputs = await audioInputsOrErrors(paths);
  const audio = inputs.map((input) => input.audio);
  const outputs = output ? outputPaths(audio, output) : undefined;
  const work = showWork();
  let failed = 0;
  await withModel(WhisperModel.load(flags.model), async (model) => {
    // Before the results file is opened.
    checkedLanguage(model, flags.from);
    const results = flags.results
      ? await ResultsFile.open(flags.results, settingsOf(flags, task), Boolean(flags.resume))
      : undefined;
    const stage = task === 'translate' ? 'translating' : 'transcribing';
    const total = inputs.length;
    const progress = (done: number, resumed: number): void => {
      if (total > 3) work.onProgress({ stage, done, total, resumed });
    };
    const options = { ...transcribeOptions(flags, task), onNote: work.onNote };
    let i = 0;
    for await (const result of resumeTranscripts(model, inputs, options, results, progress)) {
      if ('error' in result) failed++;
      else if (outputs) await writeTranscript(result, outputs[i]!, format!, flags);
      print(result, flags);
      i++;
    }
    work.end();
  });
  failedFiles(failed, inputs.length);
}

function transcribeOptions(flags: Flags, task: Task): TranscribeFilesOptions {
  const subtitles = flags.format?.some((format) => SUBTITLES.includes(format));
  return {
    ...decodingChoice(flags),
    task,
    words: flags.wordTimestamps,
    ...((flags.timestamps || subtitles) && { timestamps: true }),
  };
}

/** Settings that results depend on: a results file of other settings is not resumed. */
function settingsOf(flags: Flags, task: Task): Record<string, string | number | boolean> {
  const { results: _, threads, resume, json, format, output, outputDir, alternatives, ...settings } = flags;
  return Object.fromEntries([
    ['task', task],
    ...Object.entries(settings).map(([name, value]) => [name, Array.isArray(value) ? value.join() : value]),
  ]);
}

function print(
  result: Transcript | FailedTranscript,
  { json, format, output, outputDir, alternatives, ...layout }: Flags,
): void {
  if ('error' in result) {
    if (json) console.log(JSON.stringify(result));
    else process.stderr.write(`${result.error}\n`);
    return;
  }
  if (json) {
    const { alternatives: found, ...rest } = result;
    console.log(JSON.stringify(alternatives ? { ...rest, alternatives: found ?? [] } : rest));
  } else if (output ?? outputDir) return;
  else if (format) for (const name of format) process.stdout.write(formatTranscript(result, name, layout));
  else console.log(`${result.audio}\t${result.language}\t${result.text}`);
}
