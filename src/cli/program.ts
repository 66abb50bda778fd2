/** The command line: commands by name. Each is a file of its own, loaded when it is called: their libraries take a second. */
import { Command, CommanderError } from 'commander';
import { archives } from '../audio/gunzipped.ts';
import { UserError } from '../errors.ts';
import { systemErrorLine } from '../files/system-error.ts';
import { packageVersion } from '../report/package-version.ts';
import { ExitStatus } from './exit-status.ts';
import { Interrupted } from './interrupt.ts';

/** Adds options and action to a command that has its name and description. */
type Define = (command: Command) => Command;

const COMMANDS: readonly [name: string, description: string, load: () => Promise<Define>][] = [
  [
    'demo',
    'run the whole experiment on sample recordings: cross-lingual retrieval, training on English speech with Chinese ' +
      'texts, and translation of other languages before and after',
    async () => (await import('./demo.ts')).demoCommand,
  ],
  [
    'transcribe',
    'transcribe speech in its own language',
    async () => (await import('./transcribe.ts')).transcribeCommand,
  ],
  [
    'translate',
    'translate speech into English, or into the language that the model was trained for',
    async () => (await import('./transcribe.ts')).translateCommand,
  ],
  [
    'serve',
    "serve models over HTTP, with OpenAI's audio API",
    async () => (await import('./serve.ts')).serveCommand,
  ],
  [
    'live',
    'write the text of speech while it is spoken: of a file, by the clock, or of standard input',
    async () => (await import('./live.ts')).liveCommand,
  ],
  [
    'latency',
    'measure how far a live text is behind the speech: AL, LAAL, AP, DAL and YAAL of a log',
    async () => (await import('./latency.ts')).latencyCommand,
  ],
  [
    'segment',
    'cut long recordings into clips by their subtitles or annotations: rows of a manifest that point into them',
    async () => (await import('./segment.ts')).segmentCommand,
  ],
  [
    'encode',
    'encode the clips of a manifest into a cache that later runs read; an interrupted run resumes where it stopped',
    async () => (await import('./encode.ts')).encodeCommand,
  ],
  [
    'worker',
    'take part in the work of encode, transcribe and translate that other machines run with --redis',
    async () => (await import('./worker.ts')).workerCommand,
  ],
  [
    'retrieve',
    'speech-to-speech retrieval: find the translation of each utterance by encoder outputs alone, and report recall',
    async () => (await import('./retrieve.ts')).retrieveCommand,
  ],
  [
    'analyse',
    'analyse whether languages share a space in the encoder, at which layer, and by sound or by meaning: a page with ' +
      'tables, figures and players; each figure also as .svg and .csv',
    async () => (await import('./analyse.ts')).analyseCommand,
  ],
  [
    'train',
    'fine-tune a model on speech with translations, by a recipe or by flags; by default only the decoder, with the ' +
      'encoder frozen',
    async () => (await import('./train.ts')).trainCommand,
  ],
  [
    'evaluate',
    'translate (or transcribe) the clips of a manifest with one or more models, and score the texts',
    async () => (await import('./evaluate.ts')).evaluateCommand,
  ],
  [
    'probe',
    'train a small classifier of any labels on the frozen encoder, and report which layers encode them',
    async () => (await import('./probe.ts')).probeCommand,
  ],
  [
    'speaker',
    'train speaker embeddings on the encoder, embed recordings, and verify speakers',
    async () => (await import('./speaker.ts')).speakerCommand,
  ],
  [
    'score',
    'score translations or transcripts against references: BLEU, chrF, TER, error rates, off-target rate',
    async () => (await import('./score.ts')).scoreCommand,
  ],
  [
    'quantize',
    'write a Whisper model with int8 weights: half the size of float16, read by every command here',
    async () => (await import('./quantize.ts')).quantizeCommand,
  ],
  [
    'align-heads',
    'choose the heads whose attention follows the speech, for word times and live --policy alignatt',
    async () => (await import('./align-heads.ts')).alignHeadsCommand,
  ],
  [
    'lm',
    'train a language model (n-grams, a small GPT), measure its perplexity, tune its fusion weights',
    async () => (await import('./lm.ts')).lmCommand,
  ],
  [
    'prepare',
    'write the manifest of a corpus as it is published, or of tables of your own',
    async () => (await import('./prepare.ts')).prepareCommand,
  ],
  [
    'check',
    'check the rows, texts and recordings of a manifest: a list of what is wrong, a page with players, a cleaned manifest',
    async () => (await import('./check.ts')).checkCommand,
  ],
  [
    'pseudo-label',
    'translate the transcripts of a manifest by your own endpoint: a chat model, LibreTranslate or DeepL',
    async () => (await import('./pseudo-label.ts')).pseudoLabelCommand,
  ],
  [
    'stats',
    'count hours, clips, speakers and texts of manifests by language, with histograms',
    async () => (await import('./stats.ts')).statsCommand,
  ],
  [
    'cache',
    'list, verify and prune the cache of encoder outputs',
    async () => (await import('./cache.ts')).cacheCommand,
  ],
  [
    'hub',
    'models and corpora of the Hugging Face hub: download, list what is here, push a trained model',
    async () => (await import('./hub.ts')).hubCommand,
  ],
  [
    'synthesise',
    'make a corpus of synthetic speech, of parallel text alone; only recordings that Whisper reads back are kept',
    async () => (await import('./synthesise.ts')).synthesiseCommand,
  ],
  [
    'doctor',
    'report versions, processor, memory, model and cache of this installation, for bug reports',
    async () => (await import('./doctor.ts')).doctorCommand,
  ],
];

/** Refuses an empty argument: mostly a variable that is not set, and as a path it would be the working directory. */
function refuseEmpty(args: readonly string[]): void {
  const isEmpty = (arg: string, i: number): boolean =>
    arg === '' ? args[i - 1] !== '--prompt' : /^--[\w-]+=$/.test(arg) && arg !== '--prompt=';
  const at = args.findIndex(isEmpty);
  if (at < 0) return;
  const flag = args[at]?.slice(0, -1) || args[at - 1];
  const where = flag?.startsWith('-') ? flag : 'argument';
  throw new UserError(`${where}: found an empty text; expected a value, such as of a variable that is set`);
}

/**
 * Runs a command; a mistake of the user's, or an error of the system such as a full disk, is one line on standard error. Its
 * stack trace follows where the environment has DEBUG=whisper-transfer.
 * @param args arguments, without the program's name
 * @returns the exit code
 */
export async function run(args: readonly string[]): Promise<number> {
  const program = new Command('whisper-transfer')
    .description('Teach Whisper new target languages from English speech alone.')
    .version(packageVersion)
    .showHelpAfterError('(add --help for the options and an example)')
    .exitOverride();
  const [first, second] = args;
  const called = first === 'help' ? second : first;
  for (const [name, description, load] of COMMANDS) {
    const command = program.command(name).description(description);
    if (name === called) (await load())(command);
  }
  archives.onNote = (note) => process.stderr.write(`note: ${note}\n`);
  program.hook('preAction', async (_, command) => {
    const { fetchModels } = await import('./options.ts');
    await fetchModels(command);
  });
  try {
    refuseEmpty(args);
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof ExitStatus) return error.code;
    if (error instanceof Interrupted) {
      process.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    const line = error instanceof UserError ? error.message : systemErrorLine(error);
    if (line === undefined) throw error;
    process.stderr.write(`error: ${line}\n`);
    if (/whisper-transfer|\*/.test(process.env.DEBUG ?? '')) console.error(error);
    return 2;
  }
}
