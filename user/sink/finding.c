/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A line of the journal is read by grep and by people, and cut by neither: so all of a finding is on
 * it, in the order in which it is asked for, and the stack last. A stack deeper than FRAMES_MAX (a
 * recursion) loses its outer frames here; the count says so.
 */
#include "user/sink/finding.h"

#include "user/sink/words.h"

#define FRAMES_MAX 48

static void add_stack(struct text *out, const struct report_site *site)
{
	size_t n = site__n_telling_frames(site), shown = n < FRAMES_MAX ? n : FRAMES_MAX;

	if (!n)
		text__add(out, "no stack was taken");
	for (size_t i = 0; i < shown; i++) {
		text__add(out, i ? " < " : "");
		words_add_frame(out, &site->frames[i]);
	}
	if (shown < n)
		text__addf(out, " < %zu more", n - shown);
	if (n && !site->complete)
		text__add(out, " < (incomplete)");
}

void finding__add(struct text *out, const struct report_process *p, const struct report_site *site)
{
	text__addf(out, "%s[%u]", p->comm ? p->comm : "?", p->pid);
	if (p->unit && *p->unit)
		text__addf(out, " of %s", p->unit);
	text__addf(out, " leaks %s: %s; about ", site->kind, site->evidence ? site->evidence : "");
	text__add_size(out, (double)site->bytes);
	text__addf(out, " held, %.0f%% of a growth of ", site->share * 100);
	words_add_rate(out, p->growth_bytes_per_second);
	text__add(out, "; ");
	if (words_add_time_left(out, p))
		text__add(out, " ");
	if (p->has_limit)
		words_add_limit(out, p);
	else
		text__add(out, "no limit known");
	text__addf(out, "; site %s: ", site->site[0] ? site->site : "unknown");
	add_stack(out, site);
}
