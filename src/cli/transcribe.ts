/** `whisper-transfer transcribe` and `translate`: audio files to text. */
import { Command } from 'commander';
import { transcribeFiles } from '../decoding/transcribe-files.ts';
import type { FailedTranscript, Transcript } from '../decoding/transcript.ts';
import { startProgress } from '../report/progress.ts';
import { type WhisperModel as Model, WhisperModel, type Window } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { checkedLanguage, failedFiles, modelOption, windowOption, withModel } from './options.ts';

interface Options {
  model: string;
  window: Window;
  from?: string;
  to?: string;
  json?: boolean;
}

export function transcribeCommand(): Command {
  return withCommonOptions(new Command('transcribe'))
    .description('write down what is said, in the language in which it is said')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer transcribe samples/gcompris/fr/*.opus --from fr --json',
    )
    .action((files: string[], options: Options) =>
      run(files, options, (model) => (language) => model.tokens.prompt(language, 'transcribe')),
    );
}

export function translateCommand(): Command {
  return withCommonOptions(new Command('translate'))
    .description('translate speech: into English, or into the language that the model was trained for')
    .option('--to <language>', 'target language; default: what the model was trained for, else en')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer translate talk.ogg --from fr --model out/demo/model',
    )
    .action((files: string[], options: Options) =>
      run(files, options, (model) => translationPrompt(model, options.to)),
    );
}

function withCommonOptions(command: Command): Command {
  return command
    .argument('<audio...>', 'audio files: WAV, FLAC, Ogg (Vorbis, Opus), MP3')
    .addOption(modelOption())
    .option('--from <language>', 'language that is spoken, such as en; default: detected for each file')
    .addOption(windowOption())
    .option('--json', 'print one JSON object a line, in the order given');
}

/**
 * Into English it is Whisper's own task. Into another language the model must have been trained for it, and its
 * generation config says with which prompt.
 */
function translationPrompt(model: Model, to: string | undefined): (language: string) => number[] {
  const { language: trained, task } = model.settings.generationConfig;
  const trainedFor = typeof trained === 'string' ? trained.replace(/^<\|(.*)\|>$/, '$1') : undefined;
  const target = to ?? trainedFor ?? 'en';
  if (target === 'en') return (language) => model.tokens.prompt(language, 'translate');
  const trainedTask: Task = target === trainedFor && task === 'translate' ? 'translate' : 'transcribe';
  const prompt = model.tokens.prompt(target, trainedTask);
  if (target !== trainedFor) {
    process.stderr.write(
      `note: this model was not trained to translate into "${target}": expect little of it\n`,
    );
  }
  return () => prompt;
}

async function run(
  files: readonly string[],
  { model: directory, window, from, json }: Options,
  promptOf: (model: Model) => (language: string) => readonly number[],
): Promise<void> {
  let failed = 0;
  await withModel(WhisperModel.load(directory), async (model) => {
    checkedLanguage(model, from);
    const options = { prompt: promptOf(model), window };
    const progress = startProgress('decoding', files.length, { quiet: files.length < 4 });
    for await (const result of transcribeFiles(
      model,
      files.map((audio) => ({ audio, language: from })),
      {
        ...options,
        onProgress: (done) => progress.update(done),
      },
    )) {
      if ('error' in result) failed++;
      print(result, Boolean(json));
    }
    progress.done();
  });
  failedFiles(failed, files.length);
}

function print(result: Transcript | FailedTranscript, json: boolean): void {
  if (json) console.log(JSON.stringify(result));
  else if ('error' in result) process.stderr.write(`${result.error}\n`);
  else console.log(`${result.audio}\t${result.language}\t${result.text}`);
}
