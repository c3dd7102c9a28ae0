/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A JVM's memory as the input wants it: byte 0 chooses the JDK of a made-up image, then come patches of
 * 11 bytes: where (3), how many bytes (1, of 8), what (7 of them at most). All it is asked must end
 * within the budgets and stay inside its buffers.
 */
#include "tests/unit/fake_jvm.h"

#include <stdlib.h>

static int versions[] = { 8, 11, 17, 21, 24, 25 };

static void patch(struct fake_jvm *jvm, const uint8_t *p)
{
	size_t at = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16, n = p[3] % 8;

	if (at >= FAKE_SZ || n > FAKE_SZ - at)
		return;
	memcpy(jvm->bytes + at, p + 4, n);
}

static void ask(struct unwinder *unwinder, uint64_t pc, const struct fake_jvm *jvm)
{
	struct unwind_name names[UNWIND_MAX_NAMES];
	struct unwind_rule rule;

	if (unwinder__rule(unwinder, FAKE_TGID, pc, false, &rule) < 0)
		abort();
	for (uint32_t kind = 0; kind <= EV_FRAME_GUARDED; kind++) {
		uint64_t extra = kind == EV_FRAME_GUARDED ? FAKE_COMPILE_ID : jvm->outer;
		struct ev_frame frame = { .pc = pc, .kind = kind, .extra = { extra, jvm->outer_code } };

		if (unwinder__name(unwinder, FAKE_TGID, &frame, names, UNWIND_MAX_NAMES) > UNWIND_MAX_NAMES)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	struct unwinder_opts opts = { .ops = &fake_ops };
	struct unwinder *unwinder;
	struct fake_jvm *jvm;

	if (!sz)
		return 0;
	jvm = malloc(sizeof(*jvm));
	if (!jvm)
		abort();
	fake_jvm__init(jvm, versions[data[0] % (sizeof(versions) / sizeof(versions[0]))]);
	for (data++, sz--; sz >= 11; data += 11, sz -= 11)
		patch(jvm, data);
	opts.ops_ctx = jvm;
	if (unwinder__new(&unwinder, &opts))
		abort();
	ask(unwinder, jvm->compiled_pc, jvm);
	ask(unwinder, jvm->deopt_pc, jvm);
	ask(unwinder, jvm->native_pc, jvm);
	ask(unwinder, jvm->interpreter_pc, jvm);
	ask(unwinder, jvm->call_stub_pc, jvm);
	if (jvm->n_bytes > (16u + 5 * 4 * 4) << 20)
		abort();
	unwinder__free(unwinder);
	free(jvm);
	return 0;
}
