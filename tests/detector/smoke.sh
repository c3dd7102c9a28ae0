#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The door for traces, and a floor under the detector's quality on a few seeds that nothing was
# tuned on; `make detector-quality` measures it on more. Fails by its numbers, which are the same on
# every machine.
set -eu
cd "$(dirname "$0")/../.." || exit 99
tools=${UNFREED_BUILD:-build}/tests/detector
if [ ! -x "$tools/generate" ] || [ ! -x "$tools/evaluate" ]; then
	echo 'not built: make detector'
	exit 99
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

fail()
{
	echo "$*"
	failed=1
}

# --- a line that makes no sense ends it, with its number and status 2; every good form is taken
good='proc p 1e9 1000.0 0 10
site p a 4096 5 leak
site p b 65536 anon ok
t 0 p a 10 3:2,5:1
t 5 p b 0 -
t 6 p a 0 0:3,2:99
usage 6 p 12345
proc none none 0 0.5 100
t 7 p b 1 18446744073709551615:1,
# a comment'

printf '%s\n' "$good" | "$tools/evaluate" --no-baselines - > "$dir/log" || fail 'good lines are refused'
while read -r bad; do
	status=0
	printf '%s\n%s\n' "$good" "$bad" | "$tools/evaluate" - > "$dir/log" 2>&1 || status=$?
	if [ $status -ne 2 ] || ! grep -q '^-:11: ' "$dir/log" || [ "$(wc -l < "$dir/log")" -ne 1 ]; then
		fail "'$bad': status $status: $(cat "$dir/log")"
	fi
done <<'END'
proc p 1 1 0 1
proc q a 1 0 1
proc q 1 1 1 1
proc q 1 1 0 0
site q a 1 anon ok
site p a 1 anon ok
site p c 1 anon maybe
t 1 p zz 1
t -1 p a 1
t 1 p a x
t 1 p a 1 3
t 1 p a 1 3:
t 10000001 p a 1
t 1 p a 100000001
usage 10000001 p 1
proc q 1 1 0 1e7
usage 1 p
usage x p 1
usage 1 p 1 2
foo
END

# --- quality: NAME FILE ARGS PRECISION RECALL-INSIDE, both in thousandths, at least
floor()
{
	name=$1 file=$2 precision=$3 recall=$4
	shift 4
	"$tools/evaluate" --no-alarms --no-baselines --scenarios "$@" "$file" > "$dir/log"
	line=$(grep '^# cohort survival' "$dir/log")
	echo "$name:${line#\# cohort survival}"
	# shellcheck disable=SC2086
	set -- $line
	awk -v p="$4" -v r="$8" -v P="$precision" -v R="$recall" \
		'BEGIN { split(r, of, "/"); exit !(p * 1000 >= P && of[1] * 1000 >= R * of[2]) }' ||
		fail "$name: below its floor ($precision, $recall)"
	# Plain churn, bursts, traffic that rises, steps back: never.
	for churn in N01 N09 N14 N18; do
		grep -Eq "^# $churn +0/0 +0\$" "$dir/log" || fail "$name: $churn is told"
	done
}

"$tools/generate" 9001 9002 9003 > "$dir/now"
"$tools/generate" --keep 0.8 9001 9002 9003 > "$dir/before"
floor '10 s' "$dir/now" 850 975
floor '10 ms' "$dir/now" 850 975 --tick 0.01
floor '100 s' "$dir/now" 850 975 --tick 100
"$tools/evaluate" --no-alarms --no-baselines --learn "$dir/memory" "$dir/before" > "$dir/log"
floor 'with memory' "$dir/now" 980 975 --memory "$dir/memory"

# --- a broker that opens 10,250 streams of 39 KB a second from 1 s on, with 8.8 GB left
awk 'BEGIN {
	print "proc broker 9300000000 500000000 0 0.01\nsite broker z 39000 zlib-inflate leak"
	for (t = 100; t < 2300; t++) print "t", t, "broker z", 102 + t % 2
}' > "$dir/broker"
"$tools/evaluate" --no-baselines "$dir/broker" | grep '^alarm' > "$dir/log" || :
echo "broker: $(cat "$dir/log")"
awk '$1 == "alarm" && $2 <= 400 && $5 == "LEAK" { n++ } END { exit n != 1 || NR != 1 }' "$dir/log" ||
	fail 'the broker is not told once, as a leak, within 3 s of its first stream'
{ head -n 2 "$dir/broker"; tail -n +3 "$dir/broker" | tac; } > "$dir/backwards"
"$tools/evaluate" --no-baselines "$dir/backwards" | grep '^alarm' | cmp - "$dir/log" ||
	fail 'the order of lines matters'

# --- a twentieth of what a site takes is lost, or is said to be: once, and not at all, told
lossy()
{
	awk -v loss="$1" 'BEGIN {
		print "proc p 400e6 50e6", loss, "10\nsite p a 65536 anon leak"
		for (t = 0; t < 1500; t++)
			print "t", t, "p a 20", t + t % 40 ":19"
	}' | "$tools/evaluate" --no-baselines - | grep -c '^alarm' || :
}
told="$(lossy 0) $(lossy 0.01) $(lossy 0.1)"
[ "$told" = '1 1 0' ] || fail "a leak is told so often where 0, 1 and 10 % of the deaths are lost: $told"
exit $failed
