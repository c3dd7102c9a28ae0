/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The generated skeleton with what it needs before it. */
#ifndef UNFREED_SOURCE_BPF_H
#define UNFREED_SOURCE_BPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/config.h"
#include "bpf/event.h"
#include "bpf/rule.h"
#include "bpf/unfreed.skel.h"

#endif /* UNFREED_SOURCE_BPF_H */
