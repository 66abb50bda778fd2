/**
 * onnxruntime 1.30 reports each session to its maker: it looks up a host, and keeps events in the home directory. Here that is
 * off. Import this before onnxruntime is loaded, and before a thread is started that loads it: the library reads the
 * environment of the process, of which a worker's `process.env` is a copy.
 */
import { isMainThread } from 'node:worker_threads';

const NAME = 'ORT_DISABLE_TELEMETRY';

if (!isMainThread && process.env[NAME] !== '1') {
  process.emitWarning(
    `onnxruntime's telemetry cannot be switched off from a worker thread: set ${NAME}=1 in the environment, or import ` +
      'whisper-transfer in the main thread, too',
  );
}
process.env[NAME] = '1';
