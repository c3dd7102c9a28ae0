#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# quality.sh [SEED...]: how good the detector is on seeds that nothing was tuned on, in lines that
# begin with what they are of: ticks of 10 s, 10 ms and 100 s on first sight, at 10 s beside the usual
# methods; with memory of one earlier run (four fifths of the objects); the same of the second set of
# scenarios; and what a one-shot command says after windows of 180, 360 and 720 ticks, of all and without
# those of streams (P16, N20).
# The seeds to tune on are 7001 to 7008; tests/detector/smoke.sh has 9001 to 9003.
set -eu
cd "$(dirname "$0")/../.."
tools=${UNFREED_BUILD:-build}/tests/detector
[ $# -gt 0 ] || set -- 12001 12002 12003 12004 12005 12006 12007 12008
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

tell()	# NAME ARGS...
{
	name=$1
	shift
	"$tools/evaluate" --no-alarms "$@" | sed "s/^#/$name/"
}

measure()	# PREFIX [--baselines]
{
	tell "${1}10" --scenarios "${2:---no-baselines}" "$dir/now"
	for tick in 0.01 100; do
		tell "$1$tick" --no-baselines --scenarios --tick $tick "$dir/now"
	done
	for tick in 10 0.01 100; do
		tell '' --no-baselines --tick $tick --learn "$dir/memory" "$dir/before" > "$dir/log"
		tell "${1}with-memory-$tick" --no-baselines --tick $tick --memory "$dir/memory" "$dir/now"
	done
}

windows()	# PREFIX FILE
{
	tell "$1" --no-baselines --question one-shot --windows 180,360,720 --tick 0.1 "$2" | tail -n 4
}

echo "# seeds $*"
"$tools/generate" "$@" > "$dir/now"
"$tools/generate" --keep 0.8 "$@" > "$dir/before"
measure '' --baselines
windows one-shot "$dir/now"
awk '$2 !~ /^(P16|N20)-/ && $3 !~ /^(P16|N20)-/' "$dir/now" > "$dir/regions"
windows one-shot-regions "$dir/regions"
"$tools/generate" --others "$@" > "$dir/now"
"$tools/generate" --others --keep 0.8 "$@" > "$dir/before"
measure others-
windows others-one-shot "$dir/now"
