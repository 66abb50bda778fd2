import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { readManifest } from '../data/manifest.ts';
import { baseModel } from '../testing/base-model.ts';
import { alignmentHeads } from '../whisper/alignment-heads.ts';
import { fitsPair, rankHeads, type SpokenText } from './choose-heads.ts';

const clips = (await readManifest('samples/manifest.tsv')).filter(
  ({ language, set }) => language === 'en' && set === 'intro',
);

async function spoken(key: string): Promise<SpokenText> {
  const clip = clips.find((each) => each.key === key)!;
  return { samples: await readAudio(clip.audio), text: ` ${clip.text}`, language: 'en' };
}

test('the heads that OpenAI names for transcripts are found anew from recordings whose texts are known', async () => {
  const model = await baseModel();
  const pairs = [
    [await spoken('advanced_colors'), await spoken('algebra_by')] as const,
    [await spoken('algebra_minus'), await spoken('algebra_plus')] as const,
  ];
  const ranked = await rankHeads(model, pairs, (language) => model.tokens.prompt(language, 'transcribe'));
  expect(ranked).toHaveLength(model.dimensions.decoderLayers * model.dimensions.decoderHeads);
  const { heads: named } = alignmentHeads(model.settings.generationConfig, model.dimensions);
  const best = ranked.slice(0, named.length).map(({ head }) => head.join());
  expect(named.filter((head) => best.includes(head.join())).length).toBeGreaterThanOrEqual(5);
  expect(ranked[0]!.score).toBeGreaterThan(0.5);
  expect(ranked.at(-1)!.score).toBeLessThan(0.2);
});

test('pairs that fit no window are none', async () => {
  expect(fitsPair(14 * 16_000, 14 * 16_000)).toBe(false);
  expect(fitsPair(10 * 16_000, 14 * 16_000)).toBe(true);
  await expect(rankHeads(await baseModel(), [], () => [])).rejects.toThrow('found no two recordings');
});
