/** `whisper-transfer demo`: the whole experiment on the embedded model and recordings. */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { DemoResults } from '../demo/results.ts';
import { formatDuration, languageName } from '../report/format.ts';
import { table } from '../report/terminal.ts';
import { samplesManifest } from './embedded.ts';
import { modelOption, positiveInteger, threadsOption } from './options.ts';
import { showWork } from './show-work.ts';

interface Options {
  model: string;
  manifest?: string;
  to: string;
  output: string;
  steps: number;
  trainClips: number;
  testClips: number;
  seed: number;
  json?: boolean;
}

export function demoCommand(command: Command): Command {
  return command
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--to <code>', 'language to translate into, which the manifest must have texts in', 'zh')
    .option(
      '--manifest <file>',
      'manifest with the same sets as the sample recordings (default: the sample recordings)',
    )
    .option('--output <dir>', 'folder for results.json, report.html and the trained model', 'out/demo')
    .option('--steps <n>', 'training steps', positiveInteger, 180)
    .option(
      '--train-clips <n>',
      'synthetic English training clips, beside 54 read by people',
      positiveInteger,
      900,
    )
    .option('--test-clips <n>', 'largest number of clips in each test', positiveInteger, 32)
    .option('--seed <n>', 'seed of the order of the training clips', positiveInteger, 1)
    .option('--json', 'print results.json')
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer demo\n  $ whisper-transfer demo --steps 600 --train-clips 1500',
    )
    .action(async ({ manifest, to, trainClips, json, ...options }: Options) => {
      const { runDemo } = await import('../demo/demo.ts');
      const results = await runDemo({
        ...options,
        ...showWork(),
        manifest: manifest ?? samplesManifest(),
        target: to,
        trainingClips: trainClips,
      });
      if (json) console.log(JSON.stringify(results));
      else print(results, options.output);
    });
}

function print(results: DemoResults, output: string): void {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const change = (before: number, after: number): string => `${before.toFixed(1)} → ${after.toFixed(1)}`;
  process.stdout.write(
    '\nOne shared space: is the nearest utterance in the other language the translation? (encoder as it is)\n\n',
  );
  process.stdout.write(
    table(results.retrieval, [
      { heading: 'speech in', value: ({ from }) => languageName(from) },
      { heading: 'finds', value: ({ to }) => languageName(to) },
      { heading: 'clips', value: ({ n }) => n },
      { heading: 'R@1 SeqSim', value: ({ r1 }) => percent(r1), align: 'right' },
      { heading: 'R@5', value: ({ r5 }) => percent(r5), align: 'right' },
      { heading: 'R@1 mean-pool', value: ({ meanPoolR1 }) => percent(meanPoolR1), align: 'right' },
      { heading: 'chance', value: ({ chance }) => `${(100 * chance).toFixed(1)} %`, align: 'right' },
    ]),
  );
  const { steps, trainClips, target } = results.settings;
  process.stdout.write(
    `\nSpeech to ${languageName(target)}, before → after ${steps} steps of training the decoder on ${trainClips} English clips, and no other language\n\n`,
  );
  process.stdout.write(
    table(results.transfer, [
      { heading: 'test', value: ({ group }) => group },
      { heading: 'speech', value: ({ name }) => name },
      { heading: 'voice', value: ({ voice }) => voice },
      { heading: 'clips', value: ({ n }) => n },
      { heading: 'BLEU', value: ({ before, after }) => change(before.bleu, after.bleu), align: 'right' },
      { heading: 'chrF', value: ({ before, after }) => change(before.chrf, after.chrf), align: 'right' },
      {
        heading: `not ${languageName(target)}`,
        value: ({ before, after }) => `${percent(before.offTarget)} → ${percent(after.offTarget)}`,
        align: 'right',
      },
    ]),
  );
  const total = Object.values(results.seconds).reduce((sum, seconds) => sum + seconds, 0);
  process.stdout.write(
    `\n${results.signatures.bleu}\n` +
      'These are few sentences and a few minutes of training: the direction is what they show, not the level.\n' +
      `${formatDuration(total)}, ${Math.round(results.peakMemoryMb)} MB at most. Open ${join(output, 'report.html')}; numbers in ${join(output, 'results.json')}\n` +
      `To speak to it: npx whisper-transfer serve --model ${join(output, 'model')}, and open the address that it prints\n`,
  );
}
