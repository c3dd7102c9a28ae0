/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records in, report out: the detector on the real model, as the program wires them. What the
 * other detector tests take for granted of the world (ticks, births, deaths, ends) is shown here.
 */
#include "user/detect/detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "user/model/world.h"
#include "user/wire/decode.h"

#define PID 321
#define STEP_NS 2000000ull	/* 500 objects a second */
#define STEPS_PER_TICK 50

struct line {
	struct world *world;
	struct detector *detector;
	uint64_t now_ns;
	uint64_t n;	/* steps done */
};

static void apply(struct line *line, void *record, uint16_t type, size_t size)
{
	struct ev_header *h = record;
	const struct ev_header *checked;
	const char *why = "";

	h->time_ns = line->now_ns;
	h->type = type;
	h->size = (uint32_t)size;
	assert_int_equal(ev_check(record, size, &checked, &why), 0);
	assert_int_equal(world__apply(line->world, checked), 0);
	if (type == EV_TICK)
		assert_int_equal(detector__check(line->detector, line->world), 0);
}

static void step(struct line *line)
{
	struct ev_header tick = { 0 };

	line->now_ns += STEP_NS;
	if (++line->n % STEPS_PER_TICK == 0)
		apply(line, &tick, EV_TICK, sizeof(tick));
}

static void send_stack(struct line *line, uint64_t id)
{
	union {
		struct ev_stack stack;
		uint8_t bytes[sizeof(struct ev_stack) + 2 * sizeof(struct ev_frame)];
	} r;

	memset(&r, 0, sizeof(r));
	r.stack.h.tgid = PID;
	r.stack.id = id;
	r.stack.n_frames = 2;
	r.stack.frames[0].pc = 0x1000 + id;
	r.stack.frames[1].pc = 0x2000 + id;
	apply(line, &r, EV_STACK, sizeof(r.bytes));
}

static void line_init(struct line *line)
{
	struct detector_opts detector_opts = { .question = DETECTOR_ONE_SHOT };
	struct world_opts world_opts = { .keep_exited = true, .watcher = &detector_watcher };
	struct ev_process_text text = { .comm = "streams", .cmdline = "streams -x" };
	struct ev_pair pair = { .pair = 0, .name = "zlib-inflate" };
	uint64_t buf[32] = { 0 };
	size_t n;

	memset(line, 0, sizeof(*line));
	line->now_ns = 123456789;
	assert_int_equal(detector__new(&line->detector, &detector_opts), 0);
	world_opts.watcher_ctx = line->detector;
	assert_int_equal(world__new(&line->world, &world_opts), 0);
	detector__watch(line->detector, line->world);
	apply(line, &pair, EV_PAIR, sizeof(pair));
	n = ev_write_process(buf, sizeof(buf), &text);
	((struct ev_header *)buf)->tgid = PID;
	apply(line, buf, EV_PROCESS, n);
	send_stack(line, 7);
}

static void line_fini(struct line *line)
{
	world__free(line->world);
	detector__free(line->detector);
}

static void handle(struct line *line, uint16_t type, uint64_t handle)
{
	struct ev_handle r = { .h = { .tgid = PID, .tid = PID }, .handle = handle };

	if (type == EV_HANDLE_OPEN) {
		r.stack = 7;
		r.bytes = 40000;
	}
	apply(line, &r, type, sizeof(r));
}

static struct report *report_of(const struct line *line)
{
	struct report_facts facts = { .command = "run", .host = "h", .started_ns = 123456789 };
	struct report *report = NULL;

	assert_int_equal(detector__report(line->detector, line->world, &facts, &report), 0);
	assert_int_equal(report->n_processes, 1);
	return report;
}

static void exit_process(struct line *line)
{
	struct ev_exit r = { .h = { .tgid = PID, .tid = PID } };

	apply(line, &r, EV_EXIT, sizeof(r));
	for (unsigned int i = 0; i < 2 * STEPS_PER_TICK; i++)
		step(line);
}

static void streams(struct line *line, unsigned int keep_one_in)
{
	for (unsigned int i = 1; i <= 1000; i++) {
		handle(line, EV_HANDLE_OPEN, 0x10000 + 64 * i);
		step(line);
		if (i > 1 && (!keep_one_in || (i - 1) % keep_one_in))
			handle(line, EV_HANDLE_CLOSE, 0x10000 + 64 * (i - 1));
	}
	if (!keep_one_in)
		handle(line, EV_HANDLE_CLOSE, 0x10000 + 64 * 1000);
}

