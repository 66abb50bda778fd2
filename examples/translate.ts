// Translates a recording with a model that was trained for a language, or without one, into English.
//   node translate.js bonjour.opus out/laptop
import { Whisper } from 'whisper-transfer';

const [audio = 'bonjour.opus', model] = process.argv.slice(2);
await using whisper = await Whisper.load(model);
const { language, probability } = await whisper.detectLanguage(audio);
console.log(`${language}, ${(100 * probability).toFixed(0)} % sure`);
const { text } = await whisper.translate(audio, { from: language, beams: 5 });
console.log(`${whisper.target}: ${text}`);
