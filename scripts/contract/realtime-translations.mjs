// Contract with the realtime translations of OpenAI's client from 7 on, which wants Node 22 and TLS:
//   npm install --prefix out/openai7 openai@7.57.0 ws@8.23.0
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//     -keyout out/key.pem -out out/cert.pem
//   node dist/cli/main.js serve --port 8443 --tls-cert out/cert.pem --tls-key out/key.pem &
//   node scripts/contract/realtime-translations.mjs out/openai7 https://localhost:8443/v1 out/cert.pem samples/gcompris/fr/algebra_by.opus
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { readAudio } from '../../dist/audio/audio-file.js';
import { Resampler } from '../../dist/audio/resample.js';

const [folder = '', baseURL = '', cert = '', recording = ''] = process.argv.slice(2);
const load = createRequire(resolve(folder, 'package.json'));
const { default: OpenAI } = load('openai');
const { OpenAIRealtimeTranslationWS } = load('openai/realtime/translations/ws');

const client = new OpenAI({ baseURL, apiKey: process.env.OPENAI_API_KEY ?? 'none-is-needed' });
const session = await OpenAIRealtimeTranslationWS.create(client, {
  model: 'whisper-1',
  options: { ca: readFileSync(cert) },
});
let failed = 0;
/** @param {string} what @param {boolean} holds */
function check(what, holds) {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  if (!holds) failed++;
}
/** @type {Error[]} */
const errors = [];
session.on('error', (/** @type {Error} */ error) => errors.push(error));
let input = '';
let output = '';
session.on('session.input_transcript.delta', (/** @type {{ delta: string }} */ { delta }) => (input += delta));
session.on('session.output_transcript.delta', (/** @type {{ delta: string }} */ { delta }) => (output += delta));
const updated = new Promise((done) => session.on('session.updated', done));
await new Promise((done) => session.on('session.created', done));
const transcription = { model: 'whisper-1' };
session.send({ type: 'session.update', session: { audio: { input: { transcription }, output: { language: 'en' } } } });
await updated;

const resampler = new Resampler(16_000, 24_000);
const parts = [...resampler.push(await readAudio(recording)), resampler.finish()];
const samples = parts.flatMap((part) => Array.from(part));
const sound = Buffer.from(Int16Array.from(samples, (sample) => 32_767 * sample).buffer);
for (let at = 0; at < sound.length; at += 9600)
  session.send({ type: 'session.input_audio_buffer.append', audio: sound.subarray(at, at + 9600).toString('base64') });
await session.finish({ timeoutMs: 60_000 });

console.log(`openai ${JSON.parse(readFileSync(resolve(folder, 'node_modules/openai/package.json'), 'utf8')).version}, Node ${process.version}`);
console.log(`heard:   ${input}\nwritten: ${output}`);
check('the words spoken', input.trim() !== '');
check('the translation', output.trim() !== '');
check(`no error ${errors.join(' ')}`, errors.length === 0);
process.exit(failed > 0 ? 1 : 0);
