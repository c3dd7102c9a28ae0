/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records into the ring, and who is watched.
 *
 * The reader is woken by amount, not by record: one that sleeps until config.wakeup_sz bytes more
 * were written costs the watched process next to nothing. It also looks by itself several times a second. Records
 * that somebody waits for (a missing rule, a new library) wake it at once.
 */
#ifndef UNFREED_EMIT_BPF_H
#define UNFREED_EMIT_BPF_H

#include "bpf/maps.bpf.h"

/* The byte of a process in the target map; NULL: there is no such process id. */
static __always_inline __u8 *target_of(__u32 tgid)
{
	__u32 page_no = tgid / TARGETS_PAGE;
	struct target_page *page = bpf_map_lookup_elem(&targets, &page_no);

	return page ? &page->flags[tgid % TARGETS_PAGE] : NULL;
}

static __always_inline void set_target(__u32 tgid, __u8 flags)
{
	__u8 *target = target_of(tgid);

	if (target)
		*target = flags;
}

/* enum target_flag of the current process. */
static __always_inline __u32 current_target_flags(__u32 tgid)
{
	__u8 *target = target_of(tgid);
	__u32 flags = target ? *target : 0;

	if (tgid == config.self_tgid)
		return 0;
	return flags ? flags & ~TARGET_OWN : config.default_flags;
}

static __always_inline void fill_header(struct ev_header *h, __u64 pid_tgid, __u16 type, __u32 size)
{
	h->time_ns = bpf_ktime_get_ns();
	h->tgid = pid_tgid >> 32;
	h->tid = (__u32)pid_tgid;
	h->type = type;
	h->flags = 0;
	h->size = size;
}

/*
 * Told by process and type first, then in total: who reads the total, and the map after it, finds
 * every loss of the total there. User space empties the map by and by.
 */
static __always_inline void count_lost_record(__u64 pid_tgid, __u16 type, __u16 pair)
{
	struct lost_key key = { .tgid = pid_tgid >> 32, .type = type, .pair = pair };
	__u64 one = 1, *n = bpf_map_lookup_elem(&lost, &key);

	if (!n && bpf_map_update_elem(&lost, &key, &one, BPF_NOEXIST)) {
		n = bpf_map_lookup_elem(&lost, &key);	/* another CPU was first, or it is full */
		if (!n)
			__sync_fetch_and_add(&lost_unnamed, 1);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	count_loss(EV_LOSS_RING_FULL);
}

/* Room for one record in the ring, its header filled in; NULL and a counted loss when it is full. */
#define reserve_record_of(ev_struct, ev_type, pid_tgid, ev_pair)				\
	({											\
		struct ev_struct *reserved =							\
			bpf_ringbuf_reserve(&ring, sizeof(struct ev_struct), 0);		\
		if (reserved)									\
			fill_header(&reserved->h, pid_tgid, ev_type, sizeof(struct ev_struct));	\
		else										\
			count_lost_record(pid_tgid, ev_type, ev_pair);				\
		reserved;									\
	})
#define reserve_record(ev_struct, ev_type, pid_tgid) \
	reserve_record_of(ev_struct, ev_type, pid_tgid, 0)

/*
 * Wakes the reader when a record lies across one of the marks that divide the ring's memory in pieces
 * of config.wakeup_sz. As good as to ask how much waits, without a call. Where the memory lies does
 * not matter; to the verifier it is a number only as its distance from something else. Without a
 * branch, so that it has no more ways to go through.
 */
static __always_inline __u64 wakeup_flag(void *record)
{
	__u64 end = (char *)record - (char *)losses, begin, marks;

	barrier_var(end);
	begin = end - BPF_RINGBUF_HDR_SZ;
	end += ((struct ev_header *)record)->size;
	marks = (begin ^ end) & -(__u64)config.wakeup_sz;
	return BPF_RB_NO_WAKEUP + ((marks | -marks) >> 63);	/* or BPF_RB_FORCE_WAKEUP, the next one */
}

static __always_inline void submit_record(void *record)
{
	bpf_ringbuf_submit(record, wakeup_flag(record));
}

static __always_inline void submit_record_now(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

static __always_inline __u64 page_up(__u64 n)
{
	return (n + config.page_sz - 1) & ~((__u64)config.page_sz - 1);
}

#endif /* UNFREED_EMIT_BPF_H */
