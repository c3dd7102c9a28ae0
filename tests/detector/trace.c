/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One pass over the lines; names are found by a hash table, events go into one array per process,
 * which is sorted at the end. A line that makes no sense ends the reading.
 */
#include "tests/detector/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/detector/trace_fields.h"
#include "user/base/table.h"

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

	if (!field__to_limit(f[2], &p.limit) || !field__to_u64(f[3], UINT64_MAX, &p.base))
		return "limit and base are whole numbers of bytes";
	if (!field__to_double(f[4], &p.loss) || p.loss >= 1)
		return "the loss rate is a number from 0 to below 1";
	if (!field__to_double(f[5], &p.tick_s) || p.tick_s < 1e-6 || p.tick_s > 1e6)
		return "the tick is a number of seconds from 1e-6 to 1e6";
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
	struct trace_site site = { .leak_from = TRACE_NEVER, .kind = field__to_kind(f[4]) };
	struct place *place;

	if (!p)
		return "no such process";
	if (!field__to_u64(f[3], 1ull << 50, &site.size))
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

/* Returns what is wrong, or NULL. */
static const char *note_tick(struct trace_process *p, uint32_t tick)
{
	if (tick >= p->n_ticks)
		p->n_ticks = tick + 1;
	return p->n_ticks * p->tick_s > TRACE_MAX_SECONDS ? "this is 12 years after tick 0" : NULL;
}

/* "DEATH_TICK:COUNT,...", which it tears to pieces; what dies after all ticks does not. */
static bool read_deaths(struct trace_process *p, uint32_t site, uint32_t tick, char *rest)
{
	uint64_t death, n;
	char *part;

	while (rest && (part = strsep(&rest, "," SPACE))) {
		char *count = part;

		if (!*part || !strcmp(part, "-"))
			continue;
		strsep(&count, ":");
		if (!count || !field__to_u64(part, UINT64_MAX, &death) || !field__to_u64(count, TRACE_MAX_COUNT, &n))
			return false;
		if (death > TRACE_MAX_TICK || !n)
			continue;
		add_event(p, (struct trace_event){
			.tick = death > tick ? (uint32_t)death : tick,
			.birth = death > tick ? tick : (uint32_t)death,
			.site = site, .n = (uint32_t)n, .death = true });
	}
	return true;
}

static const char *read_tick(struct reader *reader, char **f)
{
	const struct place *place = find(reader, f[2], f[3]);
	struct trace_process *p;
	const char *fault;
	uint32_t tick;
	uint64_t n;

	if (!place)
		return "no such site";
	if (!field__to_tick(f[1], &tick))
		return "the tick is no whole number up to 10,000,000";
	if (!field__to_u64(f[4], TRACE_MAX_COUNT, &n))
		return "the births are no whole number up to 100,000,000";
	p = &reader->trace->processes[place->process_i];
	fault = note_tick(p, tick);
	if (n)
		add_event(p, (struct trace_event){ tick, tick, place->site_i, (uint32_t)n, false });
	if (!read_deaths(p, place->site_i, tick, f[5]))
		return "deaths are TICK:COUNT,...";
	return fault;
}

static const char *read_usage(struct reader *reader, char **f)
{
	struct trace_process *p = find_process(reader, f[2]);
	struct trace_usage usage;

	if (!p)
		return "no such process";
	if (!field__to_tick(f[1], &usage.tick) || !field__to_u64(f[3], UINT64_MAX, &usage.bytes))
		return "tick and bytes are whole numbers, the tick up to 10,000,000";
	p->usage = grown(p->usage, p->n_usage, &p->usage_capacity, sizeof(usage));
	p->usage[p->n_usage++] = usage;
	return note_tick(p, usage.tick);
}

/* "# truth ID SITE FROM", "# oom ID TICK"; any other comment is none of ours. */
static void read_comment(struct reader *reader, char **f, unsigned int n)
{
	struct trace_process *p = n >= 4 ? find_process(reader, f[2]) : NULL;
	const struct place *place;
	uint32_t tick;

	if (!p)
		return;
	if (!strcmp(f[1], "oom") && field__to_tick(f[3], &tick))
		p->oom = tick;
	place = n >= 5 && !strcmp(f[1], "truth") ? find(reader, f[2], f[3]) : NULL;
	if (place && field__to_tick(f[4], &tick))
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

/* All of one birth together, in the order in which they come. */
static int compare_births(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->birth != y->birth)
		return x->birth < y->birth ? -1 : 1;
	return compare_events(a, b);
}

/* No more die of a tick than were born in it. */
static void bound_deaths(struct trace_process *p)
{
	const struct trace_event *born = NULL;
	uint64_t live = 0;

	qsort(p->events, p->n_events, sizeof(*p->events), compare_births);
	for (size_t i = 0; i < p->n_events; i++) {
		struct trace_event *e = &p->events[i];

		if (!born || born->site != e->site || born->birth != e->birth) {
			born = e;
			live = 0;
		}
		if (!e->death) {
			live += e->n;
			continue;
		}
		if (e->n > live)
			e->n = (uint32_t)live;
		live -= e->n;
	}
}

static int compare_usage(const void *a, const void *b)
{
	const struct trace_usage *x = a, *y = b;

	return x->tick < y->tick ? -1 : x->tick > y->tick;
}

static void finish(struct trace_process *p)
{
	if (p->n_events) {
		bound_deaths(p);
		qsort(p->events, p->n_events, sizeof(*p->events), compare_events);
	}
	if (p->n_usage)
		qsort(p->usage, p->n_usage, sizeof(*p->usage), compare_usage);
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
	ssize_t sz;
	bool fine;

	memset(out, 0, sizeof(*out));
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	table__init(&reader.places, 2 * TRACE_NAME, sizeof(struct place));
	while (!fault && (sz = getline(&line, &capacity, f)) >= 0) {
		n++;
		fault = strlen(line) < (size_t)sz ? "it has a byte of 0 in it" :
						    read_line(&reader, line);
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
