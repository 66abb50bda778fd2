/**
 * Schema of recipes: a training run as one JSON file. Keys, allowed values and defaults are defined here only; the flags
 * and help of `train`, the JSON Schema for editors, error messages and the settings of checkpoints are derived from it.
 * Descriptions are shown in the help and must stand alone.
 */
import { z } from 'zod';
import { DEVICE_CHOICES } from '../backend/device.ts';
import { BYTE_SIZE } from '../features/byte-size.ts';
import { CACHE_DTYPES } from '../features/encoded-record.ts';
import { PROMPT_KINDS } from '../whisper/prompts.ts';
import { BEST_BY, defaultLora, defaultTraining, LORA_PROJECTIONS, TUNED_PARTS } from './choices.ts';

/** A path; in a recipe's file, relative to that file. */
const path = () => z.string().min(1).meta({ format: 'path' });
/** Likewise, or a model of the Hugging Face hub: a folder that exists wins. */
const modelPath = () => z.string().min(1).meta({ format: 'model' });
const text = () => z.string().min(1);
const wholeNumber = () => z.int().min(1);
const positive = () => z.number().positive();
const share = () => z.number().min(0).max(1);

/** Likewise, or a data set of the hub. */
const datasetPath = () => z.string().min(1).meta({ format: 'dataset' });

const corpus = z.strictObject({
  manifest: path().optional().describe('manifest of the corpus, TSV, CSV or JSONL'),
  dataset: datasetPath()
    .optional()
    .describe(
      'in place of a manifest: data set of the hub, such as google/fleurs, or a folder, archive or table that `prepare` knows; read as its manifest would be',
    ),
  layout: text()
    .optional()
    .describe('layout of the data set, as `prepare` names it; default: as its files, or the hub, say'),
  limit: wholeNumber().optional().describe('most clips of each language and set of the data set'),
  minSeconds: positive().optional().describe('leave out shorter clips of the data set'),
  maxSeconds: positive().optional().describe('leave out longer clips of the data set'),
  onePerSentence: z.boolean().optional().describe('FLEURS: only the first recording of each sentence'),
  clips: path().optional().describe("CoVoST 2: Common Voice's folder of recordings"),
  sentences: path().optional().describe("CoVoST 2: Common Voice's validated.tsv, for transcripts"),
  columns: z
    .array(text())
    .optional()
    .describe('tables: where the columns of a manifest come from, such as ["text=sentence", "lang=:en"]'),
  set: text()
    .optional()
    .describe('use only clips of this set; default: all but the dev set, of a data set train'),
  language: text().optional().describe('use only clips in this language'),
  target: text()
    .optional()
    .describe('language to translate into, where corpora of one recipe have different ones'),
  weight: positive().optional().describe('sampling weight of the corpus, a factor of its size; default: 1'),
});

/** Keys of a corpus that are about a data set alone. */
export const DATASET_KEYS = [
  ...(['layout', 'limit', 'minSeconds', 'maxSeconds', 'onePerSentence'] as const),
  ...(['clips', 'sentences', 'columns'] as const),
] satisfies (keyof z.output<typeof corpus>)[];

const data = z.strictObject({
  corpora: z
    .array(corpus)
    .min(1)
    .describe('training corpora, each {manifest, set, language, target, weight}, or {dataset, …}'),
  temperature: positive()
    .optional()
    .describe(
      'sampling temperature: corpora are drawn in proportion to size ^ (1 / temperature); default: 1, higher: more evenly',
    ),
  window: z
    .enum(['fit', 'full'])
    .default('fit')
    .describe('encoder window. fit: the clip, then cached silence; full: 30 s, as Whisper was trained'),
  mergeSeconds: positive()
    .max(30)
    .optional()
    .describe('join consecutive clips of one speaker into clips of at most this many seconds (30 or less)'),
  timestamps: share()
    .optional()
    .describe(
      'share of the clips that are trained in windows of up to 30 s with timestamps, each clip a segment, for long recordings and subtitles; default: 0',
    ),
  maxPadding: share()
    .optional()
    .describe('largest share of padding among the frames, and among the tokens, of a batch'),
  cache: z
    .union([z.literal('off'), path()])
    .default('out/cache')
    .describe('folder of cached encoder outputs; off: nowhere'),
  cacheDtype: z
    .enum(CACHE_DTYPES)
    .optional()
    .describe('number format of cached encoder outputs; int8 takes half the space; default: float16'),
  cacheLimit: text()
    .regex(BYTE_SIZE)
    .optional()
    .describe(
      'largest size of the cache, such as 40GB: beyond it the oldest outputs are dropped; default: none',
    ),
});

