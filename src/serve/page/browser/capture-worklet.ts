/** Sound of the microphone as PCM of 16 bits, 100 ms at a time: runs on the browser's thread for sound. */
import { toPcm16 } from '../../../audio/wav-write.ts';

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** What is sent to the page: samples, and the loudest of them from 0 to 1. */
export interface CapturedSound {
  readonly samples: Int16Array<ArrayBuffer>;
  readonly peak: number;
}

class Capture extends AudioWorkletProcessor {
  #samples = new Int16Array(Math.round(sampleRate / 10));
  #filled = 0;
  #peak = 0;

  constructor() {
    super();
    // The page wants what is left before it stops.
    this.port.onmessage = () => {
      this.#send();
      this.port.postMessage('end');
    };
  }

  /** @param inputs sources, of channels, of 128 samples each */
  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    const channels = inputs[0] ?? [];
    const length = channels[0]?.length ?? 0;
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i]!;
      const sample = sum / channels.length;
      this.#peak = Math.max(this.#peak, Math.min(1, Math.abs(sample)));
      this.#samples[this.#filled++] = toPcm16(sample);
      if (this.#filled === this.#samples.length) this.#send();
    }
    return true;
  }

  #send(): void {
    const samples = this.#samples.slice(0, this.#filled);
    const sound: CapturedSound = { samples, peak: this.#peak };
    this.port.postMessage(sound, [samples.buffer]);
    this.#filled = 0;
    this.#peak = 0;
  }
}

registerProcessor('capture', Capture);
