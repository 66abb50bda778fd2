/**
 * The card of a trained model (README.md with metadata in YAML, as the Hugging Face hub reads it): made of its recipe, its
 * configuration and an evaluation. What none of them says is not in it.
 */
import { basename, join } from 'node:path';
import { stringify } from 'yaml';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import {
  type MachineMade,
  machineMadeText,
  TRAINING_DATA,
  type TrainingDataSummary,
} from '../data/machine-made.ts';
import { UserError } from '../errors.ts';
import { readJson, readText } from '../files/read.ts';
import { isHubName, modelName, parseRepo, repoOfSnapshot } from '../hub/names.ts';
import { languageProfile } from '../language/profile.ts';
import { formatNumber, languageName } from '../report/format.ts';
import { mergeLayers, readLayers, valueAt } from '../training/recipe-file.ts';
import { leaves } from '../training/recipe-keys.ts';
import { trainedPrompt } from '../whisper/prompts.ts';
import { AVERAGE, type EvaluationResults, type EvaluationRow, METRIC_HEADINGS, mainRows } from './results.ts';

export interface ModelCardOptions {
  /** Folder of the trained model. */
  readonly model: string;
  /** Name on the hub, "owner/name". */
  readonly id: string;
  /** Folder of an evaluation of this model. */
  readonly evaluation?: string | undefined;
  /** As in the hub's list: apache-2.0. Default: of the folder's LICENSE, where that is a known one. */
  readonly license?: string | undefined;
  /** Data sets of the hub that it was trained on. */
  readonly datasets?: readonly string[] | undefined;
  readonly version: string;
}

const SCORES = 'scores.json';
const RECIPE = 'recipe.json';

/** Metrics that the hub knows, by the same names; others are in the table only. */
const HUB_METRICS: ReadonlySet<string> = new Set(['bleu', 'chrf', 'ter', 'wer', 'cer', 'comet']);

