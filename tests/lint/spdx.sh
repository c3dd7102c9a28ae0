#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Each source file opens with the licence line (a script right after its interpreter line), and each
# C file then says in a comment what it is.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 99
licence='SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause'
failed=0
n=0

complain()
{
	echo "$1: $2"
	failed=1
}

for file in $(find user bpf tests packaging vmlinux -type f ! -path '*/__pycache__/*' 2>/dev/null | sort); do
	case $file in
	vmlinux/*.h) continue ;;	# made from the kernel's own types
	*.c | *.h) kind=c ;;
	*.py | *.sh | *.mk) kind=script ;;
	*)
		head -c 2 "$file" | grep -q '^#!' || continue
		kind=script
		;;
	esac
	n=$((n + 1))
	line=$(sed -n '1{/^#!/!{p;q}};2{p;q}' "$file")
	if [ "$kind" = c ]; then
		[ "$line" = "/* $licence */" ] || complain "$file" "does not open with the licence line"
	else
		[ "$line" = "# $licence" ] || complain "$file" "does not open with the licence line"
	fi
	case $file in
	*.c) sed -n 2p "$file" | grep -q '^/\*' || complain "$file" "no opening comment" ;;
	esac
done
[ "$n" -gt 0 ] || { echo "no sources here"; exit 99; }
[ "$failed" -eq 0 ] && echo "$n files carry the licence line"
exit "$failed"
