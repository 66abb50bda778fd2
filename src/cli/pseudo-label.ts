/** `whisper-transfer pseudo-label`: translations of transcripts through the user's own endpoint. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import { costOf } from '../pseudo-labels/budget.ts';
import { FAULT_NAMES, type Fault } from '../pseudo-labels/check-answer.ts';
import {
  ENGINE_NAMES,
  type EngineName,
  type TranslationEngine,
  type Usage,
} from '../pseudo-labels/engine.ts';
import type { Plan, PseudoLabelled } from '../pseudo-labels/pseudo-label.ts';
import type { RequestReport } from '../pseudo-labels/translate-sentences.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import { canAsk, confirmed } from './ask.ts';
import { nameList, positiveInteger, positiveNumber, printNote, writtenLanguage } from './options.ts';
import { showWork } from './show-work.ts';

interface Options {
  to: string;
  url: [string, ...string[]];
  engine: EngineName;
  model?: string;
  output: string;
  keyEnv?: string;
  prompt?: string;
  examples?: string;
  context: number;
  request?: string;
  batch: number;
  concurrency: number;
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  timeout: number;
  priceIn: number;
  priceOut: number;
  maxCost?: number;
  maxTokens?: number;
  accept: Fault[];
  cache: string;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

export function pseudoLabelCommand(command: Command): Command {
  return command
    .argument('<manifest>', 'TSV, CSV or JSONL manifest with transcripts ("text")')
    .requiredOption('--to <language>', 'language to translate into', writtenLanguage)
    .requiredOption(
      '--url <url>',
      'the endpoint: http://localhost:11434/v1, https://api.openai.com/v1, …; repeatable, for one model on several ' +
        'machines: answers are kept by the first',
      (url: string, before: string[] = []) => [...before, url],
    )
    .requiredOption('--output <tsv>', 'the manifest with the translations')
    .addOption(
      new Option(
        '--engine <name>',
        "what the endpoint speaks. chat: OpenAI's chat completions (Ollama, vLLM, llama.cpp, …); libretranslate; deepl",
      )
        .choices(ENGINE_NAMES)
        .default('chat'),
    )
    .option('--model <name>', 'the chat model, as the endpoint calls it')
    .option(
      '--key-env <name>',
      'environment variable with the key (default: OPENAI_API_KEY, LIBRETRANSLATE_API_KEY or DEEPL_AUTH_KEY, for the hosts of these services only)',
    )
    .option(
      '--prompt <file>',
      'text file with what a chat model is told; {source} and {target} become names of languages',
    )
    .option(
      '--examples <tsv>',
      'sentences with their translation, shown to a chat model: columns text and text_<to>',
    )
    .option(
      '--context <n>',
      'sentences before each, of the same recording or session, shown to a chat model',
      wholeNumber,
      0,
    )
    .option('--request <json>', 'further fields of each chat request, such as {"reasoning_effort": "none"}')
    .option('--batch <n>', 'sentences a request', positiveInteger, 16)
    .option('--concurrency <n>', 'requests at once, of each endpoint', positiveInteger, 4)
    .option('--requests-per-minute <n>', 'limit of each endpoint', positiveInteger)
    .option('--tokens-per-minute <n>', 'limit of each endpoint', positiveInteger)
    .option('--timeout <seconds>', 'longest wait for an answer', timeoutSeconds, 300)
    .option(
      '--price-in <money>',
      'price of a million tokens that go in (deepl, libretranslate: characters)',
      notNegative,
      0,
    )
    .option('--price-out <money>', 'price of a million tokens that come out', notNegative, 0)
    .option('--max-cost <money>', 'end before this run costs more', positiveNumber)
    .option(
      '--max-tokens <n>',
      'end before this run uses more tokens (or characters), in and out',
      positiveInteger,
    )
    .option('--accept <reasons>', `let pass what these checks find: ${FAULT_NAMES.join(', ')}`, faultList, [])
    .option(
      '--cache <dir>',
      'folder of kept answers: a second run asks only what it lacks',
      'out/pseudo-labels',
    )
    .option('--dry-run', 'say what it would cost, ask nothing')
    .option('-y, --yes', 'do not ask before a run on another machine')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ whisper-transfer pseudo-label train.tsv --to zh --url http://localhost:11434/v1 --model qwen3 --output labelled.tsv\n' +
        '  $ whisper-transfer pseudo-label train.tsv --to de --engine libretranslate --url http://localhost:5000 --output labelled.tsv\n' +
        '  $ whisper-transfer pseudo-label train.tsv --to zh --url https://api.openai.com/v1 --model gpt-5-mini --price-in 0.25 --price-out 2 --max-cost 5 --output labelled.tsv',
    )
    .action(label);
}

async function label(manifest: string, options: Options): Promise<void> {
  const { Budget } = await import('../pseudo-labels/budget.ts');
  const { pseudoLabel } = await import('../pseudo-labels/pseudo-label.ts');
  const { loadTokenCounter } = await import('../pseudo-labels/token-count.ts');
  const { openEngine } = await import('../pseudo-labels/open-engine.ts');
  const work = showWork('run again to continue: answers are kept');
  const { engine, hosts } = await openEngine({
    ...{ ...options, urls: options.url, target: options.to },
    onNote: work.onNote,
  });
  const budget = new Budget(options);
  const concurrency = options.concurrency * options.url.length;
  let total: Plan | undefined;
  let isFirst = true;
  const result = await pseudoLabel(manifest, options.output, {
    ...work,
    target: options.to,
    engine,
    context: options.context,
    batchSize: options.batch,
    concurrency,
    accepted: options.accept,
    cache: options.cache,
    budget,
    countTokens: await loadTokenCounter(),
    begin: async (plan) => {
      total = plan;
      for (const line of planLines(plan, engine, options)) process.stderr.write(`${line}\n`);
      if (options.dryRun) return false;
      const asks = plan.kept < plan.sentences && hosts.length > 0 && !options.yes;
      return !asks || !canAsk() || (await confirmed(`Send them to ${hosts.join(', ')}?`, work.signal));
    },
    onRequest: (request) => {
      if (!isFirst) return;
      isFirst = false;
      const line = rateLine(request, total!, engine, { ...options, concurrency });
      if (line === undefined) return;
      work.clear();
      printNote(line);
    },
  });
  work.end();
  if (!result) {
    if (options.json) console.log(JSON.stringify({ ...total, cost: costOf(total!.usage, options) }));
    return;
  }
  const summary = {
    ...result,
    used: budget.used,
    cost: costOf(budget.used, options),
    output: options.output,
  };
  console.log(
    options.json ? JSON.stringify(summary) : summaryLines(result, budget.used, engine, options).join('\n'),
  );
  if (result.unanswered > 0 && !result.stopped) {
    throw new UserError(
      `${formatNumber(result.unanswered)} of ${formatNumber(result.plan.rows)} rows got no answer; run again to ask for them`,
    );
  }
}

/** Amounts without a currency: it is the one of the prices. */
const money = (amount: number): string => formatNumber(amount, amount < 1 ? 4 : 2);

