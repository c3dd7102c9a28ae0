#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# The first and only process of a virtual machine's userland. Runs what test_kernels.py judges, each
# into a file of /out, and sends that folder as a tar through the second serial line. It judges nothing.
/bin/busybox mkdir -p /bin /proc /sys /dev /tmp /out /run
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
cd /out || exit

# Runs a command, for a minute at most; NAME.out and .err hold its words, NAME.status its exit status.
run()
{
	name=$1
	shift
	echo "guest: $(cut -d' ' -f1 /proc/uptime) $name: $*"
	timeout 60 "$@" >"$name.out" 2>"$name.err"
	echo $? >"$name.status"
}

# Until what unfreed attaches is attached: the number of its links has stopped growing.
wait_until_watching()
{
	seen=0 calm=0
	while kill -0 "$1" 2>/dev/null && [ $calm -lt 5 ]; do
		n=$(ls -l "/proc/$1/fd" 2>/dev/null | grep -c -e bpf -e perf_event)
		if [ "$n" = "$seen" ] && [ "$n" -gt 6 ]; then
			calm=$((calm + 1))
		else
			calm=0
		fi
		seen=$n
		sleep 0.2
	done
}

# attach NAME PROGRAM...: watches the program from before its first event to its end. NAME.done holds
# the program's own counts, NAME.ended its exit status, NAME.links by what kinds of links it was watched.
attach()
{
	name=$1
	shift
	rm -f /tmp/line
	mkfifo /tmp/line
	"$@" --wait --hold </tmp/line >"$name.done" 2>"$name.words" &
	program=$!
	exec 3>/tmp/line
	until grep -q '^ready' "$name.done" || ! kill -0 $program; do sleep 0.1; done
	(
		exec 3>&-
		run "$name" unfreed attach --no-until-verdict -o "$name.json" $program
	) &
	watcher=$!
	sleep 0.3
	unfreed=$(pidof unfreed)
	wait_until_watching "$unfreed"
	cat "/proc/$unfreed/fdinfo/"* 2>/dev/null | grep link_type >"$name.links"
	echo >&3
	until grep -q '^done' "$name.done" || ! kill -0 $program; do sleep 0.2; done
	sleep 0.5
	exec 3>&-
	wait $program
	echo $? >"$name.ended"
	wait $watcher
}

uname -r >release
. /plan
rm -f /tmp/line
stty -F /dev/ttyS1 raw 2>/dev/null
tar c -C / out >/dev/ttyS1
sync
reboot -f
