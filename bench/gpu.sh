#!/usr/bin/env bash
# Rates on a graphics card against PyTorch on the same card, for a machine without network.
#
#   bench/gpu.sh pack <folder> [--arch 90]   here (Linux x64, with network): two archives of 60 MB at most, and this script.
#                                            gpu-1.tar.xz: node, onnxruntime, the build. gpu-2.tar.xz: onnxruntime's CUDA 13
#                                            provider from PyPI, without machine code for cards other than sm_<arch>
#   bash gpu.sh run <folder> [options]       there: unpacks what is in the folder, measures, prints JSON with ratios and goals
#   bench/gpu.sh run --here [options]        in this checkout (npm ci was run): --device cpu --shapes tiny tries it all out
#
#   --device cuda|webgpu|cpu|auto (default auto)   --shapes base,small,large-v3   --seconds 420   --python python3
#
# Weights are drawn at random in the shapes of Whispers: models/ and samples/ stay behind. PyTorch and transformers must be
# there; without them there are no ratios. PyTorch runs on the card where it finds CUDA, but for --device cpu.
set -euo pipefail

fail() { echo "gpu.sh: $*" >&2; exit 2; }

pack() {
  [ $# -gt 0 ] || fail "pack: found no folder; expected the one that the archives go to"
  local folder=$1 arch=90 python=python3 root
  shift
  while [ $# -gt 0 ]; do
    case $1 in --arch) arch=$2 ;; --python) python=$2 ;; *) fail "found $1; expected --arch or --python" ;; esac
    shift 2
  done
  root=$(cd "$(dirname "$0")/.." && pwd)
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  local stage
  stage=$(mktemp -d)
  trap "rm -rf '$stage'" EXIT
  (cd "$root" && build)
  mkdir -p "$stage/1/out/bench" "$stage/1/node_modules" "$stage/1/models/whisper-base-int8" "$stage/2"
  cp "$(command -v node)" "$stage/1/node"
  strip "$stage/1/node" 2> /dev/null || true
  cp -r "$root/out/bench/js" "$stage/1/out/bench/js"
  cp -r "$root/codecs" "$root/package.json" "$stage/1/"
  cp "$root"/bench/peers/gpu.py "$root/bench/gpu-ratios.mjs" "$root/bench/gpu.sh" "$stage/1/"
  cp "$root"/models/whisper-base-int8/*.json "$stage/1/models/whisper-base-int8/"
  # What the program imports, and of onnxruntime the library of this system alone.
  (cd "$root" && npm ls --omit=dev --all --parseable 2> /dev/null) | tail -n +2 | while read -r module; do
    case $module in */onnxruntime-web | */typescript* | */sharp) continue ;; esac
    mkdir -p "$stage/1/$(dirname "${module#"$root"/}")"
    [ -d "$stage/1/${module#"$root"/}" ] || cp -r "$module" "$stage/1/${module#"$root"/}"
  done
  local bin=$stage/1/node_modules/onnxruntime-node/bin/napi-v6
  find "$bin" -mindepth 1 -maxdepth 1 ! -name linux -exec rm -r {} +
  rm -rf "$bin/linux/arm64"
  find "$stage/1/node_modules" \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' \) -delete
  tar -C "$stage/1" -cf - . | xz -T0 -6 > "$folder/gpu-1.tar.xz"
  cuda "$stage" "$arch" "$root" "$python"
  tar -C "$stage/2" -cf - . | xz -T0 -6 > "$folder/gpu-2.tar.xz"
  cp "$root/bench/gpu.sh" "$folder/gpu.sh"
  ls -l "$folder"
  for archive in "$folder"/gpu-?.tar.xz; do
    [ "$(stat -c %s "$archive")" -le 60000000 ] || fail "$archive: $(stat -c %s "$archive") bytes; expected 60000000 at most"
  done
}

build() {
  npm run --silent build
  node_modules/.bin/tsc -p tsconfig.bench.json
  cp dist/backend/*.wasm out/bench/js/src/backend/
}

# The provider, in "$1/2": its fat binaries without the code of other architectures than sm_$2, zeroed in place.
cuda() {
  local stage=$1 arch=$2 root=$3 python=$4 version
  version=$(node -p "require('$root/node_modules/onnxruntime-node/package.json').version")
  "$python" -m pip download --quiet --no-deps --dest "$stage/wheel" "onnxruntime-gpu==$version"
  (cd "$stage/wheel" && "$python" -m zipfile -e ./*.whl .)
  "$python" "$root/bench/peers/one_architecture.py" \
    "$stage/wheel/onnxruntime/capi/libonnxruntime_providers_cuda.so" "$arch" "$stage/2/libonnxruntime_providers_cuda.so"
  cp "$stage/wheel/onnxruntime/capi/libonnxruntime_providers_shared.so" "$stage/2/"
}

run() {
  local folder=. device=auto shapes=base,small,large-v3 seconds=420 python=python3 here=
  [ $# -gt 0 ] || fail "run: found no folder; expected the one with the archives, or --here"
  [ "$1" = --here ] && here=1 || folder=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --device) device=$2 ;; --shapes) shapes=$2 ;; --seconds) seconds=$2 ;; --python) python=$2 ;;
      *) fail "found $1; expected --device, --shapes, --seconds or --python" ;;
    esac
    shift 2
  done
  local program node=node peer ratios began=$SECONDS
  if [ "$here" ]; then
    cd "$(dirname "$0")/.."
    build
    program=out/bench/js/bench/gpu.js peer=bench/peers/gpu.py ratios=bench/gpu-ratios.mjs
  else
    cd "$folder"
    [ -e out ] || tar -xJf gpu-1.tar.xz
    [ ! -e gpu-2.tar.xz ] || [ -e provider ] || { mkdir provider; tar -C provider -xJf gpu-2.tar.xz; cp provider/* node_modules/onnxruntime-node/bin/napi-v6/linux/x64/; }
    program=out/bench/js/bench/gpu.js node=./node peer=gpu.py ratios=gpu-ratios.mjs
  fi
  # cuDNN, cuBLAS and the rest come with PyTorch.
  local libraries
  libraries=$("$python" -c 'import glob, site; print(":".join(p for s in site.getsitepackages() for p in glob.glob(s + "/nvidia/*/lib")))' 2> /dev/null || true)
  export LD_LIBRARY_PATH=${libraries:+$libraries:}${LD_LIBRARY_PATH:-}
  local out
  out=$(mktemp -d)
  # The card's memory, while ours runs and while theirs does.
  watch() { command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 200 > "$out/$1" & }
  local watcher=
  if command -v nvidia-smi > /dev/null; then watch ours.memory; watcher=$!; fi
  "$node" "$program" --device "$device" --shapes "$shapes" --seconds $((seconds * 6 / 10)) > "$out/ours.json"
  [ -z "$watcher" ] || kill "$watcher" 2> /dev/null || true
  local theirs=cpu
  "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null && [ "$device" != cpu ] && theirs=cuda
  if "$python" -c 'import torch, transformers' 2> /dev/null; then
    "$python" "$peer" --device $theirs --shapes "$shapes" --seconds $((seconds * 3 / 10)) > "$out/theirs.json" || true
  else
    echo "gpu.sh: no PyTorch and transformers in $python: no ratios" >&2
  fi
  "$node" "$ratios" "$out/ours.json" "$out/theirs.json" "$out/ours.memory" $((SECONDS - began))
  rm -rf "$out"
}

case ${1:-} in
  pack) shift; pack "$@" ;;
  run) shift; run "$@" ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
