#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# Starts the bundled program that leaks, watches it from outside, shows the report, cleans up.
# Called by `sudo make demo`, which has built both. Exits 0 when the leak was found.
set -eu

unfreed=${UNFREED:-build/unfreed}
leaky=${LEAKY:-build/tests/programs/leaky}
folder=$(mktemp -d)
pid=

clean_up()
{
	if [ -n "$pid" ]; then
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	fi
	rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "A server that forgets to close its zlib streams, 50 MB/s (tests/programs/leaky.c):"
: >"$folder/leaky.out"
"$leaky" >>"$folder/leaky.out" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	grep -q '^ready ' "$folder/leaky.out" && break
	sleep 0.1
done
echo "    \$ $leaky &"
echo "What does it not give back? Asked from outside, while it runs:"
echo "    \$ sudo $unfreed attach $pid"
echo

status=0
"$unfreed" attach "$pid" || status=$?

echo
case $status in
3) echo "Exit status 3: a leak was found. (0: none, 1: the tool failed, 2: wrong usage.)" ;;
0) echo "Exit status 0: no leak found. It should have been: please tell us." ;;
*) echo "Exit status $status: the tool failed; \`sudo $unfreed doctor\` says what this kernel allows." ;;
esac
[ "$status" -eq 3 ]
