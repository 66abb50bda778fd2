"""The recordings of src/audio/fixtures/other-programs: formats and habits of ffmpeg, SoX and LAME.

    python scripts/golden/recording_fixtures.py        # needs ffmpeg, sox and lame on the PATH, and no packages

Each holds the sine of audio_fixtures.py (1 kHz, amplitude 0.5, 0.25 s, 10 ms of fade), some of them twice: parts that were
joined by `cat`. The lengths in fixtures.json are those of ffmpeg, at 16 kHz, of each part on its own.
"""

import json
import math
import struct
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "src/audio/fixtures/other-programs"
FOLDER.mkdir(exist_ok=True)
SCRATCH = Path(tempfile.mkdtemp())
FREQUENCY, AMPLITUDE, SECONDS, FADE = 1000, 0.5, 0.25, 0.01


def sine(rate: int, channels: int = 1) -> Path:
    """A WAV of 16 bits; of two channels, the louder first."""
    frames = b""
    for i in range(round(rate * SECONDS)):
        t = i / rate
        envelope = max(0.0, min(1.0, t / FADE, (SECONDS - t) / FADE))
        value = AMPLITUDE * envelope * math.sin(2 * math.pi * FREQUENCY * t)
        for gain in [1.0] if channels == 1 else [1.5, 0.5]:
            frames += struct.pack("<h", round(32767 * value * gain))
    head = struct.pack("<4sI8sIHHIIHH", b"RIFF", 36 + len(frames), b"WAVEfmt ", 16, 1, channels, rate,
                       2 * channels * rate, 2 * channels, 16)
    path = SCRATCH / f"{rate}-{channels}.wav"
    path.write_bytes(head + b"data" + struct.pack("<I", len(frames)) + frames)
    return path


def run(*words) -> bytes:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True).stdout


def ffmpeg(source: Path, name: str, *options) -> Path:
    path = (FOLDER if options[:1] != ("scratch",) else SCRATCH) / name
    run("ffmpeg", "-v", "error", "-y", "-i", source, "-fflags", "+bitexact", "-flags", "+bitexact",
        *[option for option in options if option != "scratch"], path)
    return path