const augment = z.strictObject({
  copies: wholeNumber()
    .optional()
    .describe(
      'augmented versions of each clip, each encoded once; default: 3. Not with a tuned encoder, which draws a new version at each visit',
    ),
  speed: z.array(positive()).min(1).optional().describe('speed factors to draw from, such as 0.9,1,1.1'),
  noise: z
    .strictObject({
      folder: path().describe('folder of noise recordings to add'),
      snr: z
        .tuple([z.number(), z.number()])
        .default([5, 20])
        .describe('lowest and highest signal-to-noise ratio of added noise, in dB'),
      probability: share().default(0.5).describe('probability that a version has added noise'),
    })
    .optional(),
  reverberation: z
    .strictObject({
      folder: path().describe('folder of room impulse responses'),
      probability: share().default(0.5).describe('probability that a version has reverberation'),
    })
    .optional(),
  specAugment: z
    .strictObject({
      timeMasks: z.int().min(0).default(2).describe('SpecAugment: number of time masks'),
      timeWidth: wholeNumber().default(40).describe('SpecAugment: longest time mask, in frames of 10 ms'),
      frequencyMasks: z.int().min(0).default(2).describe('SpecAugment: number of frequency masks'),
      frequencyWidth: wholeNumber().default(27).describe('SpecAugment: widest frequency mask, in mel bins'),
    })
    .optional(),
});

const targetToken = z.strictObject({
  as: text().optional().describe('for a target without a Whisper token: the language whose token to use'),
  mean: z
    .array(text())
    .min(1)
    .optional()
    .describe(
      'for a target without a Whisper token: train a new token, initialised to the mean of the tokens of these languages',
    ),
});

const tune = z.strictObject({
  part: z
    .enum(TUNED_PARTS)
    .default(defaultTraining.part)
    .describe('weights to tune; encoder and all encode the recordings in every step'),
  embedding: z
    .enum(['frozen', 'trained'])
    .default(defaultTraining.embedding)
    .describe('train or freeze the token embedding, which is also the output matrix'),
  lora: z
    .strictObject({
      rank: wholeNumber()
        .default(defaultLora.rank)
        .describe('tune low-rank adapters (LoRA) of this rank in place of the weights themselves'),
      alpha: positive()
        .optional()
        .describe('LoRA scaling: adapters are weighted by alpha / rank; default: twice the rank'),
      projections: z
        .array(z.enum(LORA_PROJECTIONS))
        .min(1)
        .default([...defaultLora.projections])
        .describe('projections of the attention and feed-forward layers that get LoRA adapters'),
    })
    .optional(),
  experts: z
    .strictObject({
      languages: z
        .array(text())
        .min(1)
        .describe(
          'spoken language that gets feed-forward layers (experts) of its own, in the tuned part: decoder, encoder or all; one per run',
        ),
      gateWidth: wholeNumber()
        .default(64)
        .describe('hidden width of the gates between experts and shared layers'),
    })
    .optional(),
  quantization: z
    .strictObject({
      bits: z
        .literal([8, 4])
        .default(8)
        .describe('quantisation-aware training: bits that `quantize` will round the weights to'),
    })
    .optional(),
  decoderLayers: wholeNumber()
    .optional()
    .describe('keep this many decoder layers, evenly spaced; default: all'),
});

