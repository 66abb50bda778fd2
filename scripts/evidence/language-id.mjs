// How often the off-target rate errs within one script: the product's rule by language, and the libraries it was
// chosen from at equal rates of false alarms. Prints Markdown.
//
//     npm run build && npm install --no-save --prefix out/identifiers eld@2.1.0 franc-all@7.2.0 tinyld@1.3.4 \
//       lande@1.0.10 cld3-asm@4.0.0 languagedetect@2.0.0
//     node scripts/evidence/language-id.mjs --texts tatoeba_pivot.tsv,wesnoth_en_zh.tsv.gz --lingua <lingua-rs> \
//       --libraries out/identifiers
//
// --texts: tables whose header names languages, a sentence in each. --lingua: a checkout of pemistahl/lingua-rs
// (Apache-2.0), whose test sentences are from the Leipzig corpora. Up to 200 sentences a language, as many of 3-4,
// 5-10 and 11 or more words as there are of each.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { isLikelyIn, loadIdentifier } from '../../dist/language/identify.js';

const { values: options } = parseArgs({
  options: { texts: { type: 'string' }, lingua: { type: 'string' }, libraries: { type: 'string' } },
});
const SENTENCES = 200;
const LENGTHS = [
  [3, 4],
  [5, 10],
  [11, Infinity],
];
const words = (text) => text.match(/\p{L}[\p{L}\p{M}'’-]*/gu)?.length ?? 0;
const script = (language) => new Intl.Locale(language).maximize().script;

/** language → texts */
const all = new Map();
const add = (language, text) => {
  const code = { pt_BR: 'pt', nb: 'no' }[language] ?? language;
  if (!/^[a-z]{2,3}$/.test(code) || !/[.!?…»”"]$/.test(text)) return; // titles and names are no sentences
  all.set(code, (all.get(code) ?? new Set()).add(text));
};
for (const file of options.texts?.split(',') ?? []) {
  const bytes = readFileSync(file);
  const [header, ...rows] = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trimEnd().split('\n');
  const languages = header.split('\t');
  for (const row of rows.map((line) => line.split('\t'))) {
    const english = row[languages.indexOf('en')];
    // Untranslated cells repeat the English; "female^" and the like are marks of the program.
    row.forEach((text, i) => text.includes('^') || (languages[i] !== 'en' && text === english) || add(languages[i], text));
  }
}
if (options.lingua) {
  for (const language of readdirSync(join(options.lingua, 'language-models'))) {
    const file = join(options.lingua, 'language-models', language, 'testdata/sentences.txt');
    for (const text of readFileSync(file, 'utf8').trimEnd().split('\n')) add(language, text);
  }
}

/** Evenly spread over the list, so that every source has its part. */
const spread = (list, count) =>
  list.length <= count ? list : Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]);
/** language → one list of texts for each of LENGTHS */
const sentences = new Map();
for (const [language, texts] of all) {
  const byLength = LENGTHS.map(([from, to]) => [...texts].filter((text) => words(text) >= from && words(text) <= to));
  let left = SENTENCES;
  const order = [0, 1, 2].sort((a, b) => byLength[a].length - byLength[b].length);
  const chosen = [];
  order.forEach((length, i) => {
    chosen[length] = spread(byLength[length], Math.ceil(left / (3 - i)));
    left -= chosen[length].length;
  });
  if (left < SENTENCES / 2) sentences.set(language, chosen);
}
const SHARED = ['Latn', 'Cyrl', 'Arab', 'Deva'];
const languages = [...sentences.keys()].filter((language) => SHARED.includes(script(language))).sort();
const percent = (part, whole) => (whole === 0 ? '–' : ((100 * part) / whole).toFixed(1));
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

// The product's rule.
console.log('Right sentences that are reported (false alarms) and wrong ones that are not (misses), percent:\n');
row(['language', 'sentences', '3–4 words', '5–10', '11+', 'all', 'English missed', 'French', 'German', 'Spanish', 'Russian', 'missed most']);
row(Array(12).fill('---'));
const sum = { alarms: [0, 0, 0], of: [0, 0, 0] };
for (const language of languages) {
  await loadIdentifier(language);
  const alarms = sentences.get(language).map((list) => list.filter((text) => !isLikelyIn(text, language)).length);
  const sizes = sentences.get(language).map((list) => list.length);
  alarms.forEach((count, i) => {
    sum.alarms[i] += count;
    sum.of[i] += sizes[i];
  });
  const missed = (other) => {
    if (other === language || script(other) !== script(language)) return undefined;
    const texts = sentences.get(other).flat();
    return texts.filter((text) => isLikelyIn(text, language)).length / texts.length;
  };
  const others = languages.map((other) => [other, missed(other) ?? 0]).sort((a, b) => b[1] - a[1]);
  const total = (list) => list.reduce((a, b) => a + b, 0);
  row([
    language,
    total(sizes),
    ...alarms.map((count, i) => percent(count, sizes[i])),
    percent(total(alarms), total(sizes)),
    ...['en', 'fr', 'de', 'es', 'ru'].map((other) => (missed(other) === undefined ? '' : percent(missed(other), 1))),
    others
      .filter(([, rate]) => rate > 0.02)
      .slice(0, 3)
      .map(([other, rate]) => `${other} ${percent(rate, 1)}`)
      .join(', '),
  ]);
}
row(['all', sum.of.reduce((a, b) => a + b), ...sum.alarms.map((count, i) => percent(count, sum.of[i])), percent(sum.alarms.reduce((a, b) => a + b), sum.of.reduce((a, b) => a + b)), '', '', '', '', '', '']);

if (!options.libraries) process.exit();
// The libraries: a text is off target where the best other language leads by more than a margin, which is set so that
// 1 in 100 right sentences is reported on average over the languages that the library knows.
const require = createRequire(join(resolve(options.libraries), 'package.json'));
const load = (name) => import(require.resolve(name));
const from = async (path) => import(join(resolve(options.libraries), 'node_modules', path));
const ISO3 = Object.fromEntries(
  'afr af,aze az,azj az,bos bs,bre br,cat ca,ces cs,cym cy,dan da,deu de,eng en,spa es,est et,ekk et,eus eu,fin fi,fra fr,gle ga,gla gd,glg gl,hrv hr,hun hu,ind id,isl is,ita it,lat la,lit lt,lav lv,lvs lv,zlm ms,zsm ms,msa ms,nld nl,nob no,nno nn,oci oc,pol pl,por pt,ron ro,slk sk,slv sl,sna sn,som so,als sq,sqi sq,swe sv,swh sw,swa sw,tgl tl,tur tr,vie vi,yor yo,epo eo,ast ast,xho xh,zul zu,mri mi,sot st,tsn tn,tso ts,lug lg'
    .split(',')
    .map((pair) => pair.split(' ')),
);
const scored = (list) => Object.fromEntries(list.map(([code, score]) => [ISO3[code] ?? code, score]));
const cld = await (await load('cld3-asm')).default.loadModule();
const identifier = cld.create(0, 1000);
const classic = new (require('languagedetect'))();
classic.setLanguageType('iso2');
const [{ francAll }, { detectAll }, { default: lande }] = [
  await from('franc-all/index.js'),
  await from('tinyld/dist/tinyld.heavy.node.mjs'),
  await from('lande/standalone/t50.js'),
];
const libraries = {
  'franc-all': (text) => scored(francAll(text, { minLength: 1 }).filter(([code]) => code in ISO3)),
  'tinyld (heavy)': (text) => scored(detectAll(text).map(({ lang, accuracy }) => [lang, accuracy])),
  lande: (text) => scored(lande(text)),
  // cld3 reports the best language only.
  'cld3-asm': (text) => scored([[identifier.findLanguage(text)].map(({ language, probability }) => [language, probability])[0]]),
  languagedetect: (text) => scored(classic.detect(text)),
};
for (const size of ['extrasmall', 'small', 'medium', 'large']) {
  const { eld } = await from(`eld/src/entries/static.${size}.js`);
  libraries[`eld (${size})`] = (text) => eld.detect(text).getScores();
}
console.log('\nEach library at 1 % of false alarms, misses in percent by length (3–4, 5–10, 11+ words):\n');
row(['library', 'Latin languages known', 'margin', 'false alarms by length', 'English missed', 'French, German, Spanish missed']);
row(Array(6).fill('---'));
const latin = languages.filter((language) => script(language) === 'Latn');
for (const [name, detect] of Object.entries(libraries)) {
  const scores = new Map(latin.map((language) => [language, sentences.get(language).map((list) => list.map(detect))]));
  const seen = new Set([...scores.values()].flat(2).flatMap((s) => Object.keys(s)));
  const targets = latin.filter((language) => seen.has(language));
  const lead = (s, target) =>
    Math.max(0, ...Object.entries(s).flatMap(([code, score]) => (code !== target && latin.includes(code) ? [score] : []))) -
    (s[target] ?? 0);
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const rate = (list, test) => list.filter(test).length / list.length;
  const right = targets.map((target) => scores.get(target).map((list) => list.map((s) => lead(s, target))));
  const alarms = (margin) => mean(right.map((lists) => rate(lists.flat(), (l) => l > margin)));
  let margin = 0;
  while (margin < 1 && alarms(margin) > 0.01) margin += 0.005;
  const byLength = (pairs) =>
    LENGTHS.map((_, i) => percent(mean(pairs.map(([target, other]) => rate(scores.get(other)[i], (s) => lead(s, target) <= margin))), 1)).join(' / ');
  const pairs = (others) => targets.flatMap((target) => others.filter((o) => o !== target).map((other) => [target, other]));
  row([
    name,
    targets.length,
    margin.toFixed(3),
    LENGTHS.map((_, i) => percent(mean(right.filter((l) => l[i].length).map((lists) => rate(lists[i], (l) => l > margin))), 1)).join(' / '),
    byLength(pairs(['en'])),
    byLength(pairs(['fr', 'de', 'es'])),
  ]);
}
