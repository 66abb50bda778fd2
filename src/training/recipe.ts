/**
 * A recipe: all that a training run is, as one JSON file. This schema is the one place where keys, what is allowed, and
 * defaults stand; the flags and help of `train`, the JSON Schema for editors, the messages about mistakes and the settings
 * of checkpoints follow from it. Descriptions are what the help says.
 */
import { z } from 'zod';
import { PROMPT_KINDS } from '../whisper/prompts.ts';
import { BEST_BY } from './dev-evaluation.ts';
import { defaultLora, LORA_PROJECTIONS } from './lora.ts';
import { defaultTraining } from './train.ts';
import { TUNED_PARTS } from './tuned-weights.ts';

/** In a recipe's file relative to that file. */
const path = () => z.string().min(1).meta({ format: 'path' });
const text = () => z.string().min(1);
const wholeNumber = () => z.int().min(1);
const positive = () => z.number().positive();
const share = () => z.number().min(0).max(1);

const corpus = z.strictObject({
  manifest: path().describe('TSV or JSONL manifest'),
  set: text().optional().describe('use only clips of this set'),
  language: text().optional().describe('use only clips in this language'),
  target: text().optional().describe('language of the texts, where corpora have different ones'),
  weight: positive().optional().describe('how often clips of the corpus are drawn, as a factor of its size'),
});

const data = z.strictObject({
  corpora: z
    .array(corpus)
    .min(1)
    .describe('what is trained on: {manifest, set, language, target, weight} each'),
  temperature: positive()
    .optional()
    .describe('corpora are drawn by size ^ (1 / temperature); 1: by size, higher: more evenly'),
  window: z
    .enum(['fit', 'full'])
    .default('fit')
    .describe('fit: the clip and a short stretch of cached silence; full: 30 s, as Whisper was trained'),
  mergeSeconds: positive()
    .max(30)
    .optional()
    .describe('join clips of one speaker that follow each other, up to this many seconds, 30 at most'),
  maxPadding: share()
    .optional()
    .describe('largest share of a batch, of its frames and of its tokens, that may be padding'),
  cache: path().default('out/cache').describe('where encoder outputs are kept between runs'),
});

const augment = z.strictObject({
  copies: wholeNumber()
    .optional()
    .describe(
      'versions of each clip that are encoded once; default: 3. With a tuned encoder each visit is new',
    ),
  speed: z
    .array(positive())
    .min(1)
    .optional()
    .describe('change the speed by one of these factors, such as 0.9,1,1.1'),
  noise: z
    .strictObject({
      folder: path().describe('folder of recordings of noise'),
      snr: z
        .tuple([z.number(), z.number()])
        .default([5, 20])
        .describe('lowest and highest signal-to-noise ratio, in dB'),
      probability: share().default(0.5).describe('share of the versions with noise'),
    })
    .optional(),
  reverberation: z
    .strictObject({
      folder: path().describe('folder of recordings of room impulse responses'),
      probability: share().default(0.5).describe('share of the versions with reverberation'),
    })
    .optional(),
  specAugment: z
    .strictObject({
      timeMasks: z.int().min(0).default(2).describe('number of stretches of time that are masked'),
      timeWidth: wholeNumber().default(40).describe('longest masked stretch of time, in frames of 10 ms'),
      frequencyMasks: z.int().min(0).default(2).describe('number of bands of mel bins that are masked'),
      frequencyWidth: wholeNumber().default(27).describe('widest masked band, in mel bins'),
    })
    .optional(),
});

const targetToken = z.strictObject({
  as: text()
    .optional()
    .describe('for a target that Whisper has no token for: the language whose token it takes'),
  mean: z
    .array(text())
    .min(1)
    .optional()
    .describe(
      'for such a target: train a new token, which starts as the mean of the tokens of these languages',
    ),
});

