// What voice activity detection would cost in speech: recordings in which somebody speaks, by their manifests, and in
// which it finds nobody, or a long silence; CPU seconds with decoding. With --decode also those of them that lose their
// text or language.
// Prints Markdown.
//
//     npm run build && node scripts/evidence/silence.mjs [--decode] samples/manifest.tsv other/manifest.tsv
import { dirname, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { scanRecording } from '../../dist/decoding/recording.js';
import { speechRegions } from '../../dist/decoding/speech-regions.js';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { decode: { type: 'boolean' } } });
console.log('| recordings | number | hours | nobody found | with a long silence | CPU seconds for an hour |');
console.log('|---|---|---|---|---|---|');
const silent = [];
for (const manifest of positionals) {
  const groups = new Map();
  for (const { audio, language, text: own, translations } of await readManifest(manifest)) {
    const text = [own, ...Object.values(translations)].find((each) => each.trim() !== '') ?? '';
    if (text === '') continue;
    const group = `${relative(dirname(manifest), dirname(audio))} (${language})`;
    const counts = groups.get(group) ?? { clips: 0, seconds: 0, none: 0, parted: 0, cpu: 0 };
    groups.set(group, counts);
    const before = process.cpuUsage();
    const [track] = await scanRecording(audio, {});
    const { user, system } = process.cpuUsage(before);
    counts.clips++;
    counts.seconds += track.length / 16_000;
    counts.cpu += (user + system) / 1e6;
    if (track.stretches.length === 0) {
      counts.none++;
      silent.push({ audio, text });
    } else if (speechRegions(track).length > 1) counts.parted++;
  }
  for (const [group, { clips, seconds, none, parted, cpu }] of groups) {
    const hours = seconds / 3600;
    console.log(`| ${group} | ${clips} | ${hours.toFixed(2)} | ${none} | ${parted} | ${(cpu / hours).toFixed(1)} |`);
  }
}
console.log(`\nNobody found: ${silent.map(({ audio, text }) => `${relative('.', audio)} (${text})`).join(', ') || 'in none'}`);
if (values.decode && silent.length > 0) {
  const { Whisper } = await import('../../dist/index.js');
  const whisper = await Whisper.load();
  for await (const { audio, language, text } of whisper.transcribe(silent.map(({ audio }) => audio))) {
    console.log(`- ${audio}: ${language}, “${text}”`);
  }
  await whisper.close();
}
