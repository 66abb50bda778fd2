// Subtitles in the WebVTT format, a line of at most 42 characters at a time.
//   node subtitles.js talk.ogg > talk.vtt
import { Whisper } from 'whisper-transfer';
import { formatTranscript } from 'whisper-transfer/decoding';

const [audio = 'talk.ogg'] = process.argv.slice(2);
await using whisper = await Whisper.load();
const transcript = await whisper.transcribe(audio, { words: true, skipSilence: true });
process.stdout.write(formatTranscript(transcript, 'vtt', { maxLineWidth: 42 }));
