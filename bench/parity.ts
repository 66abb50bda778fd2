/**
 * Greedy and beam texts in the full window against those of Hugging Face transformers, for the float16 weights and
 * recordings outside this repository (scripts/golden/greedy_texts.py made the texts). English, French and Catalan.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '../src/audio/audio-file.ts';
import { decode } from '../src/decoding/decode.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';

const SMALLEST_SHARE = 0.98;
const CLIPS_PER_ROUND = 16;

interface Golden {
  readonly audio: string;
  readonly language: string;
  readonly text: string;
  readonly beam?: { readonly text: string };
}

export async function parity({ float16, recordings }: BenchOptions): Promise<BenchResult> {
  const title = 'Texts equal to those of transformers, full window';
  if (!existsSync(float16) || !existsSync(recordings)) {
    const goals = [{ goal: 'at least 98 % equal', found: 'no model or recordings', reached: undefined }];
    return { title, rows: [], goals, notes: [`Absent: ${float16} or ${recordings}; skipped.`], raw: {} };
  }
  const golden: Golden[] = readFileSync(
    inRepository('src/decoding/golden/greedy-texts-whisper-base.jsonl'),
    'utf8',
  )
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line));
  const model = await WhisperModel.load(float16);
  const found: { language: string; audio: string; search: string; ours: string; theirs: string }[] = [];
  for (let start = 0; start < golden.length; start += CLIPS_PER_ROUND) {
    const rows = golden.slice(start, start + CLIPS_PER_ROUND);
    const audio = await Promise.all(rows.map((row) => readAudio(join(recordings, row.audio))));
    const clips = await model.encode(audio, 'full');
    const prompts = rows.map(({ language }) => model.tokens.prompt(language, 'transcribe'));
    for (const beams of [1, 5]) {
      const wanted = rows.map((row) => (beams === 1 ? row.text : row.beam?.text));
      if (wanted.every((text) => text === undefined)) continue;
      // As the texts were made.
      const decoded = await decode(model, clips, { prompts, beams, maxTokens: 200 });
      decoded.forEach(({ text }, i) => {
        if (wanted[i] === undefined) return;
        const { language, audio } = rows[i]!;
        found.push({
          language,
          audio,
          search: beams === 1 ? 'greedy' : `${beams} beams`,
          ours: text,
          theirs: wanted[i],
        });
      });
    }
    console.log(`${start + rows.length} of ${golden.length} clips`);
  }
  await model.close();
  const groups = new Map<string, typeof found>();
  for (const row of found) {
    const name = `${row.search}, ${row.language}`;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const share = (rows: typeof found): number =>
    rows.filter(({ ours, theirs }) => ours === theirs).length / rows.length;
  const goal = (search: string) => {
    const rows = found.filter((row) => row.search === search);
    return {
      goal: `${search}: at least 98 % equal`,
      found: rows.length === 0 ? 'no texts' : `${(100 * share(rows)).toFixed(1)} % of ${rows.length}`,
      reached: rows.length === 0 ? undefined : share(rows) >= SMALLEST_SHARE,
    };
  };
  return {
    title,
    rows: [...groups].map(([measure, rows]) => ({
      measure,
      ours: `${rows.filter(({ ours, theirs }) => ours === theirs).length} of ${rows.length}`,
    })),
    goals: [goal('greedy'), goal('5 beams')],
    notes: [],
    raw: found.filter(({ ours, theirs }) => ours !== theirs),
  };
}
