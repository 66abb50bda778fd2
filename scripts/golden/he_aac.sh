#!/bin/sh
# HE-AAC of a sine of 1 kHz, as telephones record it: src/audio/fixtures/containers/he-aac*. Needs cargo, a C++ compiler and ffmpeg.
set -e
cd "$(dirname "$0")"
out=../../src/audio/fixtures/containers
cargo build --release --quiet --manifest-path he_aac/Cargo.toml --target-dir "${TMPDIR:-/tmp}/he_aac"
encode() { "${TMPDIR:-/tmp}/he_aac/release/he_aac" "$@"; }
sine() { ffmpeg -v error -f lavfi -i 'sine=frequency=1000:duration=0.6' -af 'volume=12dB' -ar "$1" -ac "$2" -f s16le -; }
sine 48000 2 | encode 5 48000 2 40000 > "$out/he-aac.aac"
sine 48000 2 | encode 29 48000 2 24000 > "$out/he-aac-v2.aac"
ffmpeg -v error -y -i "$out/he-aac.aac" -c copy -fflags +bitexact "$out/he-aac.m4a"
ffmpeg -v error -y -i "$out/he-aac-v2.aac" -c copy -fflags +bitexact "$out/he-aac-v2.mov"
rm "$out/he-aac.aac"
