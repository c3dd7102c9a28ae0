/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The JSON report, `unfreed.report/1` (docs/report.md). All keys but `tests` are always there, in the
 * contract's order; what is not known is null.
 *
 * Strings of processes are bytes; JSON is UTF-8. Bad bytes become U+FFFD before json-c sees them.
 * json-c escapes what JSON asks for; DEL, C1 and bidirectional controls are legal there but play
 * tricks on a terminal, so they are written as \uXXXX in a pass over the finished text: outside
 * strings it holds only ASCII.
 */
#include "user/sink/sink.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "user/base/text.h"
#include "user/detect/report_tests.h"
#include "user/sink/escape.h"
#include "user/wire/decode.h"

/* --- strings and numbers ---------------------------------------------------------------------- */

/* A JSON string with each bad byte replaced; JSON's null for NULL. False: no memory. */
static bool add_string(struct json_object *object, const char *key, const char *s)
{
	struct json_object *value = NULL;
	struct text text;

	if (!s)
		return json_object_object_add(object, key, NULL) == 0;
	text__init(&text);
	escape_utf8(&text, s);
	if (text__error(&text) == 0 && text.n <= INT32_MAX)
		value = json_object_new_string_len(text.s ? text.s : "", (int)text.n);
	text__fini(&text);
	if (value && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* Adds a value and owns it. False: it is NULL for want of memory, or could not be added. */
static bool add(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool add_count(struct json_object *object, const char *key, uint64_t n)
{
	return add(object, key, json_object_new_uint64(n));
}

static bool add_null(struct json_object *object, const char *key)
{
	return json_object_object_add(object, key, NULL) == 0;
}

static bool add_real(struct json_object *object, const char *key, double x, int decimals)
{
	char digits[400];

	if (!isfinite(x))
		return add_null(object, key);
	snprintf(digits, sizeof(digits), "%.*f", decimals, x);
	return add(object, key, json_object_new_double_s(x, digits));
}

static bool add_word(struct json_object *object, const char *key, const char *word)
{
	return add_string(object, key, word);
}

/* What a process may simply not have is empty in the report, and null here. */
static bool add_known(struct json_object *object, const char *key, const char *s)
{
	return add_string(object, key, s && *s ? s : NULL);
}

/* --- the report, from the leaves up. Each returns NULL for want of memory. ------------------- */

static struct json_object *finish(struct json_object *object, bool ok)
{
	if (ok)
		return object;
	json_object_put(object);
	return NULL;
}

static struct json_object *make_frame(const struct report_frame *frame)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_string(o, "function", frame->function) &&
			 add_string(o, "module", frame->module) &&
			 add_string(o, "build_id", frame->build_id) &&
			 add_count(o, "offset", frame->offset) &&
			 add_string(o, "file", frame->file) &&
			 (frame->line ? add_count(o, "line", frame->line) : add_null(o, "line")) &&
			 add_word(o, "kind", report_frame_kind_name(frame->kind)));
}

static struct json_object *make_stack(const struct report_site *site)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < site->n_frames; i++)
		ok = append(array, make_frame(&site->frames[i]));
	return finish(array, ok);
}

/* Numbers without an end are null. */
static struct json_object *make_test(const struct report_test *t)
{
	struct json_object *o = json_object_new_object();
	bool ok = o && add_word(o, "way", t->way) && add_word(o, "test", t->name) &&
		  add_word(o, "unit", test_unit_name(t->unit)) &&
		  (t->age > 0 ? add_real(o, "age", t->age, 1) : add_null(o, "age")) &&
		  add_word(o, "result", !t->asked ? "not-asked" : t->met ? "met" : "missed");

	if (!t->asked)
		return finish(o, ok && add_null(o, "measured") && add_null(o, "at_least") &&
				 add_null(o, "at_most"));
	return finish(o, ok && add_real(o, "measured", t->measured, 6) &&
			 (t->at_most ? add_null(o, "at_least") :
				       add_real(o, "at_least", t->threshold, 6)) &&
			 (t->at_most ? add_real(o, "at_most", t->threshold, 6) :
				       add_null(o, "at_most")));
}

static struct json_object *make_list_of_tests(const struct report_tests *tests)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < tests->n && !tests->unasked; i++)
		ok = append(array, make_test(&tests->list[i]));
	return finish(array, ok);
}

static struct json_object *make_retracted(const struct report_tests *tests)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_real(o, "at", tests->retracted_at, 1) &&
			 add_word(o, "why", tests->retracted_why));
}

