/** A process of its own: loads the model, reads one recording, and prints the seconds of each. For `bench -- load`. */
const started = performance.now();
const since = (): number => (performance.now() - started) / 1000;
const { WhisperModel } = await import('../src/whisper/model.ts');
const { transcribeFiles } = await import('../src/decoding/transcribe-files.ts');
const [directory, audio, compute] = process.argv.slice(2) as [string, string, 'float32' | 'int8'];
const imported = since();
const model = await WhisperModel.load(directory, { compute });
const loaded = since() - imported;
const { value } = await transcribeFiles(model, [{ audio, language: 'en' }]).next();
const first = since() - imported - loaded;
if (!value || 'error' in value) throw new Error(`${audio}: no text`);
console.log(JSON.stringify({ imported, loaded, first, text: value.text }));
await model.close();
