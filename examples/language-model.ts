// Spells by a language model of one's own texts: trained with `whisper-transfer lm train texts.txt --output texts.arpa`.
//   node language-model.js talk.ogg texts.arpa
import { Whisper } from 'whisper-transfer';
import { readArpa } from 'whisper-transfer/language-model';

const [audio = 'talk.ogg', arpa = 'texts.arpa'] = process.argv.slice(2);
const model = await readArpa(arpa);
await using whisper = await Whisper.load();
const options = { from: 'en', beams: 5 };
console.log((await whisper.transcribe(audio, options)).text);
console.log((await whisper.transcribe(audio, { ...options, languageModel: { model, alpha: 0.5 } })).text);