/** @throws UserError where the folder is no trained model, or the evaluation is another's */
export async function modelCard(options: ModelCardOptions): Promise<string> {
  const { model, id, version } = options;
  const config = await readJsonIfPresent(join(model, 'config.json'));
  if (config?.model_type !== 'whisper')
    throw new UserError(
      `${model}: found no Whisper model (config.json); expected the folder of a trained model`,
    );
  const trained = trainedPrompt((await readJsonIfPresent(join(model, 'generation_config.json'))) ?? {});
  const recipeFile = join(model, RECIPE);
  const recipe = (await readJsonIfPresent(recipeFile)) && mergeLayers(await readLayers(recipeFile));
  const scores = options.evaluation === undefined ? undefined : await scoresOf(options.evaluation, model);
  const base = baseOf(recipe);
  const targets = [...new Set(trained ? [trained.target, ...(trained.targets ?? [])] : [])];
  const corpora = (valueAt(recipe, ['data', 'corpora']) ?? []) as readonly Record<string, unknown>[];
  const spoken = [
    ...new Set(corpora.flatMap(({ language }) => (typeof language === 'string' ? [language] : []))),
  ];
  const datasets = [...new Set([...(options.datasets ?? []), ...corpora.flatMap(datasetOf)])];
  const license = options.license ?? (await licenseIn(model));
  const ownForm = config.quantization_config !== undefined;
  const metadata = {
    ...(targets.length > 0 && {
      language: [...new Set([...targets, ...spoken].map((code) => languageProfile(code).base))],
    }),
    ...(license && { license }),
    library_name: ownForm ? 'whisper-transfer' : 'transformers',
    pipeline_tag: 'automatic-speech-recognition',
    tags: ['whisper', 'whisper-transfer', ...(targets.length > 0 ? ['speech-translation'] : [])],
    ...(base.hub && { base_model: base.hub }),
    ...(datasets.length > 0 && { datasets }),
    ...(scores && { metrics: metricsIn(scores), 'model-index': [modelIndex(id, scores)] }),
  };
  const name = id.split('/').at(-1)!;
  const parts = [
    `---\n${stringify(metadata)}---\n\n# ${name}`,
    aboutText(targets, base.text, version),
    scores ? scoresText(scores) : '## Evaluation\n\nNone is published with this model.',
    recipe === undefined ? undefined : trainingText(recipe, corpora),
    limitsText(scores, spoken, await machineMadeIn(model)),
    useText(id, targets, ownForm),
  ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

interface Scores {
  readonly results: EvaluationResults;
  /** Of this model. */
  readonly rows: readonly EvaluationRow[];
}

/** @throws UserError where there is no evaluation of the model, as it is now */
async function scoresOf(folder: string, model: string): Promise<Scores> {
  const file = join(folder, SCORES);
  const results = (await readJson(file, 'the scores of an evaluation')) as EvaluationResults;
  if (!Array.isArray(results?.rows) || !Array.isArray(results.models))
    throw new UserError(`${file}: found no rows and models; expected the scores of an evaluation`);
  const fingerprint = await modelFingerprint(model);
  const found = results.models.find((one) => one.fingerprint === fingerprint);
  if (!found)
    throw new UserError(
      `${file}: found scores of ${results.models.map(({ name }) => name).join(', ')}, none of ${model} as it is now; expected its evaluation`,
    );
  return { results, rows: mainRows(results).filter(({ model: name }) => name === found.name) };
}

/** The model that was tuned, by its name at the hub where it has one. */
function baseOf(recipe: unknown): { hub?: string; text: string } {
  if (recipe === undefined)
    return { text: 'The folder has no recipe, so that its base model is not known here.' };
  const model = valueAt(recipe, ['model']);
  if (model === undefined)
    return {
      hub: 'openai/whisper-base',
      text: 'openai/whisper-base (with weights of 8 bits, as whisper-transfer comes with it)',
    };
  const name = modelName(String(model));
  try {
    const { repo, revision } = parseRepo(name, 'model');
    if (repo.id.includes('/'))
      return { hub: repo.id, text: `${repo.id}${revision ? `, commit ${revision}` : ''}` };
  } catch {
    // It is a folder.
  }
  return { text: `a model of its author's (folder ${basename(name)})` };
}

/** A data set of the hub; a manifest of recordings in the hub's cache is of one, too: its path says so. */
function datasetOf({ manifest, dataset }: Record<string, unknown>): string[] {
  if (typeof dataset === 'string' && isHubName(dataset)) return [parseRepo(dataset, 'dataset').repo.id];
  const parts = String(manifest ?? '').split(/[\\/]/);
  const at = parts.indexOf('snapshots');
  const found = at > 0 ? repoOfSnapshot(parts.slice(0, at + 2).join('/')) : undefined;
  return found?.repo.type === 'dataset' ? [found.repo.id] : [];
}

async function licenseIn(model: string): Promise<string | undefined> {
  const text = await readText(join(model, 'LICENSE'), 'a licence', 1_000_000).catch(() => '');
  if (/^\s*Apache License\s+Version 2\.0/.test(text)) return 'apache-2.0';
  return /^\s*(The )?MIT License/.test(text) ? 'mit' : undefined;
}

const namesOf = (codes: readonly string[]): string => codes.map((code) => languageName(code)).join(', ');

function aboutText(targets: readonly string[], base: string, version: string): string {
  const what =
    targets.length > 0
      ? `A Whisper model that writes ${namesOf(targets)} where others speak, trained with whisper-transfer ${version}.`
      : `A Whisper model, written by whisper-transfer ${version}.`;
  return `${what}\n\nBase model: ${base}.`;
}

function metricsIn({ rows }: Scores): string[] {
  const names = new Set(rows.flatMap(({ scores }) => Object.keys(scores)));
  return [...names].filter((name) => HUB_METRICS.has(name));
}

/** The scores in the form of Papers with Code, which the hub shows. */
function modelIndex(id: string, { results, rows }: Scores): object {
  return {
    name: id.split('/').at(-1),
    results: rows
      .filter(({ notDefined }) => notDefined === undefined)
      .map(({ test, prompt, language, n, scores }) => ({
        task: {
          type: test.startsWith('translation') ? 'translation' : 'automatic-speech-recognition',
          name: `${test}, ${language === AVERAGE ? 'average of the languages' : `from ${language}`}`,
        },
        dataset: {
          name: setName(results),
          type: setName(results).replace(/[^\w.-]+/g, '-'),
          ...(results.selection.set !== null && { split: results.selection.set }),
          args: { clips: n, prompt },
        },
        metrics: Object.entries(scores).flatMap(([metric, { score, interval, signature }]) =>
          !HUB_METRICS.has(metric)
            ? []
            : [
                {
                  type: metric,
                  value: rounded(score),
                  name: METRIC_HEADINGS[metric] ?? metric,
                  args: { signature, interval95: [rounded(interval.low), rounded(interval.high)] },
                },
              ],
        ),
      }))
      .filter(({ metrics }) => metrics.length > 0),
  };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

const setName = ({ manifest, selection }: EvaluationResults): string =>
  `${basename(manifest)}${selection.set === null ? '' : `, set ${selection.set}`}`;

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [head, head.map(() => '---'), ...rows].map(row).join('\n');
}

function scoresText({ results, rows }: Scores): string {
  const metrics = [...new Set(rows.flatMap(({ scores }) => Object.keys(scores)))];
  const head = [
    'test',
    'from',
    'prompt',
    'clips',
    ...metrics.map((metric) => METRIC_HEADINGS[metric] ?? metric),
  ];
  const lines = rows.map(({ test, language, prompt, n, scores, notDefined }) => {
    const cells = metrics.map((metric) => {
      const found = scores[metric];
      if (!found) return '–';
      const { score, interval } = found;
      return `${formatNumber(score, 1)} (${formatNumber(interval.low, 1)}–${formatNumber(interval.high, 1)})`;
    });
    return [test, language, prompt, String(n), ...(notDefined === undefined ? cells : [notDefined])];
  });
  const signatures = [
    ...new Set(
      rows.flatMap(({ scores }) =>
        Object.entries(scores).map(
          ([name, { signature }]) => `- ${METRIC_HEADINGS[name] ?? name}: \`${signature}\``,
        ),
      ),
    ),
  ];
  return [
    `## Evaluation\n\nOn ${setName(results)}, ${results.date.slice(0, 10)}; in brackets the middle 95 % of bootstrap resamples of its clips.`,
    markdownTable(head, lines),
    signatures.join('\n'),
  ].join('\n\n');
}

/** Settings of the recipe, without paths of the author's machine but for the names of manifests. */
function trainingText(recipe: unknown, corpora: readonly Record<string, unknown>[]): string {
  const manifests = corpora.map(({ manifest, dataset = manifest, set, language }) =>
    [
      `- ${typeof dataset === 'string' && isHubName(dataset) ? dataset : basename(String(dataset))}`,
      set && `set ${set}`,
      language && `spoken in ${languageName(String(language))}`,
    ]
      .filter(Boolean)
      .join(', '),
  );
  const isPath = (value: unknown): boolean => typeof value === 'string' && /[\\/]/.test(value);
  const settings = [...leaves(recipe)].filter(
    ({ path, value }) =>
      value !== undefined &&
      !isPath(value) &&
      !['output', 'model'].includes(String(path[0])) &&
      path[1] !== 'corpora',
  );
  const rows = settings.map(({ path, value }) => [path.join('.'), String(value)]);
  return [
    '## Training',
    `By \`whisper-transfer train\`, on these manifests or data sets\n\n${manifests.join('\n')}`,
    `with this recipe:\n\n${markdownTable(['key', 'value'], rows)}`,
  ].join('\n\n');
}

/** What was made by a machine of what the model was trained on; nothing of a model whose training did not write it down. */
async function machineMadeIn(model: string): Promise<readonly MachineMade[]> {
  const found = (await readJsonIfPresent(join(model, TRAINING_DATA))) as
    | Partial<TrainingDataSummary>
    | undefined;
  return Array.isArray(found?.machineMade) ? found.machineMade : [];
}

function limitsText(
  scores: Scores | undefined,
  spoken: readonly string[],
  machineMade: readonly MachineMade[],
): string {
  const measured = [
    ...new Set(
      (scores?.rows ?? []).map(({ language }) => language).filter((language) => language !== AVERAGE),
    ),
  ];
  const lines = [
    measured.length > 0
      ? `- Measured on speech in ${namesOf(measured)} only; of other languages, voices, rooms and subjects nothing is known.`
      : '- Nothing is measured: try it on your own recordings before you rely on it.',
    ...(spoken.length > 0 ? [`- Trained on speech in ${namesOf(spoken)}.`] : []),
    ...machineMade.map((one) => `- In its training ${machineMadeText(one)}.`),
    ...(scores && scores.results.unreadable.length > 0
      ? [`- ${scores.results.unreadable.length} recordings of the test set could not be read.`]
      : []),
    ...(scores?.results.notes ?? []).map((note) => `- ${note}`),
  ];
  return `## Limits\n\n${lines.join('\n')}`;
}

function useText(id: string, targets: readonly string[], ownForm: boolean): string {
  const command = `\`\`\`sh\nwhisper-transfer ${targets.length > 0 ? 'translate' : 'transcribe'} talk.mp3 --model ${id}\n\`\`\``;
  const python = `\`\`\`python\nfrom transformers import pipeline\n\npipeline("automatic-speech-recognition", model="${id}")("talk.mp3")\n\`\`\``;
  return `## Use\n\n${ownForm ? command : `${command}\n\n${python}`}`;
}
