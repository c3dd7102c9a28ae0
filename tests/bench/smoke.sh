#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Each measurement of the benchmark once and briefly: fails when one measures nothing, records are
# lost or stacks are not complete, never because of a number.
set -u
cd "$(dirname "$0")/../.." || exit 99
bench=${UNFREED_BUILD:-build}/tests/bench
[ "$(id -u)" -eq 0 ] || { echo 'BENCH NOT RUN: needs root'; exit 77; }
[ -x "$bench/bench_probes" ] || { echo 'not built: make bench-build'; exit 99; }
exec "$bench/bench_probes" 1 900 "$bench/target" "$bench/target-fp"
