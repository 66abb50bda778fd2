"""Corpora as the reference tools write them: Lhotse's manifests, and a Parquet table of Hugging Face's datasets.

    python scripts/golden/corpora.py src/corpora/golden        (lhotse, datasets, soundfile; versions in README.md)

The recordings are a tenth of a second of a quiet tone each.
"""

import math
import os
import shutil
import struct
import sys
import wave

from datasets import Audio, ClassLabel, Dataset, Features, Value
from lhotse import CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet

out = sys.argv[1]
shutil.rmtree(out, ignore_errors=True)
os.makedirs(out)
os.chdir(out)


def tone(path, channels=1):
    with wave.open(path, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        for i in range(800):
            file.writeframes(struct.pack("<h", int(300 * math.sin(i / 3))) * channels)


for name in ["one.wav", "two.wav"]:
    tone(name)
tone("stereo.wav", 2)

recordings = RecordingSet.from_recordings(Recording.from_file(f"{name}.wav") for name in ["one", "two", "stereo"])
supervisions = SupervisionSet.from_segments(
    SupervisionSegment(
        id=f"{name}-{i}",
        recording_id=name,
        start=start,
        duration=0.05,
        channel=0,
        text=f"{name} {i}",
        language="English",
        speaker=f"speaker {name}",
        gender="F",
        custom={"translated_text": {"de": f"{name} auf Deutsch"}},
    )
    for name in ["one", "two", "stereo"]
    for i, start in enumerate([0, 0.05])
)
recordings.to_file("talks_recordings_dev.jsonl.gz")
supervisions.to_file("talks_supervisions_dev.jsonl.gz")
mono = recordings.filter(lambda recording: recording.id != "stereo")
cuts = CutSet.from_manifests(mono, supervisions.filter(lambda one: one.recording_id != "stereo"))
# A cut a recording; the supervisions of the first as cuts of their own; one that is padded.
(cuts + cuts.subset(first=1).trim_to_supervisions() + cuts.subset(first=1).pad(duration=0.2)).to_file("cuts_train.jsonl.gz")

read = lambda name: open(name, "rb").read()
features = Features(
    {
        # Cast to Audio below: to encode a recording would need another library.
        "audio": {"bytes": Value("binary"), "path": Value("string")},
        "sentence": Value("string"),
        "translation": {"en": Value("string"), "de": Value("string")},
        "speaker_id": Value("int64"),
        "split": ClassLabel(names=["train", "validation"]),
        "duration": Value("float64"),
    }
)
rows = {
    "audio": [{"bytes": read("one.wav"), "path": "one.wav"}, {"bytes": read("two.wav"), "path": "two.wav"}, None],
    "sentence": ["One.", "Two.", None],
    "translation": [{"en": "One.", "de": "Eins."}, {"en": "Two.", "de": "Zwei."}, {"en": "Three.", "de": ""}],
    "speaker_id": [7, 8, None],
    "split": [0, 1, 0],
    "duration": [0.1, 0.1, None],
}
table = Dataset.from_dict(rows, features=features).cast_column("audio", Audio(sampling_rate=8000))
table.to_parquet("train-00000-of-00001.parquet")
