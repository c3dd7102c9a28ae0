/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One pass over the lines; names are found by a hash table, events go into one array per process,
 * which is sorted at the end. A line that makes no sense ends the reading.
 */
#include "tests/detector/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/model/world.h"

#define MAX_FIELDS 6
#define SPACE " \t\r\n"

/* Where a name leads. */
struct place {
	char process[TRACE_NAME], site[TRACE_NAME];	/* the key; no site: the process itself */
	uint32_t process_i, site_i;
};

struct reader {
	struct trace *trace;
	struct table places;
};

static void *grown(void *array, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return array;
	*capacity = *capacity ? 2 * *capacity : 16;
	array = realloc(array, *capacity * size);
	if (!array) {
		fputs("out of memory\n", stderr);
		exit(99);
	}
	return array;
}

/* --- fields --------------------------------------------------------------------------------- */

/* Whole numbers, also as 1.5e9 or 4096.0. */
static bool to_u64(const char *s, uint64_t max, uint64_t *out)
{
	char *end;
	double d;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || errno)
		return false;
	if (*end) {
		d = strtod(s, &end);
		if (*end || !(d < 0x1p63))
			return false;
		*out = (uint64_t)d;
	}
	return *out <= max;
}

static bool to_tick(const char *s, uint32_t *out)
{
	uint64_t value;

	if (!to_u64(s, TRACE_MAX_TICK, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool to_double(const char *s, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return end != s && !*end && isfinite(*out) && *out >= 0;
}

static unsigned int to_kind(const char *s)
{
	static const char *const handles[] = { "handle", "stream", "zlib", "flate" };
	uint64_t number;

	if (to_u64(s, N_KINDS - 1, &number))
		return number == KIND_RESERVED ? KIND_ANON : (unsigned int)number;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		if (strstr(s, handles[i]))
			return KIND_PAIR_0;
	}
	if (!strcmp(s, "file"))
		return KIND_FILE;
	if (!strcmp(s, "shm"))
		return KIND_SHM;
	if (!strcmp(s, "brk"))
		return KIND_HEAP;
	return KIND_ANON;
}

/* --- names ---------------------------------------------------------------------------------- */

static bool fill_place(struct place *place, const char *process, const char *site)
{
	memset(place, 0, sizeof(*place));
	if (strlen(process) >= TRACE_NAME || strlen(site) >= TRACE_NAME)
		return false;
	memcpy(place->process, process, strlen(process));
	memcpy(place->site, site, strlen(site));
	return true;
}

static const struct place *find(struct reader *reader, const char *process, const char *site)
{
	struct place key;

	if (!fill_place(&key, process, site))
		return NULL;
	return table__find(&reader->places, &key);
}

static struct trace_process *find_process(struct reader *reader, const char *id)
{
	const struct place *place = find(reader, id, "");

	return place ? &reader->trace->processes[place->process_i] : NULL;
}

/* The place of a name that is new; NULL: it is not, or too long. */
static struct place *enter(struct reader *reader, const char *process, const char *site)
{
	struct place key, *place;
	bool is_new;

	if (!fill_place(&key, process, site))
		return NULL;
	place = table__insert(&reader->places, &key, &is_new);
	return is_new ? place : NULL;
}

/* --- lines: each returns what is wrong, or NULL ----------------------------------------------- */

static const char *read_proc(struct reader *reader, char **f)
{
	struct trace *trace = reader->trace;
	struct trace_process p = { .oom = TRACE_NEVER };
	struct place *place;

	if (!to_u64(f[2], UINT64_MAX, &p.limit) || !to_u64(f[3], UINT64_MAX, &p.base))
		return "limit and base are whole numbers of bytes";
	if (!to_double(f[4], &p.loss) || p.loss >= 1)
		return "the loss rate is a number from 0 to below 1";
	if (!to_double(f[5], &p.tick_s) || p.tick_s < 1e-6)
		return "the tick is a number of seconds above 0";
	place = enter(reader, f[1], "");
	if (!place)
		return "the process is there already, or its name is too long";
	place->process_i = (uint32_t)trace->n;
	memcpy(p.id, place->process, sizeof(p.id));
	trace->processes = grown(trace->processes, trace->n, &trace->capacity, sizeof(p));
	trace->processes[trace->n++] = p;
	return NULL;
}

static const char *read_site(struct reader *reader, char **f)
{
	struct trace_process *p = find_process(reader, f[1]);
	struct trace_site site = { .leak_from = TRACE_NEVER, .kind = to_kind(f[4]) };
	struct place *place;

	if (!p)
		return "no such process";
	if (!to_u64(f[3], 1ull << 50, &site.size))
		return "the size is a whole number of bytes";
	site.leak = !strcmp(f[5], "leak");
	if (!site.leak && strcmp(f[5], "ok"))
		return "the label is leak or ok";
	place = enter(reader, f[1], f[2]);
	if (!place)
		return "the site is there already, or its name is too long";
	place->process_i = (uint32_t)(p - reader->trace->processes);
	place->site_i = (uint32_t)p->n_sites;
	memcpy(site.name, place->site, sizeof(site.name));
	p->sites = grown(p->sites, p->n_sites, &p->sites_capacity, sizeof(site));
	p->sites[p->n_sites++] = site;
	return NULL;
}

static void add_event(struct trace_process *p, struct trace_event event)
{
	p->events = grown(p->events, p->n_events, &p->events_capacity, sizeof(event));
	p->events[p->n_events++] = event;
}

static void note_tick(struct trace_process *p, uint32_t tick)
{
	if (tick >= p->n_ticks)
		p->n_ticks = tick + 1;
}

static const char *read_tick(struct reader *reader, char **f)
{
	const struct place *place = find(reader, f[2], f[3]);
	struct trace_process *p;
	uint32_t tick, death;
	uint64_t n;
	char *rest = f[5], *part;

	if (!place)
		return "no such site";
	if (!to_tick(f[1], &tick))
		return "the tick is no whole number, or too late";
	if (!to_u64(f[4], UINT32_MAX, &n))
		return "the births are no whole number";
	p = &reader->trace->processes[place->process_i];
	note_tick(p, tick);
	if (n)
		add_event(p, (struct trace_event){ tick, tick, place->site_i, (uint32_t)n, false });
	while (rest && (part = strsep(&rest, ", \t\r\n"))) {
		char *count = part;

		if (!*part || !strcmp(part, "-"))
			continue;
		strsep(&count, ":");
		if (!count || !to_tick(part, &death) || !to_u64(count, UINT32_MAX, &n))
			return "deaths are TICK:COUNT, ...";
		add_event(p, (struct trace_event){ death > tick ? death : tick,
						   death > tick ? tick : death,
						   place->site_i, (uint32_t)n, true });
	}
	return NULL;
}

static const char *read_usage(struct reader *reader, char **f)
{
	struct trace_process *p = find_process(reader, f[2]);
	struct trace_usage usage;

	if (!p)
		return "no such process";
	if (!to_tick(f[1], &usage.tick) || !to_u64(f[3], UINT64_MAX, &usage.bytes))
		return "tick and bytes are whole numbers";
	p->usage = grown(p->usage, p->n_usage, &p->usage_capacity, sizeof(usage));
	p->usage[p->n_usage++] = usage;
	note_tick(p, usage.tick);
	return NULL;
}

/* "# truth ID SITE FROM", "# oom ID TICK"; any other comment is none of ours. */
static void read_comment(struct reader *reader, char **f, unsigned int n)
{
	struct trace_process *p = n >= 4 ? find_process(reader, f[2]) : NULL;
	const struct place *place;
	uint32_t tick;

	if (!p)
		return;
	if (!strcmp(f[1], "oom") && to_tick(f[3], &tick))
		p->oom = tick;
	place = n >= 5 && !strcmp(f[1], "truth") ? find(reader, f[2], f[3]) : NULL;
	if (place && to_tick(f[4], &tick))
		p->sites[place->site_i].leak_from = tick;
}

static const char *read_line(struct reader *reader, char *line)
{
	static const struct {
		const char *word;
		unsigned int least, most;
		const char *(*read)(struct reader *reader, char **f);
	} forms[] = {
		{ "proc", 6, 6, read_proc }, { "site", 6, 6, read_site },
		{ "t", 5, MAX_FIELDS, read_tick }, { "usage", 4, 4, read_usage },
	};
	char *fields[MAX_FIELDS + 1] = { NULL }, *rest = line;
	unsigned int n = 0;

	/* The last field is all the rest of the line. */
	for (rest += strspn(rest, SPACE); *rest && n < MAX_FIELDS + 1; rest += strspn(rest, SPACE)) {
		fields[n++] = rest;
		if (n == MAX_FIELDS && !strcmp(fields[0], "t"))
			break;
		rest += strcspn(rest, SPACE);
		if (*rest)
			*rest++ = '\0';
	}
	if (!n)
		return NULL;
	if (fields[0][0] == '#') {
		read_comment(reader, fields, n);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(fields[0], forms[i].word))
			continue;
		return n < forms[i].least || n > forms[i].most ? "too few or too many fields" :
								 forms[i].read(reader, fields);
	}
	return "it begins with none of proc, site, t, usage, #";
}

/* --- the whole ------------------------------------------------------------------------------ */

static int compare_events(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->tick != y->tick)
		return x->tick < y->tick ? -1 : 1;
	if (x->death != y->death)
		return x->death ? 1 : -1;
	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->birth < y->birth ? -1 : x->birth > y->birth;
}

