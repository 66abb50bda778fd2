/** Files of results of probes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { confusionChart } from '../../report/confusion.ts';
import { svgFile } from '../../report/svg.ts';
import { formatTable } from '../../report/table-formats.ts';
import type { Measured } from './measure.ts';
import type { ProbeResults } from './run.ts';

export function formatPredictions(predictions: ProbeResults['predictions']): string {
  const rows = predictions.map(({ audio, truth, answer }) => [audio, truth, answer].join('\t'));
  return `audio\ttruth\tanswer\n${rows.join('\n')}\n`;
}

export function confusionFiles(labels: readonly string[], { confusion }: Measured): Record<string, string> {
  const columns = [
    { heading: 'true label', value: ({ i }: { i: number }) => labels[i]! },
    ...labels.map((name, j) => ({ heading: name, value: ({ i }: { i: number }) => confusion[i]![j]! })),
  ];
  return {
    'confusion.csv': formatTable(
      labels.map((_, i) => ({ i })),
      columns,
      'csv',
    ),
    'confusion.svg': svgFile(confusionChart('Confusion matrix', labels, confusion)),
  };
}

export async function writeOutputs(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  } catch (error) {
    throw new UserError(`${directory}: cannot be written: ${(error as Error).message}`);
  }
}
