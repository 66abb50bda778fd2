// Gives up on a recording after a second, and goes on with the same model.
//   node abort.js long.mp3
import { Whisper } from 'whisper-transfer';

const [audio = 'long.mp3'] = process.argv.slice(2);
await using whisper = await Whisper.load();
try {
  const { text } = await whisper.transcribe(audio, { beams: 10, signal: AbortSignal.timeout(1000) });
  console.log(text);
} catch (error) {
  if ((error as Error).name !== 'TimeoutError') throw error;
  const { text } = await whisper.transcribe(audio, { maxTokens: 8 });
  console.log(`It begins: ${text}…`);
}