const objective = z.strictObject({
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('label smoothing: share of the target probability that is spread over all tokens'),
  languageWeights: z
    .record(text(), z.strictObject({ from: positive(), to: positive() }))
    .optional()
    .describe('loss weight by spoken language, at the first and the last step: {"fr": {"from": 1, "to": 2}}'),
  distillation: z
    .strictObject({
      teacher: modelPath().describe(
        'teacher of a distillation: a Whisper model directory in Hugging Face layout, or a model of the hub',
      ),
      divergence: z
        .enum(['kl', 'js'])
        .default('kl')
        .describe('divergence from the teacher: kl (Kullback-Leibler) or js (Jensen-Shannon)'),
      temperature: positive()
        .default(1)
        .describe('distillation temperature, which divides the logits of teacher and student'),
      weight: share()
        .default(0.9)
        .describe('share of the distillation in the loss; the rest is cross-entropy'),
      hidden: z
        .enum(['static', 'dynamic'])
        .optional()
        .describe(
          'distil hidden states, too: pair layers at even distances (static) or with the nearest (dynamic)',
        ),
      distance: z
        .enum(['mse', 'l1'])
        .optional()
        .describe('distance between hidden states of teacher and student; default: mse'),
    })
    .optional(),
});

const optimizer = z.strictObject({
  steps: wholeNumber().default(200).describe('number of optimizer steps'),
  batchSize: wholeNumber().default(defaultTraining.batchSize).describe('clips per batch'),
  accumulate: wholeNumber().optional().describe('gradient accumulation: batches per step; default: 1'),
  recompute: z
    .boolean()
    .optional()
    .describe('recompute activations in the backward pass: less memory, about a fifth more time'),
  learningRate: positive()
    .default(defaultTraining.learningRate)
    .describe('peak learning rate; linear warm-up, then linear decay to 0'),
  warmup: z.int().min(1).default(defaultTraining.warmupSteps).describe('warm-up steps of the learning rate'),
  weightDecay: z
    .number()
    .min(0)
    .default(defaultTraining.weightDecay)
    .describe('weight decay of the optimizer (AdamW)'),
  clipNorm: positive()
    .default(defaultTraining.clipNorm)
    .describe('gradient clipping: largest L2 norm of all gradients together'),
  seed: wholeNumber()
    .default(defaultTraining.seed)
    .describe('random seed: order of clips, augmentation, new weights; the same seed gives the same weights'),
});

const dev = z.strictObject({
  set: text().describe("dev set: evaluate on clips of this set of the corpora's manifests while training"),
  languages: z
    .array(text())
    .min(1)
    .optional()
    .describe(
      "languages that are spoken in the dev set, such as one that is not trained: what is best for the trained one may harm the others; default: the corpora's",
    ),
  every: wholeNumber()
    .default(100)
    .describe('steps between evaluations on the dev set; the last step is evaluated, too'),
  clips: wholeNumber().default(32).describe('largest number of clips of the dev set'),
  patience: wholeNumber()
    .optional()
    .describe('early stopping: end after this many evaluations without a better one; default: never'),
  best: z
    .enum(BEST_BY)
    .default('loss')
    .describe('metric that chooses the best evaluation: lowest loss, or highest BLEU or chrF'),
  keep: z
    .enum(['best', 'last'])
    .default('best')
    .describe('weights to save: of the best evaluation, or of the last step'),
});

