"""The recordings of src/audio/fixtures, but for speech.flac.

    python scripts/golden/audio_fixtures.py

Each holds the same sound in another format, rate, channel count or sample width: 0.25 s of a 1 kHz sine of
amplitude 0.5 with 10 ms of fade at both ends, so that neither codecs nor resamplers ring at the edges.
Written by libsndfile through soundfile; the versions stand in fixtures.json.

speech.flac is sentence 00031 of the synthetic Tatoeba English set ("I don't like it.", text CC-BY 2.0 FR by
Tatoeba; Piper voice "joe", data CC0), decoded to 16 kHz.
"""

import json
import struct
from pathlib import Path

import numpy as np
import soundfile

FOLDER = Path(__file__).resolve().parents[2] / "src/audio/fixtures"
FREQUENCY, AMPLITUDE, SECONDS, FADE = 1000, 0.5, 0.25, 0.01


def sine(rate: int, channels: int) -> np.ndarray:
    t = np.arange(round(rate * SECONDS)) / rate
    envelope = np.clip(np.minimum(t, SECONDS - t) / FADE, 0, 1)
    mono = AMPLITUDE * envelope * np.sin(2 * np.pi * FREQUENCY * t)
    # Channels of different loudness whose mean is the sine: a decoder that drops one is found out.
    gains = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    return mono[:, None] * gains[None, :]


FIXTURES = [
    # name, rate, channels, format, subtype
    ("pcm8-8k.wav", 8000, 1, "WAV", "PCM_U8"),
    ("pcm16-16k.wav", 16000, 1, "WAV", "PCM_16"),
    ("pcm24-16k-extensible.wav", 16000, 1, "WAVEX", "PCM_24"),
    ("pcm32-8k-stereo.wav", 8000, 2, "WAV", "PCM_32"),
    ("float-16k.wav", 16000, 1, "WAV", "FLOAT"),
    ("double-8k.wav", 8000, 1, "WAV", "DOUBLE"),
    ("44k-stereo.flac", 44100, 2, "FLAC", "PCM_16"),
    ("96k.flac", 96000, 1, "FLAC", "PCM_16"),
    ("16k-six-channels.flac", 16000, 6, "FLAC", "PCM_16"),
    ("44k-stereo-vorbis.ogg", 44100, 2, "OGG", "VORBIS"),
    ("48k-vorbis.ogg", 48000, 1, "OGG", "VORBIS"),
    ("16k-opus.ogg", 16000, 1, "OGG", "OPUS"),
    ("48k-stereo.opus", 48000, 2, "OGG", "OPUS"),
    ("22k.mp3", 22050, 1, "MP3", "MPEG_LAYER_III"),
    ("44k-stereo.mp3", 44100, 2, "MP3", "MPEG_LAYER_III"),
]

for name, rate, channels, container, subtype in FIXTURES:
    soundfile.write(FOLDER / name, sine(rate, channels), rate, format=container, subtype=subtype)

# A chunk of odd length before the samples, followed by RIFF's padding byte.
wav = (FOLDER / "pcm16-16k.wav").read_bytes()
odd = b"LIST" + struct.pack("<I", 13) + b"INFOISFT\x01\0\0\0x" + b"\0"
data = wav.index(b"data")
wav = wav[:data] + odd + wav[data:]
(FOLDER / "odd-chunk-16k.wav").write_bytes(wav[:4] + struct.pack("<I", len(wav) - 8) + wav[8:])

# The same MP3 behind an ID3 tag longer than any block that is read at once would be a large file; 300 bytes will do.
tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 44]) + bytes(300)
(FOLDER / "22k-id3.mp3").write_bytes(tag + (FOLDER / "22k.mp3").read_bytes())

files = [name for name, *_ in FIXTURES] + ["odd-chunk-16k.wav", "22k-id3.mp3"]
about = {
    "madeBy": f"scripts/golden/audio_fixtures.py, soundfile {soundfile.__version__}, {soundfile.__libsndfile_version__}",
    "frequency": FREQUENCY,
    "amplitude": AMPLITUDE,
    "seconds": SECONDS,
    "fade": FADE,
    "files": files,
}
(FOLDER / "fixtures.json").write_text(json.dumps(about, indent=2) + "\n")
