// Synthetic speech with eSpeak NG (GPL-3; a development tool only: nothing that is shipped imports this file).

import create from '@echogarden/espeak-ng-emscripten';

export const SAMPLE_RATE = 22_050;

/**
 * A function from text to mono samples (Int16Array, 22,050 Hz).
 * `voice` is a language identifier from eSpeak's list with an optional variant: `roa/fr+f2`.
 * set_voice keeps the old voice when it does not know the name, so the name is checked against the list first.
 */
export async function openVoice(voice, { wordsPerMinute = 150 } = {}) {
  const engine = await create();
  const worker = await new engine.eSpeakNGWorker();
  const [identifier] = voice.split('+');
  if (!worker.list_voices().some((v) => v.identifier === identifier)) {
    throw new Error(`eSpeak NG has no voice "${identifier}"`);
  }
  if (worker.set_voice(voice) !== 0) throw new Error(`eSpeak NG does not accept the voice "${voice}"`);
  worker.set_rate(wordsPerMinute);
  return (text) => {
    const chunks = [];
    worker.synthesize(text, (audio) => {
      // The buffer belongs to the engine and is reused for the next chunk.
      if (audio) chunks.push(Int16Array.from(audio));
    });
    const samples = new Int16Array(chunks.reduce((n, c) => n + c.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      samples.set(chunk, at);
      at += chunk.length;
    }
    if (samples.length < SAMPLE_RATE / 5) throw new Error(`eSpeak NG said nothing for "${text}"`);
    return samples;
  };
}
