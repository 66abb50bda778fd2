/** `whisper-transfer align-heads`: chooses the alignment heads of a model anew. */
import type { Command } from 'commander';
import type { SpokenText } from '../decoding/choose-heads.ts';
import { UserError } from '../errors.ts';
import { positiveInteger, threadsOption, writtenLanguage } from './options.ts';
import { showWork } from './show-work.ts';

interface Flags {
  data: string;
  to?: string;
  set?: string;
  pairs: number;
  heads?: number;
  json?: boolean;
}

const HELP = `
Alignment heads are the heads of the decoder whose attention follows the speech: word times and \`live --policy alignatt\` need
them. Those of Whisper are chosen for transcripts; tuning moves them, and a translation has others.

How they are chosen: recordings of the manifest are joined two by two with a pause of half a second, and the texts with
them. So it is known for every token in which of the two recordings it was said, in whatever language it is written. A
head's score is the share of its attention that lies in the right recording, within 0.2 s of the best path that goes only
forward. The heads with the highest scores are written into the model's generation_config.json. Of a model that translates
English first, those of its English half, which is what hears the speech.

Example:
  $ whisper-transfer align-heads out/demo/model --data samples/manifest.tsv --set intro
`;

export function alignHeadsCommand(command: Command): Command {
  return command
    .argument('<model>', 'model directory in Hugging Face layout, whose generation_config.json is changed')
    .requiredOption('--data <manifest>', 'recordings with texts in the language that the model writes')
    .option(
      '--to <language>',
      'language of the texts; default: the one that the model was trained for, else the one spoken',
      writtenLanguage,
    )
    .option('--set <name>', 'only rows of this set')
    .option('--pairs <n>', 'number of pairs of recordings', positiveInteger, 40)
    .option('--heads <n>', 'number of heads; default: as many as the model names, else 8', positiveInteger)
    .addOption(threadsOption())
    .option('--json', 'print the scores of all heads as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(directory: string, flags: Flags): Promise<void> {
  const { join, resolve } = await import('node:path');
  const { isHubName, repoOfSnapshot } = await import('../hub/names.ts');
  const { readAudio } = await import('../audio/audio-file.ts');
  const { readJsonIfPresent } = await import('../checkpoint/directory.ts');
  const { missingReference, referenceIn } = await import('../data/clip.ts');
  const { readManifest } = await import('../data/manifest.ts');
  const { fitsPair, rankHeads } = await import('../decoding/choose-heads.ts');
  const { choosePrompt, targetOf } = await import('../decoding/prompt-choice.ts');
  const { writeJson } = await import('../files/write-whole.ts');
  const { languageProfile, sameLanguage } = await import('../language/profile.ts');
  const { englishFolder } = await import('../whisper/english-half.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { trainedPrompt } = await import('../whisper/prompts.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  if (isHubName(directory) || repoOfSnapshot(resolve(directory)))
    throw new UserError(
      `${directory}: is a model of the hub, whose cache is not changed; expected a folder of yours: quantize or cp -rL makes one`,
    );
  const work = showWork();
  const english = await englishFolder(directory);
  const folder = english ?? directory;
  const all = await readManifest(flags.data);
  const clips = flags.set === undefined ? all : all.filter(({ set }) => set === flags.set);
  const found = await withModel(WhisperModel.load(folder), async (model) => {
    const { generationConfig } = model.settings;
    const target =
      flags.to ?? (english || !trainedPrompt(generationConfig) ? undefined : targetOf(model, undefined));
    const written = english && flags.to === undefined ? 'en' : target;
    const textOf = (clip: (typeof clips)[number]): string => referenceIn(clip, written ?? clip.language);
    const usable = clips.filter((clip) => clip.audio !== '' && textOf(clip) !== '');
    if (usable.length === 0)
      throw new UserError(missingReference(flags.data, clips, written ?? clips[0]?.language ?? 'en'));
    const spoken = async (clip: (typeof clips)[number]): Promise<SpokenText> => ({
      samples: await readAudio(clip.audio),
      text: (languageProfile(written ?? clip.language).spaces ? ' ' : '') + textOf(clip).trim(),
      language: clip.language,
    });
    const pairs = (async function* () {
      let count = 0;
      for (const [first, second] of pairsOf(usable, flags.pairs)) {
        const pair = [await spoken(first), await spoken(second)] as const;
        if (!fitsPair(pair[0].samples.length, pair[1].samples.length)) continue;
        if (count++ === flags.pairs) return;
        yield pair;
      }
    })();
    const translates = written !== undefined;
    const translated = choosePrompt(model, { task: 'translate', to: written });
    const transcribed = choosePrompt(model, { task: 'transcribe' });
    const ranked = await rankHeads(
      model,
      pairs,
      (language) => {
        const code = model.tokens.codeOf(language);
        return translates && !sameLanguage(written, language) ? translated.of(code) : transcribed.of(code);
      },
      {
        signal: work.signal,
        onProgress: (done) => work.onProgress({ stage: 'measuring heads', done, total: flags.pairs }),
      },
    );
    return { ranked, named: generationConfig.alignment_heads };
  });
  work.end();
  const { ranked, named } = found;
  const before = Array.isArray(named) ? (named as [number, number][]) : [];
  const count = flags.heads ?? (before.length || 8);
  const chosen = ranked.slice(0, count);
  const file = join(folder, 'generation_config.json');
  const config = (await readJsonIfPresent(file)) ?? {};
  await writeJson(file, { ...config, alignment_heads: chosen.map(({ head }) => head) });
  if (flags.json) {
    console.log(JSON.stringify({ file, chosen, before, ranked }));
    return;
  }
  const scoreOf = ([layer, head]: readonly [number, number]) =>
    ranked.find(({ head: [l, h] }) => l === layer && h === head)?.score ?? 0;
  const mean = (scores: readonly number[]) =>
    `${((100 * scores.reduce((a, b) => a + b, 0)) / Math.max(1, scores.length)).toFixed(0)} %`;
  const names = chosen.map(({ head: [layer, head] }) => `${layer}.${head}`).join(' ');
  console.log(
    `${file}: alignment heads ${names} (layer.head); ${mean(chosen.map(({ score }) => score))} of their attention ` +
      (before.length > 0
        ? `follows the speech, ${mean(before.map(scoreOf))} of those before`
        : 'follows the speech'),
  );
}

/** Pairs of rows in the same language, spread over the manifest, more than are needed as some may not fit. */
function* pairsOf<Row extends { readonly language: string }>(
  rows: readonly Row[],
  wanted: number,
): Generator<[Row, Row]> {
  const step = Math.max(1, Math.floor(rows.length / (2 * wanted)));
  for (let offset = 0; offset < step; offset++) {
    for (let i = offset; i + step < rows.length; i += 2 * step) {
      const [first, second] = [rows[i]!, rows[i + step]!];
      if (first.language === second.language) yield [first, second];
    }
  }
}
