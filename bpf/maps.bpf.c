/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The one definition of what maps.bpf.h declares. */
#include "bpf/order.bpf.h"
#include "bpf/memo.bpf.h"

struct ring_map ring SEC(".maps");
struct targets_map targets SEC(".maps");
struct rules_map rules SEC(".maps");
struct known_stacks_map known_stacks SEC(".maps");
struct asked_map asked SEC(".maps");
struct lost_map lost SEC(".maps");
struct lock_times_map lock_times SEC(".maps");
struct walks_map walks SEC(".maps");
struct memos_map memos SEC(".maps");
struct cookies_map cookies SEC(".maps");

const volatile struct bpf_config config = {};

__u64 losses[EV_N_LOSSES] = {};
__u64 lost_unnamed = 0;
struct stack_check stack_check = {};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
