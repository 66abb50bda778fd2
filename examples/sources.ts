// Recordings from elsewhere than files: an upload, a download, samples that another program made.
//   node sources.js talk.opus
import { openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import { type UserError, Whisper } from 'whisper-transfer';

const [path = 'talk.opus'] = process.argv.slice(2);
await using whisper = await Whisper.load();

// A Blob or File, such as a form gives it; a stream of bytes, such as a request's body; a URL would be fetched.
const upload = await openAsBlob(path);
console.log((await whisper.transcribe(upload)).text);
console.log((await whisper.transcribe(upload.stream())).text);

// A second of a tone, as samples of any rate. Of a list, what cannot be read is left out where one asks for it.
const tone = Float32Array.from({ length: 48_000 }, (_, i) => Math.sin(i / 20) / 10);
const list = [{ samples: tone, sampleRate: 48_000 }, new Blob(['no sound'])];
const onError = (_: unknown, error: UserError) => console.log(`left out: ${error.message}`);
for await (const { duration } of whisper.transcribe(list, { onError }))
  console.log(`${duration} s of a tone`);

// A Node stream has to be made a web stream.
const bytes = Readable.toWeb(Readable.from([new Uint8Array(await upload.arrayBuffer())]));
console.log((await whisper.detectLanguage(bytes as ReadableStream<Uint8Array>)).language);
