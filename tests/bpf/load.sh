#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Loads every BPF program and holds it to its budget (load.c).
cd "$(dirname "$0")/../.." || exit 99
exec "${UNFREED_BUILD:-build}/tests/bpf/load" tests/bpf/budget.txt
