"""Speaker embeddings by Resemblyzer (Apache-2.0), a public baseline; evidence only, no part of the program.

    pip install resemblyzer==0.1.4 --no-deps
    pip install torch==2.2.2 librosa==0.10.2 'numpy<2' 'scipy<1.14' webrtcvad-wheels==2.0.14.post1 setuptools

Standard input: of each clip the number of its samples (int32), then these (float32, 16 kHz). Standard output: 256 float32 a
clip. Quiet clips are made louder as Resemblyzer does it; its cutting of silence is left out, as the clips have none, and
noise would be cut as if it were.
"""

import sys

import numpy as np
import torch
from resemblyzer import VoiceEncoder
from resemblyzer.audio import normalize_volume
from resemblyzer.hparams import audio_norm_target_dBFS

torch.set_num_threads(1)
encoder = VoiceEncoder("cpu", verbose=False)
data = sys.stdin.buffer.read()
at = 0
while at < len(data):
    length = int(np.frombuffer(data, np.int32, 1, at)[0])
    clip = np.frombuffer(data, np.float32, length, at + 4)
    at += 4 + 4 * length
    vector = encoder.embed_utterance(normalize_volume(clip, audio_norm_target_dBFS, increase_only=True))
    sys.stdout.buffer.write(vector.astype(np.float32).tobytes())
