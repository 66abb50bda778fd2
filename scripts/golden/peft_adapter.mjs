/**
 * Writes adapters as our LoRA saves them, the merged model, and the logits that ours makes of both, for
 * peft_adapter.py to compare: node scripts/golden/peft_adapter.mjs <model> <audio file> <folder to write>
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DecodingSession } from '../../dist/decoding/session.js';
import { sfc32, uniform } from '../../dist/random.js';
import { readAudio } from '../../dist/audio/audio-file.js';
import { createLora, mergeLora, saveLora } from '../../dist/training/lora.js';
import { saveModel } from '../../dist/training/save.js';
import { tuningAdapters } from '../../dist/training/tuned-weights.js';
import { melClip } from '../../dist/whisper/mel-batch.js';
import { WhisperModel } from '../../dist/whisper/model.js';

const [directory, audio, folder] = process.argv.slice(2);
const model = await WhisperModel.load(directory);
mkdirSync(folder, { recursive: true });
/** @type {import('../../dist/training/lora.js').LoraOptions} */
const lora = { rank: 8, alpha: 16, projections: ['q_proj', 'v_proj', 'fc1'] };
const adapters = tuningAdapters(model.dimensions, { part: 'all', embedding: 'frozen', lora });
await createLora(model, adapters, 1);
// B is zero at first: any other shows more.
const random = sfc32(2);
const names = [...adapters.projections].map((projection) => `${projection}.lora_B.weight`);
const zeros = await model.runtime.read(names);
const filled = new Map();
zeros.forEach(({ shape, data }, i) => {
  const values = Float32Array.from({ length: data.length }, () => (uniform(random) - 0.5) * 0.04);
  filled.set(names[i], { shape, data: values });
});
await model.runtime.store(filled);
await saveLora(model, adapters, join(folder, 'adapter'));
await mergeLora(model, adapters);
await saveModel(model, join(folder, 'merged'), {
  prompt: { target: 'zh', kind: 'target-transcribe' },
  dtype: 'float32',
});

const samples = await readAudio(audio);
const tokens = [
  ...model.tokens.prompt('zh', 'transcribe'),
  ...model.tokens.encode('请点击红色的鱼，然后把它放进水里。'),
];
const session = await DecodingSession.start(model, await model.encode([samples], 'full'));
const question = {
  rows: tokens.map((_, i) => i),
  suppression: { bias: new Float32Array(model.dimensions.vocabulary), places: [] },
  count: 1,
};
const { logits } = await session.readPrompts([tokens], question, ['logits']);
await session.end();
await model.close();
const write = (name, data) =>
  writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
write('mel.f32', melClip(samples, model.dimensions.melBins, 'full').mel);
write('logits.f32', logits);
writeFileSync(join(folder, 'tokens.json'), JSON.stringify(tokens));
