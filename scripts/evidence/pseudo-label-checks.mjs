// False alarms of pseudo-label's checks: human translations, each taken for an answer. Any table of parallel text with a column
// `en`; its other columns are languages. What stands in the documentation comes from Tatoeba (CC-BY 2.0 FR):
//
//     npm run build && node scripts/evidence/pseudo-label-checks.mjs tatoeba_en_zh.tsv tatoeba_pivot.tsv [--only zh,fr,de]
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { loadIdentifier } from '../../dist/language/identify.js';
import { isLanguage } from '../../dist/language/profile.js';
import { faultOf } from '../../dist/pseudo-labels/check-answer.js';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } });
if (positionals.length === 0) throw new Error('expected tables of parallel text');
const only = values.only?.split(',');

for (const file of positionals) {
  const [header = [], ...rows] = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
  const en = header.indexOf('en');
  for (const [place, target] of header.entries()) {
    if (place === en || !isLanguage(target) || (only && !only.includes(target))) continue;
    await loadIdentifier(target);
    /** @type {Record<string, number>} */
    const counts = {};
    let pairs = 0;
    for (const row of rows) {
      const [text, answer] = [row[en], row[place]];
      if (!text || !answer) continue;
      pairs++;
      const fault = faultOf({ language: 'en', text, before: [] }, answer, target);
      if (fault) counts[fault] = (counts[fault] ?? 0) + 1;
    }
    const alarms = Object.values(counts).reduce((sum, one) => sum + one, 0);
    if (pairs > 0)
      console.log(`${basename(file)} ${target}: ${alarms} of ${pairs} (${((100 * alarms) / pairs).toFixed(2)} %) ${JSON.stringify(counts)}`);
  }
}
