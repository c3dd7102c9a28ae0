#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Each header compiles alone, and twice in a row, with gcc and (where there is one) clang.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 99
build=${UNFREED_BUILD:-build}

# It, or a header of its room that it includes, includes the generated header.
needs_skeleton()
{
	{ echo "$1"; sed -n 's|^#include "\(user/source/[^"]*\)"|\1|p' "$1"; } |
		xargs grep -q '^#include "bpf/[a-z]*\.skel\.h"'
}

failed=0
untried=0
n=0
for compiler in "${CC:-cc}" "${CLANG:-clang}"; do
	command -v "$compiler" >/dev/null || { echo "no $compiler: not tried"; continue; }
	for header in $(find user -name '*.h' | sort) $(find bpf -name '*.h' ! -name '*.bpf.h' | sort); do
		n=$((n + 1))
		if [ ! -e "$build/bpf/unfreed.skel.h" ] && needs_skeleton "$header"; then
			echo "$header: not tried, it needs $build/bpf/unfreed.skel.h: run make"
			untried=1
			continue
		fi
		printf '#include "%s"\n#include "%s"\nint nothing;\n' "$header" "$header" |
			"$compiler" -x c -std=gnu11 -fsyntax-only -D_GNU_SOURCE -I. -I"$build" \
				-Wall -Wextra -Werror -Wstrict-prototypes -Wno-unused-parameter \
				-Wundef - ||
			{ echo "$compiler: $header does not compile alone"; failed=1; }
	done
done
[ "$n" -gt 0 ] || { echo "no compiler, no header: nothing was tried"; exit 99; }
[ "$failed" -eq 0 ] || exit 1
if [ "$untried" -ne 0 ]; then
	echo "some headers were not tried: they need $build/bpf/unfreed.skel.h, run make"
	exit 77
fi
echo "$n headers compile alone"
