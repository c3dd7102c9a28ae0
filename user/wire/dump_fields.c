/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The table of fields: a new member of a record is a row here, and is printed and parsed by it. */
#include "user/wire/dump_fields.h"

#include <string.h>

#include "user/wire/capture.h"

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define DEC(type, member) { #member, FIELD_DEC, AT(type, member), 0, 0, NULL }
#define HEX(type, member) { #member, FIELD_HEX, AT(type, member), 0, 0, NULL }
#define SIGNED(type, member) { #member, FIELD_SIGNED, AT(type, member), 0, 0, NULL }
#define WORD(type, member, list) { #member, FIELD_WORD, AT(type, member), 0, 0, list }
#define LIST(type, member) { #member, FIELD_LIST, AT(type, member), 0, 0, NULL }
#define HEX_LIST(type, member) { #member, FIELD_HEX_LIST, AT(type, member), 0, 0, NULL }
#define CHARS(type, member) { #member, FIELD_CHARS, AT(type, member), 0, 0, NULL }
#define BYTES(type, member, count) \
	{ #member, FIELD_BYTES, AT(type, member), AT(type, count), NULL }
#define TEXT(type, label, count) { label, FIELD_TEXT, 0, 0, AT(type, count), NULL }

#define HEADER								\
	{ "time", FIELD_DEC, AT(ev_header, time_ns), 0, 0, NULL },	\
	DEC(ev_header, tgid), DEC(ev_header, tid),			\
	{ "header_flags", FIELD_HEX, AT(ev_header, flags), 0, 0, NULL }

static const char *const end_words[] = { "complete", "truncated", "broken", NULL };
static const char *const reason_words[] = { "attach", "exec", "heal", NULL };
static const char *const question_words[] = { "one-shot", "service", NULL };

static const struct field tick_fields[] = { HEADER };
static const struct field mmap_fields[] = {
	HEADER, HEX(ev_mmap, stack), HEX(ev_mmap, addr), DEC(ev_mmap, len), DEC(ev_mmap, file_off),
	DEC(ev_mmap, ino), HEX(ev_mmap, dev), HEX(ev_mmap, prot), HEX(ev_mmap, flags),
	HEX(ev_mmap, fs_magic),
};
static const struct field munmap_fields[] = {
	HEADER, HEX(ev_munmap, addr), DEC(ev_munmap, len),
};
static const struct field mremap_fields[] = {
	HEADER, HEX(ev_mremap, stack), HEX(ev_mremap, addr), DEC(ev_mremap, old_len),
	DEC(ev_mremap, new_len), HEX(ev_mremap, ret), HEX(ev_mremap, flags),
};
static const struct field mprotect_fields[] = {
	HEADER, HEX(ev_mprotect, stack), HEX(ev_mprotect, addr), DEC(ev_mprotect, len),
	HEX(ev_mprotect, prot),
};
static const struct field brk_fields[] = {
	HEADER, HEX(ev_brk, stack), HEX(ev_brk, start), HEX(ev_brk, end),
};
static const struct field shmat_fields[] = {
	HEADER, HEX(ev_shmat, stack), HEX(ev_shmat, addr), DEC(ev_shmat, len),
	SIGNED(ev_shmat, shmid), HEX(ev_shmat, flags),
};
static const struct field undo_fields[] = {
	HEADER, SIGNED(ev_undo, ret), DEC(ev_undo, undone),
};
static const struct field fork_fields[] = {
	HEADER, DEC(ev_fork, child_start_ns), DEC(ev_fork, child_tgid), DEC(ev_fork, shares_vm),
};
static const struct field exec_fields[] = { HEADER, DEC(ev_exec, start_ns) };
static const struct field exit_fields[] = { HEADER, SIGNED(ev_exit, code) };
static const struct field handle_fields[] = {
	HEADER, HEX(ev_handle, stack), HEX(ev_handle, handle), DEC(ev_handle, bytes),
	HEX(ev_handle, copy_of), HEX_LIST(ev_handle, arg), DEC(ev_handle, pair),
	DEC(ev_handle, symbol), DEC(ev_handle, file), CHARS(ev_handle, comm),
};
static const struct field stack_fields[] = {
	HEADER, HEX(ev_stack, id), WORD(ev_stack, end, end_words), HEX(ev_stack, mm_id),
	{ "frames", FIELD_FRAMES, offsetof(struct ev_stack, frames), sizeof(struct ev_frame),
	  AT(ev_stack, n_frames), NULL },
};
static const struct field miss_fields[] = {
	HEADER, HEX(ev_miss, token), HEX(ev_miss, ip), HEX(ev_miss, sp), HEX(ev_miss, bp),
	HEX(ev_miss, missing_pc), HEX(ev_miss, mm_id), BYTES(ev_miss, stack, stack_sz),
};
static const struct field process_fields[] = {
	HEADER, DEC(ev_process, start_ns), DEC(ev_process, ppid), DEC(ev_process, uid),
	TEXT(ev_process, "comm", comm_sz), TEXT(ev_process, "cmdline", cmdline_sz),
	TEXT(ev_process, "unit", unit_sz), TEXT(ev_process, "runtime", runtime_sz),
};
static const struct field seed_fields[] = { HEADER, WORD(ev_seed, reason, reason_words) };
static const struct field region_fields[] = {
	HEADER, HEX(ev_region, start), HEX(ev_region, end), DEC(ev_region, file_off),
	DEC(ev_region, ino), HEX(ev_region, dev), HEX(ev_region, prot), HEX(ev_region, flags),
	HEX(ev_region, fs_magic),
};
static const struct field file_fields[] = {
	HEADER, DEC(ev_file, ino), HEX(ev_file, dev), BYTES(ev_file, build_id, build_id_sz),
	TEXT(ev_file, "path", path_sz),
};
static const struct field memory_fields[] = {
	HEADER, DEC(ev_memory, rss_anon), DEC(ev_memory, rss_file), DEC(ev_memory, rss_shmem),
	DEC(ev_memory, swap), DEC(ev_memory, mapped), LIST(ev_memory, left), LIST(ev_memory, limit),
};
static const struct field group_fields[] = {
	HEADER, DEC(ev_group, kind), TEXT(ev_group, "path", path_sz),
};
static const struct field run_fields[] = {
	HEADER, DEC(ev_run, cpu_ns), HEX(ev_run, state),
};
static const struct field loss_fields[] = { HEADER, LIST(ev_loss, count) };
static const struct field pair_fields[] = { HEADER, DEC(ev_pair, pair),
	DEC(ev_pair, growth_percent), CHARS(ev_pair, name) };
static const struct field note_fields[] = { HEADER, TEXT(ev_note, "text", text_sz) };
static const struct field trust_fields[] = {
	HEADER, DEC(ev_trust, stacks), DEC(ev_trust, stacks_complete), DEC(ev_trust, healed),
};
static const struct field lost_fields[] = {
	HEADER, DEC(ev_lost, n), DEC(ev_lost, type), DEC(ev_lost, pair),
};
static const struct field resident_fields[] = {
	HEADER, HEX(ev_resident, addr), DEC(ev_resident, looked_at), DEC(ev_resident, resident),
};
static const struct field name_fields[] = {
	HEADER, DEC(ev_name, ino), HEX(ev_name, dev), HEX(ev_name, offset), DEC(ev_name, innermost),
	TEXT(ev_name, "function", function_sz), TEXT(ev_name, "file", file_sz),
	DEC(ev_name, line),
};
static const struct field method_fields[] = {
	HEADER, HEX(ev_method, pc), HEX_LIST(ev_method, extra),
	{ "names", FIELD_METHODS, offsetof(struct ev_method, names), sizeof(struct ev_method_name),
	  AT(ev_method, n_names), NULL },
};
static const struct field facts_fields[] = {
	DEC(capture_facts, started), DEC(capture_facts, boot_time), DEC(capture_facts, started_ns),
	HEX(capture_facts, flags), WORD(capture_facts, question, question_words),
	CHARS(capture_facts, command), CHARS(capture_facts, host),
};

#define SHAPE(list, fixed) { list, sizeof(list) / sizeof((list)[0]), fixed }
#define WHOLE(list, type) SHAPE(list, sizeof(struct type))

const struct line_shape facts_shape = WHOLE(facts_fields, capture_facts);

static const struct line_shape shapes[] = {
	[EV_MMAP] = WHOLE(mmap_fields, ev_mmap),
	[EV_MUNMAP] = WHOLE(munmap_fields, ev_munmap),
	[EV_MREMAP_BEGIN] = WHOLE(mremap_fields, ev_mremap),
	[EV_MREMAP_END] = WHOLE(mremap_fields, ev_mremap),
	[EV_MPROTECT] = WHOLE(mprotect_fields, ev_mprotect),
	[EV_BRK] = WHOLE(brk_fields, ev_brk),
	[EV_SHMAT] = WHOLE(shmat_fields, ev_shmat),
	[EV_SHMDT] = WHOLE(munmap_fields, ev_munmap),
	[EV_UNDO] = WHOLE(undo_fields, ev_undo),
	[EV_FORK] = WHOLE(fork_fields, ev_fork),
	[EV_EXEC] = WHOLE(exec_fields, ev_exec),
	[EV_EXIT] = WHOLE(exit_fields, ev_exit),
	[EV_HANDLE_OPEN] = WHOLE(handle_fields, ev_handle),
	[EV_HANDLE_CLOSE] = WHOLE(handle_fields, ev_handle),
	[EV_STACK] = WHOLE(stack_fields, ev_stack),
	[EV_MISS] = WHOLE(miss_fields, ev_miss),
	[EV_TICK] = WHOLE(tick_fields, ev_header),
	[EV_PROCESS] = SHAPE(process_fields, offsetof(struct ev_process, text)),
	[EV_SEED_BEGIN] = WHOLE(seed_fields, ev_seed),
	[EV_REGION] = WHOLE(region_fields, ev_region),
	[EV_SEED_END] = WHOLE(seed_fields, ev_seed),
	[EV_FILE] = SHAPE(file_fields, offsetof(struct ev_file, path)),
	[EV_MEMORY] = WHOLE(memory_fields, ev_memory),
	[EV_GROUP] = SHAPE(group_fields, offsetof(struct ev_group, path)),
	[EV_RUN] = WHOLE(run_fields, ev_run),
	[EV_LOSS] = WHOLE(loss_fields, ev_loss),
	[EV_PAIR] = WHOLE(pair_fields, ev_pair),
	[EV_NOTE] = SHAPE(note_fields, offsetof(struct ev_note, text)),
	[EV_TRUST] = WHOLE(trust_fields, ev_trust),
	[EV_LOST] = WHOLE(lost_fields, ev_lost),
	[EV_RESIDENT] = WHOLE(resident_fields, ev_resident),
	[EV_METHOD] = WHOLE(method_fields, ev_method),
	[EV_NAME] = SHAPE(name_fields, offsetof(struct ev_name, text)),
};

const struct line_shape *line_shape_of(uint16_t type)
{
	return type < sizeof(shapes) / sizeof(shapes[0]) && shapes[type].fields ? &shapes[type] : NULL;
}

uint64_t field_get(const void *base, size_t at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)base + at, size);	/* little endian, as all records are */
	return value;
}

void field_put(void *base, size_t at, size_t size, uint64_t value)
{
	memcpy((char *)base + at, &value, size);
}
