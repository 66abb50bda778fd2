/** `whisper-transfer latency`: how far behind the speech a live text is. */
import { type Command, Option } from 'commander';
import { readText } from '../files/read.ts';
import {
  LATENCY_MEASURES,
  type Latency,
  type LatencyLine,
  latency,
  parseLatencyLog,
} from '../metrics/latency.ts';
import { formatTable, TABLE_FORMATS, type TableFormat } from '../report/table-formats.ts';
import { writtenLanguage } from './options.ts';

interface Flags {
  to: string;
  longForm?: boolean;
  format: TableFormat;
  json?: boolean;
}

const HELP = `
Values equal SimulEval 1.1.4 and, for YAAL, OmniSTEval 0.1.10. Delays are how much of the source was heard when a word was
written (computation-unaware); elapsed times are those of the clock (computation-aware). All are means over the lines, in
milliseconds, but AP, which is a share. Words are counted, characters in languages without spaces between words.

AL and LAAL compare each word with a writer of even pace; LAAL does not reward long outputs. DAL spreads words that come
together. YAAL counts only words that are written before the source has ended; --long-form: all of them, as where the
lines are utterances of one recording. Without references the length of the prediction counts.

Example:
  $ whisper-transfer live talk.ogg --from fr --to en --log live.log
  $ whisper-transfer latency live.log --to en --long-form
`;

export function latencyCommand(command: Command): Command {
  return command
    .argument('<logs...>', "logs with SimulEval's lines, as live --log writes them")
    .requiredOption(
      '--to <language>',
      'language of the texts: decides whether words or characters count',
      writtenLanguage,
    )
    .option('--long-form', 'the lines are of longer recordings: YAAL counts all words')
    .addOption(
      new Option('--format <name>', 'format of the table').choices(TABLE_FORMATS).default('terminal'),
    )
    .option('--json', 'print one line of JSON for each log')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(files: readonly string[], { to, longForm, format, json }: Flags): Promise<void> {
  const logs: { file: string; lines: LatencyLine[]; unaware: Latency; aware: Latency }[] = [];
  for (const file of files) {
    const lines = parseLatencyLog(await readText(file, "SimulEval's log lines"), file);
    logs.push({ file, lines, ...latency(lines, { language: to, longForm }) });
  }
  if (json) {
    for (const { file, lines, unaware, aware } of logs) {
      const facts = { log: file, lines: lines.length, language: to, longForm: Boolean(longForm) };
      process.stdout.write(`${JSON.stringify({ ...facts, unaware, aware })}\n`);
    }
    return;
  }
  const rows = logs.flatMap(({ file, unaware, aware }) =>
    LATENCY_MEASURES.map((measure) => ({ file, measure, unaware: unaware[measure], aware: aware[measure] })),
  );
  type Row = (typeof rows)[number];
  const value = (name: 'unaware' | 'aware') => (row: Row) =>
    Number.isNaN(row[name]) ? '' : row.measure === 'AP' ? row[name].toFixed(2) : row[name].toFixed(0);
  const columns = [
    { heading: 'measure', value: ({ measure }: Row) => measure },
    ...(files.length > 1 ? [{ heading: 'log', value: ({ file }: Row) => file }] : []),
    { heading: 'computation-unaware', value: value('unaware'), align: 'right' as const },
    { heading: 'computation-aware', value: value('aware'), align: 'right' as const },
  ];
  process.stdout.write(formatTable(rows, columns, format));
}