static void ten_of_a_thousand(void **state)
{
	struct report *report;
	struct line line;

	line_init(&line);
	streams(&line, 100);
	for (unsigned int i = 0; i < 3 * STEPS_PER_TICK; i++)
		step(&line);
	report = report_of(&line);
	assert_int_equal(report->verdict, VERDICT_LEAK);
	assert_string_equal(report->processes[0].comm, "streams");
	assert_string_equal(report->processes[0].sites[0].kind, "zlib-inflate");
	assert_int_equal(report->processes[0].sites[0].opened, 1000);
	assert_int_equal(report->processes[0].sites[0].open, 10);
	assert_int_equal(report->processes[0].sites[0].n_frames, 2);
	report__free(report);
	exit_process(&line);
	report = report_of(&line);
	assert_true(report->processes[0].exited);
	assert_int_equal(report->verdict, VERDICT_LEAK);
	assert_int_equal(report->processes[0].sites[0].open, 10);
	report__free(report);
	line_fini(&line);
}

static void all_of_a_thousand(void **state)
{
	struct report *report;
	struct line line;

	line_init(&line);
	streams(&line, 0);
	exit_process(&line);
	report = report_of(&line);
	assert_int_equal(report->verdict, VERDICT_NONE);
	assert_int_equal(report->processes[0].kinds[0].opened, 1000);
	assert_int_equal(report->processes[0].kinds[0].open, 0);
	report__free(report);
	line_fini(&line);
}

static void reopened_streams_leak(void **state)
{
	struct report *report;
	struct line line;

	line_init(&line);
	for (unsigned int i = 0; i < 1000; i++) {
		handle(&line, EV_HANDLE_OPEN, 0x10000);
		step(&line);
	}
	report = report_of(&line);
	assert_int_equal(report->verdict, VERDICT_LEAK);
	assert_int_equal(report->processes[0].sites[0].open, 1000);
	assert_non_null(strstr(report->processes[0].sites[0].evidence, "opened again while open"));
	report__free(report);
	line_fini(&line);
}

static void map(struct line *line, uint64_t addr, uint64_t ino)
{
	struct ev_mmap r = {
		.h = { .tgid = PID, .tid = PID }, .stack = 7, .addr = addr, .len = 65536,
		.prot = PROT_READ | PROT_WRITE, .ino = ino, .dev = ino ? 5 : 0,
		.flags = ino ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
	};

	apply(line, &r, EV_MMAP, sizeof(r));
}

static void unmap(struct line *line, uint64_t addr)
{
	struct ev_munmap r = { .h = { .tgid = PID, .tid = PID }, .addr = addr, .len = 65536 };

	apply(line, &r, EV_MUNMAP, sizeof(r));
}

static void one_in_ten_mappings(void **state)
{
	struct report *report;
	struct line line;

	for (unsigned int keep = 0; keep < 2; keep++) {
		line_init(&line);
		for (uint64_t i = 0; i < 1000; i++) {
			map(&line, (0x1000 + i) << 20, 0);
			step(&line);
			if (!keep || i % 10)
				unmap(&line, (0x1000 + i) << 20);
		}
		report = report_of(&line);
		assert_int_equal(report->verdict, keep ? VERDICT_LEAK : VERDICT_NONE);
		assert_int_equal(report->processes[0].sites[0].open, keep ? 100 : 0);
		report__free(report);
		line_fini(&line);
	}
}

static void one_file_again_and_again(void **state)
{
	struct report *report;
	struct line line;

	line_init(&line);
	for (uint64_t i = 0; i < 1000; i++) {
		map(&line, (0x1000 + i) << 20, 99);
		step(&line);
	}
	report = report_of(&line);
	assert_int_equal(report->verdict, VERDICT_LEAK);
	report__free(report);
	line_fini(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_of_a_thousand),
		cmocka_unit_test(all_of_a_thousand),
		cmocka_unit_test(reopened_streams_leak),
		cmocka_unit_test(one_in_ten_mappings),
		cmocka_unit_test(one_file_again_and_again),
	};

	return cmocka_run_group_tests_name("detector_model", tests, NULL, NULL);
}
