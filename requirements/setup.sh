#!/bin/sh
# Makes the environment that the Makefile's commands run in: setup.sh VENV PYTHON, from the repository's root.
# Everything is pinned by hash except torch, whose CPU wheels differ by the index that they come from.
set -eu
venv=$1 python=$2
pip="$venv/bin/pip install -qq --no-deps"
export PIP_DISABLE_PIP_VERSION_CHECK=1

step() {
  name=$1 began=$(date +%s)
  shift
  "$@"
  printf '  %-24s ready in %6d s\n' "$name" $(($(date +%s) - began))
}

environment() {
  test -x "$venv/bin/pip" || "$python" -m venv "$venv"
}

# Where pip is configured to look, then on PyTorch's CPU index.
torch() {
  $pip --requirement requirements/torch.txt 2>"$venv/torch.log" ||
    PIP_EXTRA_INDEX_URL="${PIP_EXTRA_INDEX_URL:-} https://download.pytorch.org/whl/cpu" \
      $pip --requirement requirements/torch.txt
}

locked() {
  $pip --require-hashes --requirement requirements/cpu.lock
}

freehold() {
  $pip --no-build-isolation --editable .
}

echo "Setting up $venv, once; a few minutes, most of them for torch and vLLM"
step python environment
step torch torch
step packages locked
step freehold freehold
