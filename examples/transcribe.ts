// Writes down what is said in recordings, with the time of each word.
//   node transcribe.js talk.ogg interview.mp3
import { Whisper } from 'whisper-transfer';

await using whisper = await Whisper.load();
for await (const { audio, language, text, segments } of whisper.transcribe(process.argv.slice(2), {
  words: true,
})) {
  console.log(`${audio} (${language}): ${text}`);
  for (const { start, text: word } of segments.flatMap(({ words = [] }) => words)) {
    console.log(`  ${start.toFixed(2)} s${word}`);
  }
}
