/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How much of an address range is in memory, page by page: by the PAGEMAP_SCAN ioctl (Linux 6.7),
 * which skips what was never touched as fast as the page tables allow, else by reading eight bytes
 * per page. The page of zeros that untouched memory shows to a reader is nobody's memory; only the
 * ioctl can tell it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define PAGE 4096ull
#define PRESENT (1ull << 63)
#define ENTRIES 4096		/* of the pagemap, per read */
#define REGIONS 512		/* per ioctl */

/* As of Linux 6.7 (52526ca7fdb9), which the headers of older systems lack. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT (1 << 3)
#define SCAN_ZERO_PAGE (1 << 5)

static int scan(int fd, uint64_t start, uint64_t end, uint64_t *resident)
{
	struct scan_region regions[REGIONS];
	struct scan_arg arg = {
		.size = sizeof(arg),
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_inverted = SCAN_ZERO_PAGE,
		.category_mask = SCAN_PRESENT | SCAN_ZERO_PAGE,
		.return_mask = SCAN_PRESENT,
	};

	while (start < end) {
		int n;

		arg.start = start;
		arg.walk_end = 0;
		n = ioctl(fd, SCAN_IOCTL, &arg);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		for (int i = 0; i < n && i < REGIONS; i++)
			*resident += regions[i].end - regions[i].start;
		if (arg.walk_end <= start)
			break;
		start = arg.walk_end;
	}
	return 0;
}

static int read_entries(int fd, uint64_t start, uint64_t end, uint64_t *resident)
{
	uint64_t entries[ENTRIES];

	while (start < end) {
		uint64_t want = (end - start) / PAGE;
		ssize_t n;

		want = (want < ENTRIES ? want : ENTRIES) * sizeof(entries[0]);
		n = pread(fd, entries, want, (off_t)(start / PAGE * sizeof(entries[0])));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		n /= (ssize_t)sizeof(entries[0]);
		if (!n)
			break;
		for (ssize_t i = 0; i < n; i++)
			*resident += entries[i] & PRESENT ? PAGE : 0;
		start += (uint64_t)n * PAGE;
	}
	return 0;
}

int procfs__resident_at(int pagemap_fd, bool may_scan, uint64_t start, uint64_t end,
			uint64_t *resident)
{
	uint64_t n = 0;
	int r = may_scan ? scan(pagemap_fd, start, end, &n) : -ENOTTY;

	if (r == -ENOTTY || r == -EINVAL) {
		n = 0;
		r = read_entries(pagemap_fd, start, end, &n);
	}
	*resident += n;
	return r;
}

int procfs__resident(struct procfs *procfs, pid_t pid, const struct procfs_range *ranges, size_t n,
		     uint64_t *looked_at, uint64_t *resident)
{
	cleanup_fd int dir_fd = -1, fd = -1;
	uint64_t left = *looked_at;
	int r;

	*looked_at = *resident = 0;
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = procfs__open_at(dir_fd, "pagemap", O_RDONLY, &fd);
	for (size_t i = 0; !r && left && i < n; i++) {
		uint64_t sz = ranges[i].end - ranges[i].start;

		if (ranges[i].end <= ranges[i].start || (ranges[i].start | ranges[i].end) % PAGE)
			return -EINVAL;
		sz = sz < left ? sz : left;
		r = procfs__resident_at(fd, true, ranges[i].start, ranges[i].start + sz, resident);
		*looked_at += sz;
		left -= sz;
	}
	return r;
}
