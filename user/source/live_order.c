/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sorts records by their time, where that is the time at which the kernel made the change
 * (bpf/order.bpf.h): a heap of copies, from which leaves what is old enough that nothing older can
 * still come. A thread that is held up longer between its change and its record comes late: its
 * process's map is read again then.
 *
 * What the source makes itself has the time at which it was made, but for two things. All records of
 * one reading of a map file have the time at which the reading began: so each change is before all of
 * it, and contained in it; or after, and applied on top, once more if it was contained. And what
 * explains a stack has the time of its definition, which is not older than the last reading: the files
 * of its frames are those of the map.
 */
#include "user/source/live_private.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	uint64_t time_ns;
	uint64_t n;		/* equal times: as they came */
	struct ev_header *record;
};

struct order {
	struct slot *slots;	/* a heap: the oldest first */
	size_t n, capacity;
	uint64_t n_pushed;
	uint64_t flushed_ns;	/* all up to here has left */
	uint64_t n_late, n_swapped;
	uint64_t last_ns;	/* of the record pushed last */
};

static bool is_before(const struct slot *a, const struct slot *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->n < b->n;
}

static void swap(struct slot *a, struct slot *b)
{
	struct slot t = *a;

	*a = *b;
	*b = t;
}

bool order__is_late(const struct order *order, const struct ev_header *h)
{
	return order && h->time_ns < order->flushed_ns;
}

int order__push(struct order *order, const struct ev_header *h, uint64_t time_ns)
{
	size_t capacity = order->capacity ? 2 * order->capacity : 1024, i = order->n;
	struct ev_header *copy = malloc(h->size);
	void *p;

	if (!copy)
		return -ENOMEM;
	if (i == order->capacity) {
		p = realloc(order->slots, capacity * sizeof(*order->slots));
		if (!p) {
			free(copy);
			return -ENOMEM;
		}
		order->slots = p;
		order->capacity = capacity;
	}
	memcpy(copy, h, h->size);
	copy->time_ns = time_ns;
	order->n_late += order__is_late(order, copy);
	order->n_swapped += time_ns < order->last_ns;
	order->last_ns = time_ns;
	order->slots[order->n++] = (struct slot){ .time_ns = time_ns, .n = order->n_pushed++,
						  .record = copy };
	for (; i && is_before(&order->slots[i], &order->slots[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&order->slots[i], &order->slots[(i - 1) / 2]);
	return 0;
}

static struct ev_header *pop(struct order *order)
{
	struct ev_header *record = order->slots[0].record;
	size_t i = 0, child;

	order->slots[0] = order->slots[--order->n];
	while ((child = 2 * i + 1) < order->n) {
		if (child + 1 < order->n &&
		    is_before(&order->slots[child + 1], &order->slots[child]))
			child++;
		if (!is_before(&order->slots[child], &order->slots[i]))
			break;
		swap(&order->slots[child], &order->slots[i]);
		i = child;
	}
	return record;
}

void order__flush(struct live *live, uint64_t before_ns)
{
	struct order *order = live->order;

	while (order && order->n && order->slots[0].time_ns < before_ns) {
		struct ev_header *record = pop(order);

		if (record->time_ns > order->flushed_ns)
			order->flushed_ns = record->time_ns;
		live_deliver(live, record);
		free(record);
	}
}

struct order *order__free(struct order *order, struct log *log)
{
	if (!order)
		return NULL;
	log_debug(log, "order: %llu records, %llu of them older than the one before, %llu too late",
		  (unsigned long long)order->n_pushed, (unsigned long long)order->n_swapped,
		  (unsigned long long)order->n_late);
	while (order->n)
		free(order->slots[--order->n].record);
	free(order->slots);
	free(order);
	return NULL;
}

/* Which argument of the tracepoint says whether the lock was held for writing: its last one. The
 * first parameter of the type is not the tracepoint's. -ENOTSUP: there is no such tracepoint. */
static int find_write_arg(uint32_t *out)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *t;
	int id, n = 0;

	if (!btf)
		return -ENOTSUP;
	id = btf__find_by_name_kind(btf, "btf_trace_mmap_lock_released", BTF_KIND_TYPEDEF);
	t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	while (t && (btf_is_typedef(t) || btf_is_ptr(t)))
		t = btf__type_by_id(btf, t->type);
	if (t && btf_is_func_proto(t))
		n = btf_vlen(t);
	btf__free(btf);
	if (n != 3 && n != 4)
		return -ENOTSUP;
	*out = (uint32_t)n - 2;
	return 0;
}

int live_order_prepare(struct live *live, struct bpf_config *config)
{
	uint32_t arg = 0;
	int r = live->opts.ordered ? find_write_arg(&arg) : 0;

	bpf_program__set_autoload(live->bpf->progs.on_unlock, arg == 1);
	bpf_program__set_autoload(live->bpf->progs.on_unlock_memcg, arg == 2);
	if (r || !live->opts.ordered)
		return r;
	config->ordered = 1;
	live->order = calloc(1, sizeof(*live->order));
	return live->order ? 0 : -ENOMEM;
}