static int compare_usage(const void *a, const void *b)
{
	const struct trace_usage *x = a, *y = b;

	return x->tick < y->tick ? -1 : x->tick > y->tick;
}

static void finish(struct trace_process *p)
{
	if (p->n_events)
		qsort(p->events, p->n_events, sizeof(*p->events), compare_events);
	if (p->n_usage)
		qsort(p->usage, p->n_usage, sizeof(*p->usage), compare_usage);
	/* What dies behind the last reading lived on, as far as anybody saw. */
	if (p->n_events && !p->n_usage)
		note_tick(p, p->events[p->n_events - 1].tick);
	for (size_t i = 0; i < p->n_events; i++) {
		struct trace_site *site = &p->sites[p->events[i].site];

		if (!p->events[i].death && site->leak_from == TRACE_NEVER)
			site->leak_from = p->events[i].tick;
	}
	/* Nobody said when the limit is reached: look. */
	for (size_t i = 0; i < p->n_usage && p->oom == TRACE_NEVER; i++) {
		if (p->limit && p->usage[i].bytes >= p->limit)
			p->oom = p->usage[i].tick;
	}
}

int trace__read(struct trace *out, const char *path)
{
	struct reader reader = { .trace = out };
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	size_t capacity = 0, n = 0;
	char *line = NULL;
	const char *fault = NULL;
	bool fine;

	memset(out, 0, sizeof(*out));
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	table__init(&reader.places, 2 * TRACE_NAME, sizeof(struct place));
	while (!fault && getline(&line, &capacity, f) >= 0) {
		n++;
		fault = read_line(&reader, line);
	}
	if (!fault && ferror(f))
		fault = strerror(errno);
	if (fault)
		fprintf(stderr, "%s:%zu: %s\n", path, n, fault);
	fine = !fault;
	free(line);
	table__fini(&reader.places);
	if (f != stdin)
		fclose(f);
	for (size_t i = 0; i < out->n; i++)
		finish(&out->processes[i]);
	if (!fine)
		trace__fini(out);
	return fine ? 0 : -1;
}

void trace__fini(struct trace *trace)
{
	for (size_t i = 0; i < trace->n; i++) {
		free(trace->processes[i].sites);
		free(trace->processes[i].events);
		free(trace->processes[i].usage);
	}
	free(trace->processes);
	memset(trace, 0, sizeof(*trace));
}
