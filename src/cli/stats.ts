/** `whisper-transfer stats`: hours, clips, speakers and texts of manifests, by language. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { abortable } from '../abort.ts';
import { clipColumns, hours, statsPage, textColumns } from '../checks/stats-page.ts';
import { createFolder, writeWhole } from '../files/write-whole.ts';
import { formatNumber, formatPercent } from '../report/format.ts';
import { table } from '../report/terminal.ts';
import { modelOption } from './options.ts';
import { showWork } from './show-work.ts';

/** Tokens of a decoder, and of them those of a prompt (language, task, no timestamps) and the end of the text. */
const DECODER_TOKENS = 448;
const PROMPT_TOKENS = 5;

interface Options {
  model: string;
  page?: string;
  json?: boolean;
}

export function statsCommand(command: Command): Command {
  return command
    .argument('<manifest...>', 'TSV, CSV or JSONL manifests, counted together')
    .addOption(modelOption())
    .option('--page <dir>', 'write a page with tables and histograms')
    .option('--json', 'print all as JSON')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer stats samples/manifest.tsv --page out/stats')
    .action(stats);
}

async function stats(manifests: string[], { model, page, json }: Options): Promise<void> {
  const { readTokenizer } = await import('../checkpoint/tokenizer-files.ts');
  const { manifestStats } = await import('../checks/manifest-stats.ts');
  const { Tokens } = await import('../whisper/tokens.ts');
  if (page !== undefined) await createFolder(page);
  const { file, tokenizer } = await readTokenizer(model);
  const tokens = new Tokens(file, tokenizer);
  const work = showWork();
  const counted = await abortable(work.signal, () =>
    manifestStats(manifests, {
      ...work,
      tokensOf: (text) => tokens.encode(text).length,
      room: DECODER_TOKENS - PROMPT_TOKENS,
    }),
  );
  work.end();
  if (page !== undefined) await writeWhole(join(page, 'index.html'), statsPage(counted));
  if (json) {
    console.log(JSON.stringify(counted));
    return;
  }
  const { clips, seconds, unknown, counts, texts, speakers, room } = counted;
  process.stdout.write(`${table(counts, [...clipColumns])}\n${table(texts, [...textColumns(room)])}\n`);
  const [first] = speakers.most;
  if (first) {
    const share = seconds > 0 ? first.seconds / seconds : first.clips / clips;
    console.log(`${formatNumber(speakers.count)} speakers; the one with most has ${formatPercent(share, 1)}`);
  }
  const lacking = unknown > 0 ? `; of ${formatNumber(unknown)} clips no length is known` : '';
  console.log(`${manifests.join(', ')}: ${formatNumber(clips)} clips, ${hours(seconds)} h${lacking}`);
  if (page !== undefined) console.log(`${page}: index.html`);
}