def length(path: Path) -> int:
    """Samples at 16 kHz."""
    return len(run("ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "16000", "-")) // 2


files = {}


def keep(path: Path, *parts: Path) -> None:
    files[path.name] = sum(length(part) for part in parts or [path])


def join(name: str, *pieces) -> Path:
    path = FOLDER / name
    path.write_bytes(b"".join(piece if isinstance(piece, bytes) else piece.read_bytes() for piece in pieces))
    return path


mono, stereo, wide = sine(8000), sine(8000, 2), sine(44100, 2)

# AIFF and AIFF-C
keep(ffmpeg(mono, "ffmpeg-s16.aiff"))
keep(ffmpeg(stereo, "ffmpeg-s24-stereo.aiff", "-c:a", "pcm_s24be"))
keep(ffmpeg(mono, "ffmpeg-float.aiff", "-c:a", "pcm_f32be"))
keep(ffmpeg(mono, "ffmpeg-mulaw.aiff", "-c:a", "pcm_mulaw"))
keep(ffmpeg(mono, "ffmpeg-sowt.aiff", "-c:a", "pcm_s16le"))
run("sox", mono, FOLDER / "sox-s8.aiff", "channels", "1")
keep(FOLDER / "sox-s8.aiff")
run("sox", mono, "-e", "float", "-b", "32", FOLDER / "sox-float.aifc")
keep(FOLDER / "sox-float.aifc")
# WAV and its relatives
keep(ffmpeg(mono, "ffmpeg-rf64.wav", "-rf64", "always"))
keep(ffmpeg(stereo, "ffmpeg-s24.w64", "-c:a", "pcm_s24le"))
run("sox", mono, FOLDER / "sox.w64")
keep(FOLDER / "sox.w64")
keep(ffmpeg(mono, "ffmpeg-alaw.wav", "-c:a", "pcm_alaw"))
keep(ffmpeg(stereo, "ffmpeg-ima.wav", "-c:a", "adpcm_ima_wav"))
keep(ffmpeg(stereo, "ffmpeg-ms.wav", "-c:a", "adpcm_ms"))
keep(ffmpeg(mono, "ffmpeg-mp3.wav", "-c:a", "libmp3lame"))
run("sox", "-D", mono, "-B", FOLDER / "sox-rifx.wav")
files["sox-rifx.wav"] = length(mono)  # ffmpeg takes RIFX for little-endian
piped = join("ffmpeg-pipe.wav", run("ffmpeg", "-v", "error", "-i", mono, "-f", "wav", "-"))
keep(piped)
piped = join("ffmpeg-pipe.aiff", run("ffmpeg", "-v", "error", "-i", mono, "-f", "aiff", "-"))
keep(piped, mono)
# AU and SPHERE
keep(ffmpeg(mono, "ffmpeg-mulaw.au", "-c:a", "pcm_mulaw"))
run("sox", mono, "-e", "a-law", FOLDER / "sox-alaw.au")
keep(FOLDER / "sox-alaw.au")
run("sox", mono, "-e", "mu-law", FOLDER / "sox-mulaw.sph")
keep(FOLDER / "sox-mulaw.sph", mono)
run("sox", mono, FOLDER / "sox.sph")
keep(FOLDER / "sox.sph", mono)
# MP3 with what stands around it
run("lame", "--quiet", "-b", "64", sine(22050), SCRATCH / "a.mp3")
run("lame", "--quiet", "-b", "64", wide, SCRATCH / "b.mp3")
run("lame", "--quiet", "-b", "64", "-t", sine(22050), SCRATCH / "no-info.mp3")
a, b = SCRATCH / "a.mp3", SCRATCH / "b.mp3"
tag = b"ID3\x04\0\0\0\0\x02\x2c" + bytes(300)
ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
keep(join("lame-two-tags.mp3", tag, tag, a), a)
keep(join("lame-tag-zeros.mp3", tag, bytes(777), a), a)
keep(join("lame-zeros.mp3", bytes(777), a), a)
keep(join("lame-junk.mp3", bytes(range(1, 250)), a), a)
keep(join("lame-tags-behind.mp3", a, ape, b"TAG" + b"title".ljust(125, b"\0")), a)
keep(join("lame-joined.mp3", a, tag, a), a, a)
keep(join("lame-joined-rates.mp3", b, tag, a), b, a)
keep(join("lame-no-info.mp3", SCRATCH / "no-info.mp3"))
run("lame", "--quiet", "--freeformat", "-b", "80", sine(22050), SCRATCH / "free.mp3")
keep(join("lame-free-format.mp3", SCRATCH / "free.mp3"), a)  # ffmpeg does not read it
# FLAC without its length, and one after the other with tags between and behind
piped = join("ffmpeg-pipe.flac", run("ffmpeg", "-v", "error", "-i", mono, "-fflags", "+bitexact", "-flags", "+bitexact",
                                     "-f", "flac", "-"))
keep(piped, mono)
run("sox", "-D", wide, SCRATCH / "b.flac")
keep(join("joined.flac", piped, tag, SCRATCH / "b.flac", b"TAG" + bytes(125)), mono, wide)
# Ogg (ffmpeg keeps what Vorbis adds at the end): one stream after the other, and beside a video
vorbis = ffmpeg(sine(16000), "a.ogg", "scratch", "-c:a", "libvorbis", "-q:a", "7")
wider = ffmpeg(wide, "b.ogg", "scratch", "-c:a", "libvorbis", "-q:a", "7")
opus = ffmpeg(sine(16000), "a.opus", "scratch", "-c:a", "libopus", "-b:a", "32k")
flac = ffmpeg(mono, "a.oga", "scratch", "-c:a", "flac", "-f", "ogg")
keep(join("ffmpeg-chained.ogg", vorbis, vorbis), mono, mono)
keep(join("ffmpeg-chained-rates.ogg", wider, vorbis), wide, mono)
keep(join("ffmpeg-chained.opus", opus, opus, opus), opus, opus, opus)
keep(join("ffmpeg-chained-codecs.ogg", flac, opus), flac, opus)
keep(join("ffmpeg-chained-flac.ogg", flac, flac), flac, flac)
video = FOLDER / "ffmpeg-theora.ogv"
run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=c=gray:s=16x16:r=10:d=0.25", "-i", sine(16000),
    "-c:v", "libtheora", "-c:a", "libvorbis", "-q:a", "7", "-fflags", "+bitexact", video)
keep(video, mono)

versions = [run("ffmpeg", "-version").decode().split(" Copyright")[0], run("sox", "--version").decode().split()[-1],
            run("lame", "--version").decode().split("\n")[0].strip()]
about = {"madeBy": f"scripts/golden/recording_fixtures.py, {', '.join(versions)}", "samples": files}
(FOLDER / "fixtures.json").write_text(json.dumps(about, indent=2) + "\n")
