/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The words of `unfreed verify`. The last line always begins with the sum, for scripts. */
#include "user/verify.h"

#include <sys/mman.h>

#define HISTORY_LINES 12
#define DIFFERENCES_SHOWN 100	/* of a process; the sum counts all */

static void print_side(struct text *out, const struct difference_side *side)
{
	static const char *const kinds[] = { "anon", "file", "shm", "heap", "reserved" };

	text__addf(out, "%c%c%c%c %s", side->prot & PROT_READ ? 'r' : '-',
		   side->prot & PROT_WRITE ? 'w' : '-', side->prot & PROT_EXEC ? 'x' : '-',
		   side->shared ? 's' : 'p', side->kind < KIND_PAIR_0 ? kinds[side->kind] : "?");
	if (side->ino)
		text__addf(out, " %02x:%02x %llu+%llx", side->dev >> 20, side->dev & 0xfffff,
			   (unsigned long long)side->ino, (unsigned long long)side->file_off);
}

static void print_what(struct text *out, uint32_t what)
{
	static const char *const names[] = { "missing", "extra", "protection", "sharing", "kind",
					     "file", "offset" };
	const char *separator = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(what & 1u << i))
			continue;
		text__addf(out, "%s%s", separator, names[i]);
		separator = ", ";
	}
}

static void print_difference(struct text *out, const struct difference *d)
{
	text__addf(out, "  %llx-%llx ", (unsigned long long)d->start, (unsigned long long)d->end);
	print_what(out, d->what);
	text__add(out, ": model ");
	if (d->what & DIFFERS_MISSING)
		text__add(out, "nothing");
	else
		print_side(out, &d->model);
	text__add(out, ", kernel ");
	if (d->what & DIFFERS_EXTRA)
		text__add(out, "nothing");
	else
		print_side(out, &d->kernel);
	text__add(out, "\n");
}

static void print_name(struct text *out, const struct subject *subject, const char *comm)
{
	text__addf(out, "process %u (", subject->tgid);
	text__add_safe(out, comm);
	text__add(out, "): ");
}

void verify__print_subject(const struct subject *subject, const char *comm,
			   const struct history *history, uint64_t now_ns, struct text *out)
{
	const struct differences *list = &subject->suspects.list;
	uint64_t unsettled = suspects__bytes(&subject->suspects, VERIFY_READINGS, false);
	size_t n = 0;

	if (subject->outcome == VERIFY_GONE)
		return;
	print_name(out, subject, comm);
	if (subject->outcome != VERIFY_COMPARED) {
		text__add(out, subject->outcome == VERIFY_32BIT ?
			       "not compared: a 32-bit program, its system calls are not seen\n" :
			       "not compared: its map file cannot be read\n");
		return;
	}
	text__add_count(out, suspects__bytes(&subject->suspects, VERIFY_READINGS, true));
	text__add(out, " bytes of ");
	text__add_count(out, subject->bytes);
	text__add(out, " differ");
	if (unsettled) {
		text__add(out, "; ");
		text__add_count(out, unsettled);
		text__add(out, " changed too fast to tell");
	}
	text__add(out, "\n");
	for (size_t i = 0; i < list->n && n < DIFFERENCES_SHOWN; i++) {
		const struct difference *d = &list->d[i];

		if (d->n_seen < VERIFY_READINGS)
			continue;
		print_difference(out, d);
		history__print(history, subject->tgid, d->start, d->end, now_ns, HISTORY_LINES, out);
		n++;
	}
}

void verify__print_totals(const struct verify_totals *totals, struct text *out)
{
	if (totals->own_bytes || totals->grown_bytes) {
		text__add(out, "known by name, not compared: ");
		text__add_count(out, totals->own_bytes);
		text__add(out, " bytes of [vdso], [vvar], [uprobes]; ");
		text__add_count(out, totals->grown_bytes);
		text__add(out, " bytes by which stacks grew at page faults\n");
	}
	if (totals->unsettled) {
		text__add_count(out, totals->unsettled);
		text__add(out, " bytes changed too fast to tell\n");
	}
	if (totals->n_healed || totals->n_lost)
		text__addf(out, "%llu records were lost; %u times a map file was read again, for these "
			   "or for what no record tells\n", (unsigned long long)totals->n_lost,
			   totals->n_healed);
	if (totals->n_left_out)
		text__addf(out, "%u processes were not compared\n", totals->n_left_out);
	text__add_count(out, totals->differing);
	text__add(out, " bytes of ");
	text__add_count(out, totals->bytes);
	text__addf(out, " differ in %u process%s\n", totals->n_processes,
		   totals->n_processes == 1 ? "" : "es");
}
