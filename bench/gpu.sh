#!/bin/sh
# What a GPU is measured by, weights at random, in the order of what tells most; every result is a file at once.
# usage: bench/gpu.sh DIR    (about 10 minutes on an H100: whoever has less time stops it, and keeps what is there)
set -e
out=${1:?a folder for the results}
both="python -m cotdemo bench --backend show-o --random --prompts 1 --paths 20 --steps 18 --clear-at 10 --stop-one-in 2"
mkdir -p "$out"
$both --judge-from 10 --json "$out/judged-from-10.json"
$both --judge-from 1 --json "$out/judged-from-1.json"
python -m cotdemo profile --backend show-o --random --out "$out/bf16"
python -m cotdemo profile --backend show-o --random --paths 8 --out "$out/bf16-8-paths"
