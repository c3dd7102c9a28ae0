/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A process's own clock: the age of what it holds must not grow while it could not have given it
 * back. It counts the world's ticks, less those in which the process stood still:
 *
 *   stopped or frozen   (SIGSTOP, a tracer, the cgroup freezer) from the reading that says so until
 *                       the process does something or a reading says otherwise
 *   idle                it made no record and used less than 1/128 of a CPU, for longer than IDLE_NS
 *                       and 1/16 of its own time: a night without work is no test of what the day
 *                       left open. The shorter pauses of a process at work all count, so a process
 *                       that runs has a clock equal to the wall's.
 *
 * Suspend needs nothing: the records' clock (CLOCK_MONOTONIC) stands still then.
 *
 * The clock never goes back: what a reading tells of the time before it (a stop that began 200 ms
 * ago) is let pass, and a process found to run goes on from that moment. So each stop is measured too
 * short by less than the time between two readings. A record older than the stop starts nothing.
 */
#include "user/model/clock.h"

#define IDLE_NS 10000000000ull
#define IDLE_PART 16		/* of its own time */
#define BUSY_PART 128		/* of a CPU */
#define BUSY_NS 20000000ull	/* /proc counts CPU time in steps of 10 ms: one of them may be old */

uint32_t process__now_tick(const struct process *p, const struct world *world)
{
	uint32_t now = world__now_tick(world);

	if (p->clock.halted)
		return p->clock.halt_tick;
	return now > p->clock.skipped ? now - p->clock.skipped : 0;
}

/* The tick it shows now. */
static uint32_t shown(const struct process_clock *clock, const struct world *world)
{
	return clock->halted ? clock->halt_tick : world__now_tick(world) - clock->skipped;
}

static void halt(struct process_clock *clock, const struct world *world)
{
	if (clock->halted)
		return;
	clock->halt_tick = shown(clock, world);
	clock->halted = true;
	clock->halted_ns = world__now_ns(world);
}

static void go_on(struct process_clock *clock, const struct world *world)
{
	if (!clock->halted)
		return;
	clock->skipped = world__now_tick(world) - clock->halt_tick;
	clock->halted = false;
}

static void note_busy(struct process_clock *clock, const struct world *world)
{
	go_on(clock, world);
	clock->busy_ns = world__now_ns(world);
	clock->busy_cpu_ns = clock->cpu_ns;
}

void clock__start(struct process_clock *clock, const struct world *world)
{
	*clock = (struct process_clock){ .busy_ns = world__now_ns(world) };
}

void clock__fork(struct process_clock *child, const struct process_clock *parent,
		 const struct world *world)
{
	clock__start(child, world);
	child->skipped = world__now_tick(world) - shown(parent, world);
	child->inherited = child->skipped;
}

void clock__ran(struct process_clock *clock, const struct world *world, uint64_t time_ns)
{
	if (!clock->halted || time_ns > clock->halted_ns)
		note_busy(clock, world);
}

/* Whether it used `cpu_ns` in `ns` of the wall like somebody at work. */
static bool is_busy(uint64_t cpu_ns, uint64_t ns)
{
	return cpu_ns >= BUSY_NS && cpu_ns >= ns / BUSY_PART;
}

static uint64_t patience_ns(const struct process_clock *clock, const struct world *world)
{
	uint64_t own = (uint64_t)(shown(clock, world) + clock->inherited) * WORLD_TICK_NS;
	uint64_t part = own / IDLE_PART;

	return part > IDLE_NS ? part : IDLE_NS;
}

void clock__read(struct process_clock *clock, const struct world *world, const struct ev_run *event)
{
	uint64_t now = world__now_ns(world), used = 0, since = 0, spell;
	bool first = !clock->read_ns;

	if (!first && event->cpu_ns > clock->cpu_ns) {
		used = event->cpu_ns - clock->cpu_ns;
		since = now - clock->read_ns;
	}
	if (first || event->cpu_ns < clock->busy_cpu_ns)
		clock->busy_cpu_ns = event->cpu_ns;
	clock->cpu_ns = event->cpu_ns;
	clock->read_ns = now;

	if (event->state & (EV_RUN_STOPPED | EV_RUN_FROZEN)) {
		halt(clock, world);
		clock->stopped = true;
		return;
	}
	spell = now - clock->busy_ns;
	if (clock->stopped || is_busy(used, since) ||
	    is_busy(clock->cpu_ns - clock->busy_cpu_ns, spell))
		note_busy(clock, world);
	else if (spell > patience_ns(clock, world))
		halt(clock, world);
	clock->stopped = false;
}

void clock__stop(struct process_clock *clock, const struct world *world)
{
	halt(clock, world);
}
