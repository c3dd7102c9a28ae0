/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Resident bytes of ranges of this very process, by the ioctl and by the pagemap. */
#include "user/source/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/source/procfs_dir.h"

#define PAGE 4096ull
#define N 10000u	/* pages: more than one reading of either kind */

static char *map_pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(madvise(p, n * PAGE, MADV_NOHUGEPAGE), 0);
	return p;
}

static void each_second_page(void **state)
{
	char *p = map_pages(N);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t scanned = 0, read = 0, start = (uintptr_t)p;

	for (unsigned int i = 0; i < N; i += 2)
		p[i * PAGE] = 1;
	assert_true(fd >= 0);
	assert_int_equal(procfs__resident_at(fd, true, start, start + N * PAGE, &scanned), 0);
	assert_int_equal(procfs__resident_at(fd, false, start, start + N * PAGE, &read), 0);
	assert_int_equal(scanned, N / 2 * PAGE);
	assert_int_equal(read, N / 2 * PAGE);
	close(fd);
	munmap(p, N * PAGE);
}

static void ranges_and_the_limit(void **state)
{
	char *p = map_pages(100);
	uint64_t start = (uintptr_t)p, looked_at = UINT64_MAX, resident;
	const struct procfs_range ranges[] = {
		{ start, start + 10 * PAGE }, { start + 50 * PAGE, start + 100 * PAGE },
	};
	struct procfs *procfs;

	memset(p, 1, 60 * PAGE);
	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__resident(procfs, getpid(), ranges, 2, &looked_at, &resident), 0);
	assert_int_equal(looked_at, 60 * PAGE);
	assert_int_equal(resident, 20 * PAGE);
	looked_at = 15 * PAGE;
	assert_int_equal(procfs__resident(procfs, getpid(), ranges, 2, &looked_at, &resident), 0);
	assert_int_equal(looked_at, 15 * PAGE);
	assert_int_equal(resident, 15 * PAGE);
	munmap(p, 100 * PAGE);	/* what is gone is not in memory */
	looked_at = UINT64_MAX;
	assert_int_equal(procfs__resident(procfs, getpid(), ranges, 1, &looked_at, &resident), 0);
	assert_int_equal(resident, 0);
	procfs__free(procfs);
}

static void nonsense_is_refused(void **state)
{
	const struct procfs_range backwards = { 2 * PAGE, PAGE }, askew = { 1, PAGE };
	uint64_t looked_at = UINT64_MAX, resident;
	struct procfs *procfs;

	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__resident(procfs, getpid(), &backwards, 1, &looked_at, &resident),
			 -EINVAL);
	looked_at = UINT64_MAX;
	assert_int_equal(procfs__resident(procfs, getpid(), &askew, 1, &looked_at, &resident), -EINVAL);
	looked_at = UINT64_MAX;
	assert_int_equal(procfs__resident(procfs, 0x3fffffff, &askew, 1, &looked_at, &resident), -ESRCH);
	procfs__free(procfs);
}

static void a_life(void **state)
{
	struct procfs_life life, again;
	struct procfs *procfs;

	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__life(procfs, getpid(), &life), 0);
	assert_int_equal(procfs__life(procfs, getpid(), &again), 0);
	assert_true(life.start_ns && life.image && !life.ended);
	assert_memory_equal(&life, &again, sizeof(life));
	assert_int_equal(procfs__life(procfs, 0x3fffffff, &life), -ESRCH);
	procfs__free(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_second_page),
		cmocka_unit_test(ranges_and_the_limit),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_life),
	};

	return cmocka_run_group_tests_name("procfs, resident", tests, NULL, NULL);
}
