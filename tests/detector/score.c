/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A site that leaks is found when an alarm is in force after its leak began. An alarm on a site that
 * does not leak, or before it does, is false; each time it begins again counts as another alarm.
 */
#include "tests/detector/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void numbers__add(struct numbers *numbers, double v)
{
	if (numbers->n == numbers->capacity) {
		numbers->capacity = numbers->capacity ? 2 * numbers->capacity : 64;
		numbers->v = realloc(numbers->v, numbers->capacity * sizeof(*numbers->v));
		if (!numbers->v)
			exit(99);
	}
	numbers->v[numbers->n++] = v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quantile(struct numbers *numbers, double q)
{
	if (!numbers->n)
		return NAN;
	qsort(numbers->v, numbers->n, sizeof(*numbers->v), compare);
	return numbers->v[(size_t)((double)(numbers->n - 1) * q)];
}

static bool is_inside(const struct replayed *r)
{
	return r->process->oom < r->n_ticks;
}

static void tally__add(struct tally *tally, const struct replayed *r,
		       const struct trace_site *site, const struct said *said)
{
	if (said->n_alarms && (!site->leak || said->first < site->leak_from)) {
		tally->false_sites++;
		tally->false_alarms += site->leak ? 1 : said->n_alarms;
	}
	if (!site->leak)
		return;
	if (said->first_true == TRACE_NEVER) {
		tally->missed++;
		tally->missed_inside += is_inside(r);
		return;
	}
	tally->found++;
	tally->found_inside += is_inside(r);
	if (r->process->oom != TRACE_NEVER && r->process->oom > site->leak_from)
		numbers__add(&tally->shares, (double)(said->first_true - site->leak_from) /
						     (r->process->oom - site->leak_from));
}

static void add_group(struct score *score, const struct replayed *r, const struct trace_site *site,
		      const struct said *said)
{
	size_t n = strcspn(r->process->id, "-"), i = 0;

	n = n < sizeof(score->groups[0].name) ? n : sizeof(score->groups[0].name) - 1;
	for (; i < score->n_groups; i++) {
		if (strlen(score->groups[i].name) == n &&
		    !memcmp(score->groups[i].name, r->process->id, n))
			break;
	}
	if (i == MAX_GROUPS)
		return;
	if (i == score->n_groups)
		memcpy(score->groups[score->n_groups++].name, r->process->id, n);
	score->groups[i].leaking += site->leak;
	score->groups[i].found += said->first_true != TRACE_NEVER;
	score->groups[i].wrong += said->n_alarms &&
				  (!site->leak || said->first < site->leak_from);
	if (said->first_true != TRACE_NEVER && r->process->oom != TRACE_NEVER &&
	    r->process->oom > site->leak_from)
		numbers__add(&score->groups[i].shares,
			     (double)(said->first_true - site->leak_from) /
				     (r->process->oom - site->leak_from));
}

static void add_window(struct window_tally *tally, uint32_t window, const struct trace_site *site,
		       const struct window_said *said)
{
	bool leaks = site->leak && site->leak_from < 0.8 * window;

	if (said->bytes < 1 << 20 && !leaks)
		return;
	tally->leaking += leaks;
	tally->leak_right += leaks && said->leak_ever;
	tally->leak_wrong += !leaks && said->leak_ever;
	tally->any_right += leaks && said->any_ever;
	tally->any_wrong += !leaks && said->any_ever;
	tally->end_right += leaks && said->leak;
	tally->end_wrong += !leaks && said->leak;
}

static void add_forecast(struct score *score, const struct replayed *r)
{
	double truth, error;

	if (r->forecast_tick == TRACE_NEVER || r->process->oom == TRACE_NEVER ||
	    r->process->oom < r->forecast_tick + 30)
		return;
	truth = (r->process->oom - r->forecast_tick) * r->process->tick_s;
	score->forecasts++;
	error = r->forecast_low < 0 ?
			9.99 : fabs(sqrt(r->forecast_low * r->forecast_high) - truth) / truth;
	numbers__add(&score->forecast, fmin(error, 9.99));
	if (r->forecast_low >= 0) {
		double said = sqrt(r->forecast_low * r->forecast_high);

		score->forecast_twofold += said >= truth / 2 && said <= truth * 2;
		score->forecast_in_range += truth >= r->forecast_low && truth <= r->forecast_high;
	}
	error = r->forecast_linear < 0 ? 9.99 : fabs(r->forecast_linear - truth) / truth;
	numbers__add(&score->forecast_linear, fmin(error, 9.99));
	score->linear_twofold += r->forecast_linear >= truth / 2 && r->forecast_linear <= truth * 2;
}

void score__add(struct score *score, const struct replayed *r, const struct replay_opts *opts)
{
	score->processes++;
	for (size_t i = 0; i < r->process->n_sites; i++) {
		const struct trace_site *site = &r->process->sites[i];
		const struct site_said *said = &r->sites[i];

		score->sites++;
		score->leaking += site->leak;
		if (!site->leak)
			score->healthy_hours += r->n_ticks * r->process->tick_s / 3600;
		tally__add(&score->detector, r, site, &said->detector);
		tally__add(&score->watch, r, site, &said->watch);
		for (unsigned int k = 0; opts->baselines && k < N_BASELINES; k++)
			tally__add(&score->baselines[k], r, site, &said->baselines[k]);
		add_group(score, r, site, &said->detector);
		for (unsigned int w = 0; w < opts->n_windows; w++)
			add_window(&score->windows[w], opts->windows[w], site, &said->windows[w]);
	}
	add_forecast(score, r);
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : NAN;
}

static void print_tally(const char *name, struct tally *tally, double hours)
{
	double precision = ratio((double)tally->found, (double)(tally->found + tally->false_sites));
	double recall = ratio((double)tally->found, (double)(tally->found + tally->missed));

	printf("# %-33s %5.3f %5.3f %5.3f  %4llu/%-4llu %4llu/%-4llu %4llu %5.0f%% %5.0f%% %8.2f\n", name,
	       precision, recall, ratio(2 * precision * recall, precision + recall),
	       (unsigned long long)tally->found,
	       (unsigned long long)(tally->found + tally->missed),
	       (unsigned long long)tally->found_inside,
	       (unsigned long long)(tally->found_inside + tally->missed_inside),
	       (unsigned long long)tally->false_sites, 100 * quantile(&tally->shares, 0.5),
	       100 * quantile(&tally->shares, 0.9),
	       1000 * ratio((double)tally->false_alarms, hours));
}

static void print_groups(struct score *score)
{
	printf("#\n# scenario: found/leaking, wrong, median share of the time to the limit\n");
	for (size_t i = 0; i < score->n_groups; i++) {
		printf("# %-12s %4llu/%-4llu %4llu", score->groups[i].name,
		       (unsigned long long)score->groups[i].found,
		       (unsigned long long)score->groups[i].leaking,
		       (unsigned long long)score->groups[i].wrong);
		if (score->groups[i].shares.n)
			printf(" %5.0f%%", 100 * quantile(&score->groups[i].shares, 0.5));
		putchar('\n');
	}
}

static void print_windows(const struct score *score, const struct replay_opts *opts)
{
	printf("#\n# window, ticks: leak said, precision/recall; still at its end; growth of "
	       "regions too\n");
	for (unsigned int w = 0; w < opts->n_windows; w++) {
		const struct window_tally *t = &score->windows[w];
		double n = (double)t->leaking;

		printf("# %6u  %.2f/%.2f  %.2f/%.2f  %.2f/%.2f  of %llu leaking\n", opts->windows[w],
		       ratio((double)t->leak_right, (double)(t->leak_right + t->leak_wrong)),
		       ratio((double)t->leak_right, n),
		       ratio((double)t->end_right, (double)(t->end_right + t->end_wrong)),
		       ratio((double)t->end_right, n),
		       ratio((double)t->any_right, (double)(t->any_right + t->any_wrong)),
		       ratio((double)t->any_right, n), (unsigned long long)t->leaking);
	}
}

void score__print(struct score *score, const struct replay_opts *opts, bool groups)
{
	printf("# %llu processes, %llu sites, %llu leaking\n", (unsigned long long)score->processes,
	       (unsigned long long)score->sites, (unsigned long long)score->leaking);
	printf("# %-33s %5s %5s %5s  %9s %9s %4s %6s %6s %8s\n", "detector", "prec", "rec", "F1", "found",
	       "inside", "wrong", "median", "p90", "FP/1000h");
	print_tally("cohort survival", &score->detector, score->healthy_hours);
	print_tally("  its watch list", &score->watch, score->healthy_hours);
	for (unsigned int k = 0; opts->baselines && k < N_BASELINES; k++)
		print_tally(baseline_names[k], &score->baselines[k], score->healthy_hours);
	printf("#\n# time to the limit at the first alarm, %llu: error median %.2f p90 %.2f, "
	       "twofold %llu, in the range told %llu\n",
	       (unsigned long long)score->forecasts, quantile(&score->forecast, 0.5),
	       quantile(&score->forecast, 0.9), (unsigned long long)score->forecast_twofold,
	       (unsigned long long)score->forecast_in_range);
	printf("# predict_linear at the same moment: median %.2f p90 %.2f, twofold %llu\n",
	       quantile(&score->forecast_linear, 0.5), quantile(&score->forecast_linear, 0.9),
	       (unsigned long long)score->linear_twofold);
	if (groups)
		print_groups(score);
	if (opts->n_windows)
		print_windows(score, opts);
}

void score__fini(struct score *score)
{
	free(score->detector.shares.v);
	free(score->watch.shares.v);
	for (unsigned int k = 0; k < N_BASELINES; k++)
		free(score->baselines[k].shares.v);
	for (size_t i = 0; i < score->n_groups; i++)
		free(score->groups[i].shares.v);
	free(score->forecast.v);
	free(score->forecast_linear.v);
}
