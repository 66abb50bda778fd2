// Memory and time of commands that read a manifest, and of `prepare` from an archive, by the number of rows:
//   npm run build && node scripts/evidence/million-rows.mjs [rows …]      default: 10000 100000 1000000
// The texts are made up; the recordings of `encode` are parts of one file, and it is ended where encoding begins: what it holds then
// is what it holds of the rows. `prepare` reads a plain tar of Common Voice whose members stand in another order than its tables.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'million-'));
const sizes = process.argv.slice(2).map(Number);

/** @param {string} name @param {number} rows @param {(i: number) => string | Uint8Array} piece */
async function write(name, rows, piece, first = '', last = Buffer.alloc(0)) {
  const pieces = function* () {
    if (first) yield Buffer.from(first);
    for (let i = 0; i < rows; i += 500) {
      yield Buffer.concat(Array.from({ length: Math.min(500, rows - i) }, (_, j) => Buffer.from(piece(i + j))));
    }
    yield last;
  };
  await pipeline(Readable.from(pieces()), createWriteStream(join(folder, name)));
  return join(folder, name);
}

/**
 * Runs a command; tells its processor time and largest memory.
 * @param {string} what @param {number} rows @param {string[]} args @param {RegExp} [until] on standard error, where it is ended
 */
function measure(what, rows, args, until) {
  const report = join(folder, 'usage.json');
  // The process writes down its own largest memory as it ends.
  const hook = `data:text/javascript,import{writeFileSync}from'node:fs';process.on('exit',()=>{const{maxRSS,userCPUTime,systemCPUTime}=process.resourceUsage();writeFileSync(${JSON.stringify(report)},JSON.stringify([maxRSS/1024,(userCPUTime+systemCPUTime)/1e6]))})`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', hook, main, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    let ended = false;
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      said = (said + text).slice(-1000);
      if (!until?.test(said) || ended) return;
      ended = true;
      child.kill('SIGINT');
    });
    child.on('close', (status) => {
      // 1: check found something in what was made up.
      if (status !== 0 && !ended && status !== 1) return reject(new Error(`${what}: ${said}`));
      const [peak, cpu] = JSON.parse(readFileSync(report, 'utf8'));
      console.log(`${what.padEnd(24)} ${rows.toLocaleString('en').padStart(10)} rows  ${cpu.toFixed(1).padStart(6)} s of processor time  ${peak.toFixed(0).padStart(5)} MiB`);
      resolve(undefined);
    });
  });
}

const WORDS = {
  en: 'the a man woman child house river sees takes gives old red small window train letter under before with again'.split(' '),
  de: 'der ein Mann Frau Kind Haus Fluss sieht nimmt gibt alt rot klein Fenster Zug Brief unter vor mit wieder'.split(' '),
};
/** @param {number} i @param {'en' | 'de'} [language] */
const sentence = (i, language = 'en') =>
  `${Array.from({ length: 9 }, (_, k) => WORDS[language][(i * 7 + k * 13 + ((i >> k) & 3)) % 20]).join(' ')} ${i}.`;

/** A header of ustar. @param {string} name @param {number} size */
function tarHeader(name, size) {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0' + '0000000\0'.repeat(2), 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0        0', 136);
  header.write('ustar\x0000', 257);
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
/** @param {string} name @param {Uint8Array} content */
const tarMember = (name, content) =>
  Buffer.concat([tarHeader(name, content.length), content, Buffer.alloc((512 - (content.length % 512)) % 512)]);

/** One second of silence in 16 bits. */
function wav(/** @type {number} */ seconds) {
  const bytes = Buffer.alloc(44 + 32_000 * seconds);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  for (const [i, value] of [16, 0, 1, 1].entries()) i < 1 ? bytes.writeUInt32LE(value, 16) : i > 1 && bytes.writeUInt16LE(value, 16 + 2 * i);
  bytes.writeUInt32LE(16_000, 24);
  bytes.writeUInt32LE(32_000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(bytes.length - 44, 40);
  return bytes;
}

try {
  for (const rows of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
    const header = 'audio\tlang\tset\tkey\ttext\ttext_de\tduration_s\tspeaker\n';
    const manifest = await write('m.tsv', rows, (i) => `clips/${i % 1000}/clip_${i}.opus\ten\t${i % 50 ? 'train' : 'test'}\t${i}\t${sentence(i)}\t${sentence(i, 'de')}\t${(1 + (i % 50) / 10).toFixed(3)}\tspeaker ${i % 5000}\n`, header);
    await measure('check --no-audio', rows, ['check', manifest, '--no-audio', '--json']);
    await measure('stats', rows, ['stats', manifest, '--json']);
    const texts = await write('texts.tsv', rows, (i) => `clips/clip_${i}.opus\ten\ttrain\t${i}\t${sentence(i)}\n`, 'audio\tlang\tset\tkey\ttext\n');
    await measure('pseudo-label --dry-run', rows, ['pseudo-label', texts, '--to', 'de', '--url', 'http://localhost:1/v1', '--model', 'm', '--output', 'labelled.tsv', '--dry-run']);
    await write('talk.wav', 1, () => wav(600));
    const parts = await write('parts.tsv', rows, (i) => `talk.wav\t${((i * 1.003) % 590).toFixed(3)}\t${((i * 1.003) % 590) + 2}\ten\ttrain\t${i}\t${sentence(i)}\t${sentence(i, 'de')}\n`, 'audio\tstart_s\tend_s\tlang\tset\tkey\ttext\ttext_de\n');
    await measure('encode, until it begins', rows, ['encode', parts, '--cache', join(folder, 'cache')], /encoding {2}/);
    rmSync(join(folder, 'cache'), { recursive: true, force: true });
    // The table names the clips in another order than the archive.
    const step = 7919;
    const names = 'client_id\tpath\tsentence\tlocale\n';
    const table = [...Array(rows).keys()].map((i) => `c${i % 5000}\tcommon_voice_en_${(i * step) % rows}.mp3\t${sentence(i)}\ten\n`);
    const archive = await write('cv-corpus-1-en.tar', rows, (i) => tarMember(`cv/en/clips/common_voice_en_${i}.mp3`, Buffer.alloc(8)), '', Buffer.concat([tarMember('cv/en/train.tsv', Buffer.from(names + table.join(''))), Buffer.alloc(1024)]));
    table.length = 0;
    await measure('prepare common-voice', rows, ['prepare', 'common-voice', archive, '--output', 'cv.tsv']);
    rmSync(archive);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