static struct json_object *make_explained(const struct report_tests *t)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_word(o, "question", t->service ? "service" : "one-shot") &&
			 add_string(o, "unasked", t->unasked) && add_real(o, "at", t->at, 1) &&
			 add_string(o, "limit", t->has_limit ? ev_limit_name(t->limit) : NULL) &&
			 (t->has_limit ? add_real(o, "bytes_left", t->bytes_left, 0) :
					 add_null(o, "bytes_left")) &&
			 add_real(o, "since", t->since, 1) &&
			 (t->held < 0 ? add_null(o, "held") : add_real(o, "held", t->held, 1)) &&
			 add_count(o, "kept", t->kept) && add_count(o, "kept_closed", t->kept_died) &&
			 (t->retracted ? add(o, "retracted", make_retracted(t)) :
					 add_null(o, "retracted")) &&
			 add(o, "list", make_list_of_tests(t)));
}

static struct json_object *make_site(const struct report_site *s)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_word(o, "site", s->site) && add_string(o, "kind", s->kind) &&
			 add_word(o, "verdict", verdict_name(s->verdict)) &&
			 add_count(o, "opened", s->opened) && add_count(o, "closed", s->closed) &&
			 add_count(o, "open", s->open) &&
			 add_count(o, "closed_by_collector", s->closed_by_collector) &&
			 add_count(o, "bytes", s->bytes) &&
			 (s->has_resident ? add_count(o, "resident_bytes", s->resident_bytes) :
					    add_null(o, "resident_bytes")) &&
			 add_real(o, "share", s->share, 4) &&
			 add_real(o, "private_share", s->private_share, 4) &&
			 add_string(o, "evidence", s->evidence) && add(o, "stack", make_stack(s)) &&
			 (!s->tests || add(o, "tests", make_explained(s->tests))));
}

static struct json_object *make_sites(const struct report_process *p)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < p->n_sites; i++)
		ok = append(array, make_site(&p->sites[i]));
	return finish(array, ok);
}

static struct json_object *make_kind(const struct report_kind *k)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_string(o, "kind", k->kind) && add_count(o, "opened", k->opened) &&
			 add_count(o, "closed", k->closed) && add_count(o, "open", k->open) &&
			 add_count(o, "closed_by_collector", k->closed_by_collector) &&
			 add_count(o, "bytes", k->bytes) &&
			 add_count(o, "before_attach", k->before_attach));
}

static struct json_object *make_kinds(const struct report_process *p)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < p->n_kinds; i++)
		ok = append(array, make_kind(&p->kinds[i]));
	return finish(array, ok);
}

static bool add_seconds(struct json_object *o, const char *key, double seconds)
{
	return seconds < 0 ? add_null(o, key) : add_real(o, key, seconds, 1);
}

static struct json_object *make_limit(const struct report_limit *limit, const char *group)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_word(o, "kind", ev_limit_name(limit->kind)) &&
			 add_known(o, "group", group) &&
			 (limit->bytes_limit ? add_count(o, "bytes_limit", limit->bytes_limit) :
					       add_null(o, "bytes_limit")) &&
			 add_count(o, "bytes_left", limit->bytes_left) &&
			 add_seconds(o, "seconds_low", limit->seconds_low) &&
			 add_seconds(o, "seconds_high", limit->seconds_high));
}

static bool add_limit(struct json_object *process, const struct report_process *p)
{
	return p->has_limit ? add(process, "limit", make_limit(&p->limit, p->limit_group)) :
			      add_null(process, "limit");
}

static struct json_object *make_pids(const struct report_group *group)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < group->n_pids; i++)
		ok = append(array, json_object_new_int64(group->pids[i]));
	return finish(array, ok);
}

static struct json_object *make_groups(const struct report *report)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < report->n_groups; i++) {
		const struct report_group *group = &report->groups[i];
		struct json_object *o = make_limit(&group->limit, group->group);

		ok = append(array, finish(o, o && add(o, "pids", make_pids(group))));
	}
	return finish(array, ok);
}

static struct json_object *make_unexplained(const struct report_growth *growth)
{
	struct json_object *o = json_object_new_object();
	bool ok = o != NULL;

	for (unsigned int i = 0; ok && i < N_RESTS; i++)
		ok = add_real(o, rest_name(i), growth->rest[i], 0);
	return finish(o, ok);
}

static struct json_object *make_growth(const struct report_process *p)
{
	const struct report_growth *growth = &p->growth;
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_real(o, "resident_bytes", growth->resident_bytes, 0) &&
			 add_real(o, "private_bytes", growth->private_bytes, 0) &&
			 add_real(o, "private_explained_share", growth->private_explained_share, 4) &&
			 add(o, "unexplained", make_unexplained(growth)) &&
			 add(o, "watch", json_object_new_boolean(growth->watch)));
}