const tune = z.strictObject({
  part: z
    .enum(TUNED_PARTS)
    .default(defaultTraining.part)
    .describe('what is tuned; encoder and all start from the recordings in every step'),
  embedding: z
    .enum(['frozen', 'dense'])
    .default(defaultTraining.embedding)
    .describe('whether the token embedding, which is also the output matrix, is trained (dense)'),
  lora: z
    .strictObject({
      rank: wholeNumber()
        .default(defaultLora.rank)
        .describe('tune adapters of this rank in place of the part'),
      alpha: positive()
        .optional()
        .describe('weight of the adapters is alpha / rank; default: twice the rank'),
      projections: z
        .array(z.enum(LORA_PROJECTIONS))
        .min(1)
        .default([...defaultLora.projections])
        .describe('which projections of the attention and feed-forward layers have adapters'),
    })
    .optional(),
  experts: z
    .strictObject({
      languages: z
        .array(text())
        .min(1)
        .describe('the language that gets feed-forward layers of its own; one in a run'),
      gateWidth: wholeNumber()
        .default(64)
        .describe('inner size of the gates between experts and shared layers'),
    })
    .optional(),
  quantization: z
    .strictObject({
      bits: z
        .int()
        .min(8)
        .max(8)
        .default(8)
        .describe('train the weights as the int8 of `quantize` will round them'),
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
    .describe('share of the target probability that is spread over all tokens'),
  languageWeights: z
    .record(text(), z.strictObject({ from: positive(), to: positive() }))
    .optional()
    .describe('factor of the loss by language, at the first and the last step: {"fr": {"from": 1, "to": 2}}'),
  distillation: z
    .strictObject({
      teacher: path().describe('teacher: a Whisper model directory in Hugging Face layout'),
      divergence: z
        .enum(['kl', 'js'])
        .default('kl')
        .describe('divergence from the teacher: Kullback-Leibler or Jensen-Shannon'),
      temperature: positive().default(1).describe('temperature of the softmax of teacher and student'),
      weight: share().default(0.9).describe('share of the teacher in the loss; the rest is cross-entropy'),
      hidden: z
        .enum(['static', 'dynamic'])
        .optional()
        .describe('match hidden states, too: how layers are paired'),
      distance: z.enum(['mse', 'l1']).optional().describe('distance between hidden states; default: mse'),
    })
    .optional(),
});

const optimizer = z.strictObject({
  steps: wholeNumber().default(200).describe('optimizer steps'),
  batchSize: wholeNumber().default(defaultTraining.batchSize).describe('clips in a batch'),
  accumulate: wholeNumber().optional().describe('gradient accumulation: batches per step; default: 1'),
  recompute: z
    .boolean()
    .optional()
    .describe('compute activations again for the gradient: less memory, about a fifth more time'),
  learningRate: positive()
    .default(defaultTraining.learningRate)
    .describe('highest step size; linear warm-up, then linear decay to 0'),
  warmup: z
    .int()
    .min(1)
    .default(defaultTraining.warmupSteps)
    .describe('warm-up steps, over which the learning rate rises'),
  weightDecay: z.number().min(0).default(defaultTraining.weightDecay).describe('weight decay of AdamW'),
  clipNorm: positive()
    .default(defaultTraining.clipNorm)
    .describe('gradients are scaled down to at most this joint L2 norm'),
  seed: wholeNumber()
    .default(defaultTraining.seed)
    .describe('seed of the order of the clips; the same seed gives the same weights'),
});

const dev = z.strictObject({
  set: text().describe("evaluate on clips of this set of the corpora's manifests while training"),
  every: wholeNumber().default(100).describe('steps between evaluations; there is one at the end, too'),
  clips: wholeNumber().default(32).describe('largest number of clips in an evaluation'),
  patience: wholeNumber()
    .optional()
    .describe('end after this many evaluations without a better one; default: never'),
  best: z.enum(BEST_BY).default('loss').describe('the best evaluation has least loss, or most BLEU or chrF'),
  keep: z
    .enum(['best', 'last'])
    .default('best')
    .describe('weights that are saved: of the best evaluation, or of the last step'),
});

export const recipeSchema = z
  .strictObject({
    $schema: z.string().optional().describe('for editors: recipe.schema.json'),
    model: path()
      .optional()
      .describe('Whisper model directory in Hugging Face layout; default: the embedded Whisper base'),
    output: path().describe('where the trained model is written, in Hugging Face layout'),
    dtype: z
      .enum(['float16', 'float32'])
      .default('float16')
      .describe('number format of the weights that are written'),
    data,
    augment: augment.optional(),
    target: text()
      .optional()
      .describe(
        'language to translate into, such as de: its texts are in the column text_de of the manifests',
      ),
    targetToken: targetToken.optional(),
    prompt: z
      .enum(PROMPT_KINDS)
      .default('target-transcribe')
      .describe('language token and task token of the prompt'),
    targetVocabulary: z
      .union([z.literal(true), path()])
      .optional()
      .describe('decode only tokens that occur in the references and in this text file; kept with the model'),
    tune: tune.prefault({}),
    objective: objective.prefault({}),
    optimizer: optimizer.prefault({}),
    dev: dev.optional(),
    checkpointEvery: wholeNumber()
      .default(100)
      .describe(
        'steps between checkpoints in <output>/checkpoints; there is one at the end and on Ctrl-C, too',
      ),
  })
  .superRefine(({ augment, data, dev, tune, dtype, prompt, targetToken }, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (dev && data.corpora.some(({ set }) => set === dev.set))
      refuse(
        ['dev', 'set'],
        `found "${dev.set}", which is trained on; expected another set than the corpora's`,
      );
    if (augment?.copies !== undefined && (tune.part === 'encoder' || tune.part === 'all'))
      refuse(['augment', 'copies'], 'found with a tuned encoder, which hears a new version at each visit');
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
    if (tune.lora && tune.embedding === 'dense')
      refuse(['tune', 'embedding'], 'found "dense"; expected "frozen" with adapters (lora)');
  });

/** With all defaults in their places. */
export type Recipe = z.output<typeof recipeSchema>;