function usageText({ input, output }: Usage, engine: TranslationEngine, options: Options): string {
  const amounts =
    engine.unit === 'characters'
      ? `${formatNumber(input)} characters`
      : `${formatNumber(input)} tokens in, ${formatNumber(output)} out`;
  const priced = options.priceIn > 0 || options.priceOut > 0;
  return priced ? `${amounts}, cost ${money(costOf({ input, output }, options))}` : amounts;
}

function planLines(plan: Plan, engine: TranslationEngine, options: Options): string[] {
  const asked = plan.sentences - plan.kept;
  const rows = [
    `${formatNumber(plan.rows)} rows`,
    plan.translated > 0 && `${formatNumber(plan.translated)} have a translation`,
    plan.withoutText > 0 && `${formatNumber(plan.withoutText)} have no transcript`,
    `${formatNumber(plan.sentences)} different sentences to translate`,
    plan.kept > 0 && `${formatNumber(plan.kept)} of them were answered before`,
  ];
  const estimate =
    engine.unit === 'characters'
      ? ''
      : " (estimated by Whisper's tokenizer; the model's own may differ by half)";
  return [
    rows.filter(Boolean).join(', '),
    ...(asked === 0
      ? []
      : [
          `to ask: ${formatNumber(asked)} sentences, ${formatNumber(plan.characters)} characters; ` +
            `${usageText(plan.usage, engine, options)}${estimate}`,
        ]),
  ];
}

/** What all will take, by a first request; undefined where it was all. */
function rateLine(
  { sentences, used, seconds }: RequestReport,
  plan: Plan,
  engine: TranslationEngine,
  options: Options,
): string | undefined {
  const asked = plan.sentences - plan.kept;
  if (asked <= sentences) return undefined;
  const factor = asked / sentences;
  const all = { input: Math.round(used.input * factor), output: Math.round(used.output * factor) };
  const time = formatDuration((seconds * factor) / options.concurrency);
  return (
    `a first request of ${sentences} sentences took ${formatDuration(seconds)}: all will take about ${time} ` +
    `with ${options.concurrency} at once; ${usageText(all, engine, options)}`
  );
}

function summaryLines(
  { labelled, leftOut, report, unanswered, stopped, plan }: PseudoLabelled,
  used: Usage,
  engine: TranslationEngine,
  options: Options,
): string[] {
  const reasons = Object.entries(leftOut).map(([fault, count]) => `${fault} ${formatNumber(count)}`);
  const count = Object.values(leftOut).reduce((sum, one) => sum + one, 0);
  return [
    `${options.output}: ${formatNumber(labelled)} of ${formatNumber(plan.rows)} rows got a translation by ${engine.name}`,
    ...(count > 0 ? [`left out: ${formatNumber(count)} rows (${reasons.join(', ')}): ${report}`] : []),
    ...(stopped
      ? [
          `stopped before the limit of this run: ${formatNumber(unanswered)} rows are left; run again to go on`,
        ]
      : []),
    `used: ${usageText(used, engine, options)}`,
  ];
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0 || value.trim() === '')
    throw new InvalidArgumentError('Expected a whole number from 0.');
  return number;
}

function notNegative(value: string): number {
  const number = Number(value);
  if (!(number >= 0) || !Number.isFinite(number) || value.trim() === '')
    throw new InvalidArgumentError('Expected a number from 0.');
  return number;
}

/** Node itself waits 300 s for the head of an answer. */
function timeoutSeconds(value: string): number {
  const seconds = positiveNumber(value);
  if (seconds > 300) throw new InvalidArgumentError('Expected at most 300 seconds.');
  return seconds;
}

function faultList(value: string): Fault[] {
  const names = nameList(value);
  const wrong = names.find((name) => !(FAULT_NAMES as readonly string[]).includes(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`Found ${wrong}; expected some of ${FAULT_NAMES.join(', ')}.`);
  return names as Fault[];
}
