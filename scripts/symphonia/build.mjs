// Builds codecs/symphonia.wasm from the crates in Cargo.lock:
//   rustup target add wasm32-unknown-unknown && node scripts/symphonia/build.mjs
// Last built with rustc 1.95.0 and Symphonia 0.6.1.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Of one decoder; a damaged file that asks for more is a trap. */
const MAX_MEMORY = 64 * 2 ** 20;
const target = process.env.CARGO_TARGET_DIR ?? join(here, 'target');
/** @param {string[]} args */
const cargo = (...args) => execFileSync('cargo', args, { cwd: here, encoding: 'utf8', maxBuffer: 1e8, stdio: ['ignore', 'pipe', 'inherit'] });

// Symphonia's decoder of AAC has all that more than two channels need, and a check against them.
const { packages } = JSON.parse(cargo('metadata', '--locked', '--format-version', '1'));
const crate = /** @type {{ name: string, manifest_path: string }[]} */ (packages).find(({ name }) => name === 'symphonia-codec-aac');
if (!crate) throw new Error('no symphonia-codec-aac');
const patched = join(target, 'symphonia-codec-aac');
rmSync(patched, { recursive: true, force: true });
cpSync(dirname(crate.manifest_path), patched, { recursive: true });
const file = join(patched, 'src/aac/mod.rs');
const source = readFileSync(file, 'utf8');
const CHECK = '            || channels.count() > 2\n';
if (!source.includes(CHECK)) throw new Error('the check of the channels is no longer where it was');
writeFileSync(file, source.replace(CHECK, ''));

// The patch stands in a copy of the manifest, so that Cargo.lock keeps naming the published crates.
const build = join(target, 'build');
rmSync(build, { recursive: true, force: true });
for (const name of ['Cargo.toml', 'Cargo.lock', 'src']) cpSync(join(here, name), join(build, name), { recursive: true });
execFileSync(
  'cargo',
  ['build', '--release', '--target', 'wasm32-unknown-unknown', '--target-dir', target, '--config', `patch.crates-io.symphonia-codec-aac.path=${JSON.stringify(patched)}`],
  { cwd: build, stdio: 'inherit', env: { ...process.env, RUSTFLAGS: `-C link-arg=--max-memory=${MAX_MEMORY} --remap-path-prefix ${target}=target --remap-path-prefix ${process.env.CARGO_HOME ?? join(process.env.HOME ?? '', '.cargo')}=cargo` } },
);
const out = join(here, '../../codecs/symphonia.wasm');
copyFileSync(join(target, 'wasm32-unknown-unknown/release/codecs.wasm'), out);
console.log(`${out}: ${statSync(out).size} bytes`);
