// Damaged subtitles and annotations: read, or refused with a line; never another error, and never without end.
//   npm run fuzz:corpora: 10,000 of each kind; FUZZ_SEED repeats one
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { damaged } from '../../testing/damage.ts';
import { readCues } from './cues.ts';
import { segmentRecording } from './segment.ts';

const FILES = Number(process.env.FUZZ_FILES ?? 150);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);

const folder = mkdtempSync(join(tmpdir(), 'subtitles-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rows = Array.from({ length: 12 }, (_, i) => ({
  start: i * 2 + 0.5,
  end: i * 2 + 2.25,
  text: `<i>Zeile</i> ${i}, [Ton] "sagt" er.`,
}));
const clock = (seconds: number, mark: string) =>
  `00:00:${seconds.toFixed(3).padStart(6, '0').replace('.', mark)}`;

const KINDS: Readonly<Record<string, string>> = {
  srt: rows
    .map(({ start, end, text }, i) => `${i + 1}\n${clock(start, ',')} --> ${clock(end, ',')}\n- ${text}\n`)
    .join('\n'),
  vtt: `WEBVTT\n\nNOTE a\n\n${rows.map(({ start, end, text }) => `${clock(start, '.')} --> ${clock(end, '.')} line:0\n<v Anna>${text}\n`).join('\n')}`,
  TextGrid: `File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 99\ntiers? <exists>\nsize = 1\nitem []:\nitem [1]:\nclass = "IntervalTier"\nname = "a"\nxmin = 0\nxmax = 99\nintervals: size = ${rows.length}\n${rows.map(({ start, end, text }) => `xmin = ${start}\nxmax = ${end}\ntext = "${text.replaceAll('"', '""')}"`).join('\n')}\n`,
  eaf: `<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT><TIME_ORDER>${rows.map(({ start, end }, i) => `<TIME_SLOT TIME_SLOT_ID="t${2 * i}" TIME_VALUE="${start * 1000}"/><TIME_SLOT TIME_SLOT_ID="t${2 * i + 1}" TIME_VALUE="${end * 1000}"/>`).join('')}</TIME_ORDER><TIER TIER_ID="a">${rows.map((_, i) => `<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${i}" TIME_SLOT_REF1="t${2 * i}" TIME_SLOT_REF2="t${2 * i + 1}"><ANNOTATION_VALUE>so &amp; so</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`).join('\n')}</TIER></ANNOTATION_DOCUMENT>`,
};

test.each(Object.entries(KINDS))('%s', async (kind, text) => {
  let read = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + FILES; seed++) {
    const file = join(folder, `talk.${kind}`);
    const encoded = seed % 5 === 0 ? Buffer.from(`\ufeff${text}`, 'utf16le') : Buffer.from(text);
    writeFileSync(file, damaged(encoded, seed));
    try {
      const found = await readCues(file, undefined);
      const { clips, problems } = segmentRecording([{ file, language: 'de', ...found }], {
        language: 'de',
        max: 30,
        duration: 20,
      });
      for (const { start, end, texts } of clips) {
        expect(
          start >= 0 && end > start && end <= 20 && end - start <= 30 && texts.get('de') !== '',
          `FUZZ_SEED=${seed}`,
        ).toBe(true);
      }
      for (const problem of problems) expect(problem, `FUZZ_SEED=${seed}`).not.toContain('\n');
      read += Number(clips.length > 0);
    } catch (error) {
      if (!(error instanceof UserError))
        throw new Error(`FUZZ_SEED=${seed}: ${String(error)}`, { cause: error });
      expect(error.message, `FUZZ_SEED=${seed}`).not.toContain('\n');
    }
  }
  // Else nothing was tested.
  expect(read).toBeGreaterThan(0);
});
