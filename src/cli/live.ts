/** `whisper-transfer live`: text of speech while it is spoken. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { liveDefaults } from '../live/defaults.ts';
import { LIVE_POLICIES, type LiveEvent, type LivePolicy } from '../live/events.ts';
import type { LiveOptions } from '../live/session.ts';
import type { Compute } from '../whisper/compute.ts';
import type { Interrupted } from './interrupt.ts';
import { LivePrinter } from './live-printer.ts';
import {
  computeOption,
  deviceOption,
  modelOption,
  positiveInteger,
  positiveNumber,
  printNote,
  spokenLanguage,
  threadsOption,
  writtenLanguage,
} from './options.ts';
import { showWork } from './show-work.ts';

interface Flags {
  model: string;
  compute: Compute;
  from?: string;
  to?: string;
  transcribe?: boolean;
  prompt?: string;
  policy: LivePolicy;
  interval: number;
  frames: number;
  silence: number;
  longest: number;
  asFastAsPossible?: boolean;
  log?: string;
  json?: boolean;
}

const HELP = `
Text is committed as soon as it is stable, and never changes afterwards: on a terminal what is not committed yet is grey.
local-agreement commits what two consecutive updates agree on; alignatt what attends to sound that is not the last that
was heard (--frames), by the model's alignment heads (see align-heads). An utterance ends after --silence, and all of
its text is committed then. Where speech comes faster than it is decoded, each utterance is decoded once, at its end, and
where that is not enough the oldest is dropped: a note says so.

A file is heard by the clock, as if it were being spoken; --as-fast-as-possible leaves out the waiting, and nothing else.
- is standard input: WAV, or samples of 16 bits, mono, 16 kHz. --log writes SimulEval's log lines, one for each
utterance: \`whisper-transfer latency\` measures them.

Examples:
  $ whisper-transfer live talk.ogg --from fr --to en
  $ arecord -q -f S16_LE -r 16000 -c 1 - | whisper-transfer live - --from en --model out/demo/model
  $ ffmpeg -v error -i rtmp://… -ac 1 -ar 16000 -f s16le - | whisper-transfer live - --compute int8
  $ whisper-transfer live talk.ogg --as-fast-as-possible --log live.log && whisper-transfer latency live.log
`;

export function liveCommand(command: Command): Command {
  return command
    .argument('<audio>', 'audio or video file, or - for sound on standard input')
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(computeOption())
    .addOption(deviceOption())
    .option(
      '--from <language>',
      'spoken language, such as en or French; default: detected in each utterance',
      spokenLanguage,
    )
    .option(
      '--to <language>',
      'language to translate into; default: the one that the model was trained for, else none: transcribe',
      writtenLanguage,
    )
    .option('--transcribe', 'transcribe with a model that was trained to translate')
    .option('--prompt <text>', 'text said before, such as names in their spelling')
    .addOption(
      new Option('--policy <name>', 'what is committed while an utterance goes on')
        .choices(LIVE_POLICIES)
        .default('local-agreement'),
    )
    .option('--interval <s>', 'seconds of speech between two updates', positiveNumber, liveDefaults.interval)
    .option(
      '--frames <n>',
      'alignatt: frames of 20 ms at the end that no committed word attends to',
      positiveInteger,
      liveDefaults.frames,
    )
    .option(
      '--silence <s>',
      'seconds of silence that end an utterance; after 4 s of speech 0.7 of it does',
      silenceOf,
      liveDefaults.silence,
    )
    .option(
      '--longest <s>',
      'seconds after which an utterance is cut, in a pause',
      longestOf,
      liveDefaults.longest,
    )
    .option(
      '--as-fast-as-possible',
      'do not wait for the clock, which is simulated; computing takes its real time',
    )
    .option('--log <file>', "write SimulEval's log lines")
    .option('--json', 'print the events, one JSON object a line')
    .addHelpText('after', HELP)
    .action(run);
}

function silenceOf(value: string): number {
  const found = positiveNumber(value);
  if (found < 0.1 || found > 5) throw new InvalidArgumentError('Expected seconds from 0.1 to 5.');
  return found;
}

function longestOf(value: string): number {
  const found = positiveNumber(value);
  if (found < 2 || found > 28) throw new InvalidArgumentError('Expected seconds from 2 to 28.');
  return found;
}

async function run(audio: string, flags: Flags): Promise<void> {
  const { statedDuration } = await import('../audio/audio-file.ts');
  const { readSourceInBlocks } = await import('../audio/audio-source.ts');
  const { samplesAsTheyCome } = await import('../audio/pcm-stream.ts');
  const { UserError } = await import('../errors.ts');
  const { checkWritable, writeWhole } = await import('../files/write-whole.ts');
  const { heardBy, skippingClock, wallClock } = await import('../live/feed.ts');
  const { LatencyLog } = await import('../live/latency-log.ts');
  const { LiveSession } = await import('../live/session.ts');
  const { targetOf } = await import('../decoding/prompt-choice.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { trainedPrompt } = await import('../whisper/prompts.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  if (flags.transcribe && flags.to !== undefined)
    throw new UserError(`--transcribe: found --to ${flags.to} with it; expected one or the other`);
  const { signal } = showWork();
  if (flags.log !== undefined) await checkWritable(flags.log);
  const piped = audio === '-';
  // A name that is wrong is told before the model is loaded.
  if (!piped) await statedDuration(audio);
  let lines: string[] | undefined;
  let lag = { sum: 0, count: 0, largest: 0 };
  const printer = new LivePrinter(process.stdout, { json: Boolean(flags.json), onNote: printNote });
  try {
    await withModel(WhisperModel.load(flags.model, { compute: flags.compute }), async (model) => {
      const trained = trainedPrompt(model.settings.generationConfig) !== undefined;
      const task = flags.to !== undefined || (trained && !flags.transcribe) ? 'translate' : 'transcribe';
      const written = task === 'translate' ? targetOf(model, flags.to) : flags.from;
      const clock = flags.asFastAsPossible ? skippingClock() : wallClock;
      const options: LiveOptions = {
        ...sessionOptions(flags),
        task,
        clock: () => clock.now(),
        onNote: printNote,
      };
      const session = await LiveSession.start(model, options);
      lines = [];
      const log = new LatencyLog(piped ? 'standard input' : audio, written);
      const events = async (source: AsyncIterable<LiveEvent>) => {
        for await (const event of source) {
          printer.print(event);
          const line = log.add(event);
          if (line) lines?.push(`${JSON.stringify(line)}\n`);
          if (event.type === 'text' && event.text.committed !== '') {
            const { sum, count, largest } = lag;
            lag = { sum: sum + event.lag, count: count + 1, largest: Math.max(largest, event.lag) };
          }
        }
      };
      if (!piped) {
        const mono = channelOf(readSourceInBlocks(audio, { channel: 'mix', isHeld: false, signal }));
        await events(heardBy(session, mono, clock, signal));
      } else {
        const samples = samplesAsTheyCome('standard input', process.stdin);
        if (flags.asFastAsPossible) await events(heardBy(session, samples, clock, signal));
        else await Promise.all([pushed(samples, session, signal), events(session.events(signal))]);
      }
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw signal.reason as Interrupted;
  } finally {
    printer.end();
    if (piped) process.stdin.destroy();
    if (flags.log !== undefined && lines) await writeWhole(flags.log, lines.join(''));
  }
  if (lag.count > 0 && !flags.json) {
    const mean = (lag.sum / lag.count).toFixed(2);
    printNote(`computed ${mean} s after it was heard, ${lag.largest.toFixed(2)} s at most`);
  }
}

const sessionOptions = ({ from, to, prompt, policy, interval, frames, silence, longest }: Flags) => ({
  ...{ from, to, prompt, policy, interval, frames, silence, longest },
});

async function* channelOf(
  blocks: AsyncIterable<readonly Float32Array[]>,
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const [mono] of blocks) yield mono!;
}

/** Samples as they come; where they cannot be read, the session ends, too. */
async function pushed(
  samples: AsyncIterable<Float32Array>,
  session: { push(samples: Float32Array): void; end(): void },
  signal: AbortSignal,
): Promise<void> {
  const onAbort = () => process.stdin.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const block of samples) session.push(block);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    session.end();
  }
}