export const recipeSchema = z
  .strictObject({
    $schema: z.string().optional().describe('JSON Schema for editors: recipe.schema.json'),
    model: modelPath()
      .optional()
      .describe(
        'Whisper model directory in Hugging Face layout, or a model of the hub, such as openai/whisper-small; default: the embedded Whisper base',
      ),
    output: path().describe('folder for the trained model, in Hugging Face layout'),
    dtype: z.enum(['float16', 'float32']).default('float16').describe('number format of the saved weights'),
    data,
    augment: augment.optional(),
    target: text()
      .optional()
      .describe(
        'language to translate into, such as de: the references are in column text_de of the manifests',
      ),
    targetToken: targetToken.optional(),
    prompt: z
      .enum(PROMPT_KINDS)
      .default('target-transcribe')
      .describe('language token and task token of the decoder prompt'),
    targetVocabulary: z
      .union([z.literal(true), path()])
      .optional()
      .describe(
        'restrict the decoder to tokens of the references (true), or also of this text file; saved with the model',
      ),
    tune: tune.prefault({}),
    objective: objective.prefault({}),
    optimizer: optimizer.prefault({}),
    dev: dev.optional(),
    device: z
      .enum(DEVICE_CHOICES)
      .optional()
      .describe(
        'where to compute (experimental but for cpu): webgpu or cuda, a graphics card; auto: cuda, webgpu or cpu, by what is there; default: cpu',
      ),
    checkpointEvery: wholeNumber()
      .default(100)
      .describe('steps between checkpoints in <output>/checkpoints; also written at the end and on Ctrl-C'),
  })
  .superRefine(({ augment, data, dev, tune, dtype, prompt, target, targetToken }, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    for (const [i, corpus] of data.corpora.entries()) {
      const { manifest, dataset, ...others } = corpus;
      const at = ['data', 'corpora', i];
      if ((manifest === undefined) === (dataset === undefined))
        refuse(
          [...at, 'manifest'],
          `found ${manifest ? 'a data set, too' : 'nothing'}; expected a manifest or a data set`,
        );
      const ofDataset = DATASET_KEYS.find((key) => others[key] !== undefined);
      if (dataset === undefined && ofDataset !== undefined)
        refuse([...at, ofDataset], 'found it with a manifest; expected it with a data set only');
      if (dataset !== undefined && (corpus.target ?? target) === undefined)
        refuse(
          ['target'],
          'found nothing; expected the language to translate into, by which the data set is read',
        );
    }
    if (dev && data.corpora.some(({ set }) => set === dev.set))
      refuse(
        ['dev', 'set'],
        `found "${dev.set}", which is trained on; expected another set than the corpora's`,
      );
    const tunesEncoder = tune.part === 'encoder' || tune.part === 'all';
    if (prompt === 'english-first') {
      const aboutRecordings: readonly [boolean, ...string[]][] = [
        [augment !== undefined, 'augment'],
        [data.mergeSeconds !== undefined, 'data', 'mergeSeconds'],
        [data.timestamps !== undefined, 'data', 'timestamps'],
        [tunesEncoder, 'tune', 'part'],
        [dev?.languages !== undefined, 'dev', 'languages'],
      ];
      for (const [found, ...path] of aboutRecordings) {
        if (found) refuse(path, 'found with english-first, which trains on texts alone, whatever was spoken');
      }
    }
    if (augment?.copies !== undefined && tunesEncoder)
      refuse(['augment', 'copies'], 'found with a tuned encoder, which draws a new version at each visit');
    if (augment && !(augment.speed || augment.noise || augment.reverberation || augment.specAugment))
      refuse(['augment'], 'found nothing to do; expected speed, noise, reverberation or specAugment');
    if (augment?.noise && augment.noise.snr[0] > augment.noise.snr[1])
      refuse(['augment', 'noise', 'snr'], 'found the lowest above the highest; expected [lowest, highest]');
    if (targetToken && (targetToken.as === undefined) === (targetToken.mean === undefined))
      refuse(['targetToken'], 'found both or neither; expected one of as and mean');
    if (targetToken && prompt === 'source-translate')
      refuse(['targetToken'], 'found with the prompt source-translate, which does not name the target');
    if (targetToken && tune.experts)
      refuse(['targetToken'], 'found with experts, which begin from a model that knows its target');
    if (tune.experts && tune.part === 'cross-attention')
      refuse(['tune', 'part'], 'found cross-attention with experts; expected decoder, encoder or all');
    if (tune.experts && tune.experts.languages.length > 1)
      refuse(
        ['tune', 'experts', 'languages'],
        `found ${tune.experts.languages.length}; expected one: experts do not touch each other, and the output of a run can be the model of the next`,
      );
    if (tune.quantization && dtype !== 'float32')
      refuse(
        ['dtype'],
        `found "${dtype}"; expected "float32" with quantization: another rounding would come first`,
      );
    if (tune.quantization && tune.lora)
      refuse(['tune', 'quantization'], 'found adapters (lora) with it; expected one of them');
    if (tune.lora && tune.embedding === 'trained')
      refuse(['tune', 'embedding'], 'found "trained"; expected "frozen" with adapters (lora)');
  });

/** A recipe with all defaults filled in. */
export type Recipe = z.output<typeof recipeSchema>;
export type RecipeCorpus = Recipe['data']['corpora'][number];

/** The manifest of a corpus. A data set has one when it is prepared (recipe-datasets.ts). */
export function manifestOf({ manifest, dataset }: RecipeCorpus): string {
  if (manifest === undefined) throw new Error(`${dataset} is not prepared`);
  return manifest;
}
