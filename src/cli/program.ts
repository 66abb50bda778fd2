/** The command line: its commands by name. Each command is a file of its own, loaded when it is called: their libraries take a second. */
import { Command, CommanderError } from 'commander';
import { UserError } from '../errors.ts';
import { packageVersion } from '../report/package-version.ts';

/** Gives a command that has its name and description its options and action. */
type Define = (command: Command) => Command;

const COMMANDS: readonly [name: string, description: string, load: () => Promise<Define>][] = [
  [
    'demo',
    'show on real speech that languages share a space, train English→Chinese, and see other languages follow',
    async () => (await import('./demo.ts')).demoCommand,
  ],
  [
    'transcribe',
    'write down what is said, in the language in which it is said',
    async () => (await import('./transcribe.ts')).transcribeCommand,
  ],
  [
    'translate',
    'translate speech: into English, or into the language that the model was trained for',
    async () => (await import('./transcribe.ts')).translateCommand,
  ],
  [
    'encode',
    'encode the clips of a manifest once and keep the result; an interrupted run goes on where it stopped',
    async () => (await import('./encode.ts')).encodeCommand,
  ],
  [
    'retrieve',
    'find each utterance of one language among those of another, by encoder output alone, and count how often its ' +
      'translation comes first',
    async () => (await import('./retrieve.ts')).retrieveCommand,
  ],
  [
    'analyse',
    'whether the languages of a manifest share a space in this encoder, at which layer, and by sound or by sense: a ' +
      'page with tables, figures and players; each figure also as .svg and .csv',
    async () => (await import('./analyse.ts')).analyseCommand,
  ],
  [
    'train',
    'fine-tune as a recipe says: by default the decoder, and only it, on speech with translations; the ' +
      'encoder stays as it is',
    async () => (await import('./train.ts')).trainCommand,
  ],
  [
    'evaluate',
    'translate (or transcribe) the clips of a manifest with one or more models, and score it all',
    async () => (await import('./evaluate.ts')).evaluateCommand,
  ],
  [
    'probe',
    'train a small classifier of any labels on the frozen encoder, and see which layer knows them',
    async () => (await import('./probe.ts')).probeCommand,
  ],
  [
    'speaker',
    'train speaker embeddings on the encoder, embed recordings, verify that two are of one speaker',
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
    'lm',
    'n-gram language models: train one, measure its perplexity, tune its weights',
    async () => (await import('./lm.ts')).lmCommand,
  ],
  [
    'manifest',
    'make a manifest of a corpus as it is downloaded',
    async () => (await import('./manifest.ts')).manifestCommand,
  ],
  [
    'doctor',
    'versions, processor, memory, model and cache of this installation, as an issue should name them',
    async () => (await import('./doctor.ts')).doctorCommand,
  ],
];

/**
 * Runs a command; a mistake of the user's is one line on standard error.
 * @param args as a shell gives them, without the program's name
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
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    return 2;
  }
}
