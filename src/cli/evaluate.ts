/** `whisper-transfer evaluate`: how well a model translates the clips of a manifest, per language. */
import { Command } from 'commander';
import { decode } from '../decoding/decode.ts';
import { UserError } from '../errors.ts';
import { type TranslationScores, translationScores } from '../evaluation/translation-scores.ts';
import { startProgress } from '../report/progress.ts';
import { table } from '../report/terminal.ts';
import { WhisperModel, type Window } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { encodedClips, selectClips } from './encoded-clips.ts';
import { modelOption, windowOption, withModel } from './options.ts';

interface Options {
  model: string;
  set?: string;
  language?: string;
  target: string;
  window: Window;
  cache: string;
  json?: boolean;
}

interface Row extends TranslationScores {
  readonly language: string;
  readonly n: number;
}

/** Longer than any reference of a sentence; an untuned decoder that loops is cut off there. */
const MAX_TOKENS = 96;

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description(
      'translate the clips of a manifest into Chinese and score them: BLEU, chrF, off-target rate per language',
    )
    .argument('<manifest>', 'TSV or JSONL manifest with "audio" and "zh" columns')
    .addOption(modelOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option('--language <code>', 'use only clips in this language')
    .option('--target <code>', 'language to translate into', 'zh')
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept between runs', 'out/cache')
    .option('--json', 'print one JSON object for each language')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer evaluate samples/manifest.tsv --set new --model out/en-zh',
    )
    .action(evaluate);
}

async function evaluate(manifest: string, options: Options): Promise<void> {
  const clips = (await selectClips(manifest, options)).filter(({ chinese }) => chinese !== '');
  if (clips.length === 0) throw new UserError(`${manifest}: none of these clips has a "zh" reference`);
  const rows = await withModel(WhisperModel.load(options.model), async (model) => {
    const task: Task = model.settings.generationConfig.task === 'translate' ? 'translate' : 'transcribe';
    const prompt = model.tokens.prompt(options.target, task);
    const usable = await encodedClips(model, clips, options);
    const decoding = startProgress('decoding', usable.length);
    const outputs = await decode(
      model,
      usable.map(({ encoded }) => encoded),
      {
        prompts: usable.map(() => prompt),
        maxTokens: MAX_TOKENS,
        onProgress: (done) => decoding.update(done),
      },
    );
    decoding.done();
    const languages = [...new Set(usable.map(({ clip }) => clip.language))].sort();
    return languages.map((language): Row => {
      const own = usable.flatMap(({ clip }, i) =>
        clip.language === language ? [{ clip, text: outputs[i]!.text }] : [],
      );
      const scores = translationScores(
        own.map(({ text }) => text),
        own.map(({ clip }) => clip.chinese),
        options.target,
      );
      return { language, n: own.length, ...scores };
    });
  });
  if (options.json) for (const row of rows) console.log(JSON.stringify(row));
  else {
    process.stdout.write(
      table(rows, [
        { heading: 'language', value: (row) => row.language },
        { heading: 'clips', value: (row) => row.n },
        { heading: 'BLEU', value: (row) => row.bleu.toFixed(1), align: 'right' },
        { heading: 'chrF', value: (row) => row.chrf.toFixed(1), align: 'right' },
        { heading: 'off-target', value: (row) => `${(100 * row.offTarget).toFixed(0)} %`, align: 'right' },
      ]),
    );
    console.log(rows[0]!.signatures.bleu);
  }
}
