/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A report made by hand, for the sinks' tests. Every string in it is borrowed from the test, so it
 * is never given to report__free(). Included once, by a test.
 */
#ifndef UNFREED_TESTS_FAKE_REPORT_H
#define UNFREED_TESTS_FAKE_REPORT_H

#include <string.h>

#include "user/detect/report.h"

#define S(s) ((char *)(s))

/* What a process may call itself: bytes that end a line, a string, a label, or move a cursor. */
#define HOSTILE "ev\"il\\\n\033[2J\x9b\xff\xc2\x9b\xe2\x80\xae\xed\xa0\x80}"

struct fake_report {
	struct report report;
	struct report_process processes[2];
	struct report_kind kinds[2];
	struct report_site sites[2];
	struct report_frame frames[4];
	char *notes[2];
};

static void fake_frames(struct fake_report *f)
{
	f->frames[0] = (struct report_frame){
		.function = S("inflateInit2_"), .module = S("libz.so.1"), .innermost = true,
		.path = S("/usr/lib/libz.so.1"), .build_id = S("ab0c"), .offset = 0x4321,
	};
	f->frames[1] = (struct report_frame){
		.module = S("libzip.so"), .path = S("/opt/jdk/lib/libzip.so"), .offset = 0x1f00,
	};
	f->frames[2] = (struct report_frame){
		.function = S("java.util.zip.Inflater.init"), .kind = FRAME_JAVA,
		.file = S("Inflater.java"), .line = 110, .offset = 0x7f0000001000,
	};
	f->frames[3] = (struct report_frame){ .kind = FRAME_JIT, .offset = 0x7f0000002000 };
}

/* A leaking java and a healthy neighbour. */
static void fake_report(struct fake_report *f)
{
	memset(f, 0, sizeof(*f));
	fake_frames(f);
	f->kinds[0] = (struct report_kind){ .kind = S("anon"), .opened = 12, .closed = 2,
					    .open = 10, .bytes = 9000000000, .before_attach = 400 };
	f->kinds[1] = (struct report_kind){ .kind = S("zlib-inflate"), .opened = 196204,
					    .closed = 31, .open = 196173, .bytes = 7900000000 };
	f->sites[0] = (struct report_site){
		.site = "00c0ffee00c0ffee", .kind = S("zlib-inflate"), .verdict = VERDICT_LEAK,
		.opened = 196204, .closed = 31, .open = 196173, .bytes = 7900000000,
		.share = 0.97, .bytes_per_second = 400e6, .frames = f->frames, .n_frames = 4,
		.evidence = S("31 of 196,204 were ever closed; the open ones are 0.1 s to 12 s old"),
		.complete = true,
	};
	f->sites[1] = (struct report_site){
		.kind = S("anon"), .verdict = VERDICT_NONE, .opened = 12, .closed = 2, .open = 10,
		.bytes = 1100000000, .has_resident = true, .resident_bytes = 500,
		.evidence = S("10 of 12 still held"),
	};
	f->processes[0] = (struct report_process){
		.pid = 4121, .start_time = 1760000000.25, .comm = S("java"),
		.cmdline = S("java kafka.Kafka"), .unit = S("kafka.service"),
		.runtime = S("hotspot 17.0.15"), .verdict = VERDICT_LEAK,
		.growth_bytes_per_second = 402e6, .explained_share = 0.97,
		.resident_bytes = 9500000000, .accessible_bytes = 12000000000,
		.reserved_bytes = 1000000000, .has_limit = true,
		.limit = { .kind = EV_LIMIT_HOST, .bytes_left = 8400000000,
			   .seconds_low = 18, .seconds_high = 25 },
		.kinds = f->kinds, .n_kinds = 2, .sites = f->sites, .n_sites = 2,
	};
	f->processes[1] = (struct report_process){
		.pid = 77, .comm = S("sleep"), .cmdline = S("sleep 9"), .unit = S(""),
		.runtime = S(""), .resident_bytes = 1000000,
	};
	f->notes[0] = S("32-bit system calls are not seen.");
	f->notes[1] = S("java[4121]: a static zlib without symbols.");
	f->report = (struct report){
		.command = S("attach"), .host = S("broker-1"), .started = 1760000001.5,
		.seconds = 12.4, .verdict = VERDICT_LEAK, .processes = f->processes,
		.n_processes = 2, .events = 1234567, .healed = 1, .stacks = 1000,
		.stacks_complete = 999, .not_covered = f->notes, .n_not_covered = 2,
	};
	f->report.lost[EV_LOSS_RING_FULL] = 17;
}

/* The same with every string of others replaced. */
static void make_hostile(struct fake_report *f)
{
	struct report_process *p = &f->processes[0];

	p->comm = p->cmdline = p->unit = p->runtime = S(HOSTILE);
	f->kinds[1].kind = f->sites[0].kind = f->sites[0].evidence = S(HOSTILE);
	for (size_t i = 0; i < 4; i++) {
		f->frames[i].function = i % 2 ? NULL : S(HOSTILE);
		f->frames[i].module = f->frames[i].path = f->frames[i].file = S(HOSTILE);
		f->frames[i].line = 3;
	}
	f->notes[0] = f->report.host = S(HOSTILE);
}

#endif /* UNFREED_TESTS_FAKE_REPORT_H */
