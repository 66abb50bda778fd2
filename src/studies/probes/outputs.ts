/** Result files of probes. */
import { confusionChart } from '../../report/confusion.ts';
import { svgFile } from '../../report/svg.ts';
import { formatTable } from '../../report/table-formats.ts';
import type { ProbeScores } from './measure.ts';
import type { ProbeResults } from './run.ts';

export function formatPredictions(predictions: ProbeResults['predictions']): string {
  const rows = predictions.map(({ audio, truth, answer }) => [audio, truth, answer].join('\t'));
  return `audio\ttruth\tanswer\n${rows.join('\n')}\n`;
}

export function confusionFiles(
  labels: readonly string[],
  { confusion }: ProbeScores,
): Record<string, string> {
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