/* A process is growing or leaking or neither; "watch" is a word for sites. */
static const char *process_verdict(enum verdict verdict)
{
	return verdict_name(verdict == VERDICT_WATCH ? VERDICT_NONE : verdict);
}

static struct json_object *make_process(const struct report_process *p)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_count(o, "pid", p->pid) &&
			 add_real(o, "start_time", p->start_time, 3) &&
			 add_string(o, "comm", p->comm) && add_string(o, "cmdline", p->cmdline) &&
			 add_known(o, "unit", p->unit) && add_known(o, "runtime", p->runtime) &&
			 add_word(o, "verdict", process_verdict(p->verdict)) &&
			 add_real(o, "growth_bytes_per_second", p->growth_bytes_per_second, 0) &&
			 add_real(o, "explained_share", p->explained_share, 4) &&
			 add(o, "growth", make_growth(p)) &&
			 add_count(o, "resident_bytes", p->resident_bytes) &&
			 add_count(o, "accessible_bytes", p->accessible_bytes) &&
			 add_count(o, "reserved_bytes", p->reserved_bytes) && add_limit(o, p) &&
			 add(o, "kinds", make_kinds(p)) && add(o, "sites", make_sites(p)));
}

static struct json_object *make_processes(const struct report *report)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < report->n_processes; i++)
		ok = append(array, make_process(&report->processes[i]));
	return finish(array, ok);
}

/* Every cause, so that a zero is a statement and not a gap. */
static struct json_object *make_lost(const struct report *report)
{
	struct json_object *o = json_object_new_object();
	bool ok = o != NULL;

	for (unsigned int i = 0; ok && i < EV_N_LOSSES; i++) {
		const char *name = ev_loss_name(i);

		ok = !name || add_count(o, name, report->lost[i]);
	}
	return finish(o, ok);
}

static struct json_object *make_not_covered(const struct report *report)
{
	struct json_object *holder = json_object_new_object(), *string = NULL;
	struct json_object *array = json_object_new_array();
	bool ok = holder && array;

	for (size_t i = 0; ok && i < report->n_not_covered; i++) {
		ok = add_string(holder, "s", report->not_covered[i]) &&
		     json_object_object_get_ex(holder, "s", &string) &&
		     append(array, json_object_get(string));
	}
	json_object_put(holder);
	return finish(array, ok);
}

static struct json_object *make_trust(const struct report *report)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_count(o, "events", report->events) &&
			 add(o, "lost", make_lost(report)) &&
			 add_count(o, "healed", report->healed) &&
			 add_count(o, "stacks", report->stacks) &&
			 add_count(o, "stacks_complete", report->stacks_complete) &&
			 add(o, "not_covered", make_not_covered(report)));
}

/* RFC 3339 in UTC with milliseconds. */
static bool add_moment(struct json_object *o, const char *key, double epoch_seconds)
{
	int64_t ms = (int64_t)llround(fmin(fmax(epoch_seconds, 0), 253402300799.0) * 1000);
	time_t seconds = (time_t)(ms / 1000);
	char date[32], stamp[48];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return add_null(o, key);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp, sizeof(stamp), "%s.%03dZ", date, (int)(ms % 1000));
	return add_string(o, key, stamp);
}

static struct json_object *make_report(const struct report *report)
{
	struct json_object *o = json_object_new_object();

	return finish(o, o && add_word(o, "schema", "unfreed.report/1") &&
			 add_string(o, "command", report->command) &&
			 add_string(o, "host", report->host) &&
			 add_moment(o, "started", report->started) &&
			 add_real(o, "seconds", report->seconds, 3) &&
			 add_word(o, "verdict", process_verdict(report->verdict)) &&
			 add(o, "processes", make_processes(report)) &&
			 add(o, "groups", make_groups(report)) &&
			 add(o, "trust", make_trust(report)));
}

/* --- out ------------------------------------------------------------------------------------- */

static void put_text(FILE *stream, const char *s)
{
	size_t n;

	for (; *s; s += n) {
		uint32_t c = utf8_next(s, &n);

		/* Of the obeyed ones json-c leaves none below DEL but its own line feeds. */
		if (c >= 0x7f && is_obeyed(c))
			fprintf(stream, "\\u%04x", c);
		else
			fwrite(s, 1, n, stream);
	}
	putc('\n', stream);
}

static int json_write(const struct report *report, FILE *stream, const struct sink_opts *opts)
{
	struct json_object *o = make_report(report);
	const char *s = NULL;

	if (o)
		s = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (s)
		put_text(stream, s);
	json_object_put(o);
	return s ? sink_finish(stream) : -ENOMEM;
}

const struct sink sink_json = {
	.name = "json",
	.summary = "for scripts and CI: unfreed.report/1",
	.write = json_write,
};
