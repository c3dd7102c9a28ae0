#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# quality.sh [SEED...]: how good the detector is on seeds that nothing was tuned on, in lines that
# begin with the tick: at ticks of 10 s, 10 ms and 100 s on first sight, beside the usual methods; with
# memory of one earlier run (four fifths of the objects); and what a one-shot command says after
# windows of 180, 360 and 720 ticks.
set -eu
cd "$(dirname "$0")/../.."
tools=${UNFREED_BUILD:-build}/tests/detector
[ $# -gt 0 ] || set -- 7001 7002 7003 7004 7005 7006 7007 7008
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$tools/generate" "$@" > "$dir/now"
"$tools/generate" --keep 0.8 "$@" > "$dir/before"
echo "# seeds $*"
"$tools/evaluate" --no-alarms --scenarios "$dir/now" | sed 's/^#/10/'
for tick in 0.01 100; do
	"$tools/evaluate" --no-alarms --no-baselines --scenarios --tick $tick "$dir/now" | sed "s/^#/$tick/"
done
for tick in 10 0.01 100; do
	"$tools/evaluate" --no-alarms --no-baselines --tick $tick --learn "$dir/memory" "$dir/before" \
		> "$dir/log"
	"$tools/evaluate" --no-alarms --no-baselines --tick $tick --memory "$dir/memory" "$dir/now" |
		sed "s/^#/with-memory-$tick/"
done
"$tools/evaluate" --no-alarms --no-baselines --question one-shot --windows 180,360,720 --tick 0.1 \
	"$dir/now" | sed -n 's/^#/one-shot/p' | tail -n 4
