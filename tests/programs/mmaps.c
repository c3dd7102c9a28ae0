/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Takes memory from the kernel by each way there is, and keeps some or all of it. Prints what it
 * still holds, in bytes and pieces: what unfreed must find, within a page. `--close` is the twin
 * that gives everything back.
 *
 *   --mode anon       anonymous pieces of 64 KiB; one in ten is kept
 *          file       one file, mapped again and again
 *          memfd      likewise of a memfd
 *          shm        System V segments, attached and never detached
 *          brk        the break, 64 KiB at a time
 *          commit     PROT_NONE pieces made accessible by mprotect
 *          partial    pieces of which the middle half is unmapped
 *          remap      pieces that mremap doubles
 *          malloc     blocks of 100 bytes, as a list of small objects takes them
 *          reserve    PROT_NONE pieces, 10 GiB together, never touched: not a leak
 *          fill       touches a piece again and again until 200 MiB stand, then stops: not a leak
 *   --size BYTES      of a piece (64 KiB)
 *   --count N         pieces taken (1000)
 *   --rate R          pieces per second (0: as fast as it goes)
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "tests/programs/program.h"

#define USAGE                                                                               \
	"mmaps --mode anon|file|memfd|shm|brk|commit|partial|remap|malloc|reserve|fill [--close]" \
	" [--size BYTES] [--count N] [--rate R] [--wait] [--hold]"

struct pieces {
	size_t size;
	unsigned long count;
	int fd, shmid;
	bool closes;
	void **address;		/* of each piece; NULL: not held */
	size_t *bytes;		/* held of it */
};

struct mode {
	const char *name;
	int (*open)(struct pieces *pieces);
	bool (*take)(struct pieces *pieces, unsigned long i);
	void (*give)(struct pieces *pieces, unsigned long i);
	unsigned long keep_one_in;	/* the others are given back one step later */
	size_t default_size;
	unsigned long default_count;
};

bool take_anon(struct pieces *pieces, unsigned long i);
bool is_kept(const struct mode *mode, const struct pieces *pieces, unsigned long i);
bool take_piece(const struct mode *mode, struct pieces *pieces, unsigned long i);

static bool hold(struct pieces *pieces, unsigned long i, void *address, size_t bytes)
{
	if (address == MAP_FAILED)
		return false;
	pieces->address[i] = address;
	pieces->bytes[i] = bytes;
	return true;
}

static void *map_anon(size_t size, int prot, int more_flags)
{
	return mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);
}

KEEP_FRAME bool take_anon(struct pieces *pieces, unsigned long i)
{
	void *address = map_anon(pieces->size, PROT_READ | PROT_WRITE, 0);

	if (address != MAP_FAILED)
		memset(address, 1, pieces->size);
	return hold(pieces, i, address, pieces->size);
}

static void give_map(struct pieces *pieces, unsigned long i)
{
	munmap(pieces->address[i], pieces->bytes[i]);
}

static int open_file(struct pieces *pieces)
{
	char path[] = "/var/tmp/unfreed-mmaps-XXXXXX";

	pieces->fd = mkstemp(path);
	if (pieces->fd >= 0)
		unlink(path);
	return pieces->fd < 0 ? -1 : ftruncate(pieces->fd, (off_t)pieces->size);
}

static int open_memfd(struct pieces *pieces)
{
	pieces->fd = memfd_create("unfreed-mmaps", MFD_CLOEXEC);
	return pieces->fd < 0 ? -1 : ftruncate(pieces->fd, (off_t)pieces->size);
}

static bool take_file(struct pieces *pieces, unsigned long i)
{
	void *address = mmap(NULL, pieces->size, PROT_READ | PROT_WRITE, MAP_SHARED, pieces->fd, 0);

	return hold(pieces, i, address, pieces->size);
}

static int open_shm(struct pieces *pieces)
{
	void *first;

	pieces->shmid = shmget(IPC_PRIVATE, pieces->size, IPC_CREAT | 0600);
	if (pieces->shmid < 0)
		return -1;
	/* Attached once for good, and gone with this process. */
	first = shmat(pieces->shmid, NULL, 0);
	shmctl(pieces->shmid, IPC_RMID, NULL);
	return first == MAP_FAILED ? -1 : 0;
}

static bool take_shm(struct pieces *pieces, unsigned long i)
{
	return hold(pieces, i, shmat(pieces->shmid, NULL, 0), pieces->size);
}

static void give_shm(struct pieces *pieces, unsigned long i)
{
	shmdt(pieces->address[i]);
}

static bool take_brk(struct pieces *pieces, unsigned long i)
{
	return hold(pieces, i, sbrk((intptr_t)pieces->size), pieces->size);
}

/* Only the uppermost piece is ever given back, which is how a break shrinks. */
static void give_brk(struct pieces *pieces, unsigned long i)
{
	sbrk(-(intptr_t)pieces->bytes[i]);
}

static bool take_commit(struct pieces *pieces, unsigned long i)
{
	void *address = map_anon(pieces->size, PROT_NONE, MAP_NORESERVE);

	if (address != MAP_FAILED && mprotect(address, pieces->size, PROT_READ | PROT_WRITE))
		return false;
	return hold(pieces, i, address, pieces->size);
}

static bool take_partial(struct pieces *pieces, unsigned long i)
{
	char *address = map_anon(pieces->size, PROT_READ | PROT_WRITE, 0);

	if (address != MAP_FAILED)
		munmap(address + pieces->size / 4, pieces->size / 2);
	return hold(pieces, i, address, pieces->size / 2);
}

static void give_partial(struct pieces *pieces, unsigned long i)
{
	munmap(pieces->address[i], pieces->size);
}

static bool take_remap(struct pieces *pieces, unsigned long i)
{
	void *address = map_anon(pieces->size, PROT_READ | PROT_WRITE, 0);

	if (address != MAP_FAILED)
		address = mremap(address, pieces->size, pieces->size * 2, MREMAP_MAYMOVE);
	return hold(pieces, i, address, pieces->size * 2);
}

static bool take_malloc(struct pieces *pieces, unsigned long i)
{
	void *block = malloc(pieces->size);

	if (block)
		memset(block, 1, pieces->size);
	return block && hold(pieces, i, block, pieces->size);
}

static void give_malloc(struct pieces *pieces, unsigned long i)
{
	free(pieces->address[i]);
}

static bool take_reserve(struct pieces *pieces, unsigned long i)
{
	void *address = map_anon(pieces->size, PROT_NONE, MAP_NORESERVE);

	return hold(pieces, i, address, pieces->size);
}

static const struct mode modes[] = {
	{ "anon", NULL, take_anon, give_map, 10, 64 << 10, 1000 },
	{ "file", open_file, take_file, give_map, 1, 64 << 10, 1000 },
	{ "memfd", open_memfd, take_file, give_map, 1, 64 << 10, 1000 },
	{ "shm", open_shm, take_shm, give_shm, 1, 64 << 10, 1000 },
	{ "brk", NULL, take_brk, give_brk, 1, 64 << 10, 1000 },
	{ "commit", NULL, take_commit, give_map, 1, 64 << 10, 1000 },
	{ "partial", NULL, take_partial, give_partial, 1, 64 << 10, 1000 },
	{ "remap", NULL, take_remap, give_map, 1, 64 << 10, 1000 },
	{ "malloc", NULL, take_malloc, give_malloc, 1, 100, 500000 },
	{ "reserve", NULL, take_reserve, give_map, 1, 1 << 30, 10 },
	{ "fill", NULL, take_anon, give_map, 1, 1 << 20, 200 },
};

static const struct mode *find_mode(const char *name)
{
	size_t i;

	for (i = 0; name && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	die_usage(USAGE);
}

KEEP_FRAME bool take_piece(const struct mode *mode, struct pieces *pieces, unsigned long i)
{
	if (!mode->take(pieces, i))
		die(mode->name);
	return true;
}

static void give_piece(const struct mode *mode, struct pieces *pieces, unsigned long i)
{
	mode->give(pieces, i);
	pieces->address[i] = NULL;
	pieces->bytes[i] = 0;
}

/* Not inlined: the compiler would make two calls of take_piece, one for the pieces that are kept. */
KEEP_FRAME bool is_kept(const struct mode *mode, const struct pieces *pieces, unsigned long i)
{
	return !pieces->closes && i % mode->keep_one_in == 0;
}

static void run(const struct mode *mode, struct pieces *pieces, unsigned long rate)
{
	struct pace pace;
	unsigned long i;

	pace__init(&pace, rate);
	for (i = 0; i < pieces->count; i++) {
		take_piece(mode, pieces, i);
		if ((i % 2 || i + 1 == pieces->count) && !is_kept(mode, pieces, i))
			give_piece(mode, pieces, i);
		/* The even ones live one step longer, beneath the odd ones. */
		if (i % 2 && !is_kept(mode, pieces, i - 1))
			give_piece(mode, pieces, i - 1);
		pace__step(&pace);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },  { "close", no_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 's' },  { "count", required_argument, NULL, 'n' },
		{ "rate", required_argument, NULL, 'r' },  { "wait", no_argument, NULL, 'w' },
		{ "hold", no_argument, NULL, 'h' },	   { 0 },
	};
	struct pieces pieces = { .fd = -1, .shmid = -1 };
	const struct mode *mode = NULL;
	unsigned long rate = 0, i, n_kept = 0;
	bool waits = false, holds = false;
	size_t bytes_kept = 0;
	char counts[128];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm': mode = find_mode(optarg); break;
		case 'c': pieces.closes = true; break;
		case 's': pieces.size = number_of(optarg, USAGE); break;
		case 'n': pieces.count = number_of(optarg, USAGE); break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (!mode || optind != argc)
		die_usage(USAGE);
	pieces.size = pieces.size ?: mode->default_size;
	pieces.count = pieces.count ?: mode->default_count;

	/* Mapped and touched before the start, so that the work is all that is seen. */
	pieces.address = calloc(pieces.count, sizeof(*pieces.address));
	pieces.bytes = calloc(pieces.count, sizeof(*pieces.bytes));
	if (!pieces.address || !pieces.bytes)
		die("calloc");
	memset(pieces.address, 0, pieces.count * sizeof(*pieces.address));
	if (mode->open && mode->open(&pieces) < 0)
		die(mode->name);

	say_ready(waits);
	run(mode, &pieces, rate);
	for (i = 0; i < pieces.count; i++) {
		bytes_kept += pieces.bytes[i];
		n_kept += pieces.address[i] != NULL;
	}
	snprintf(counts, sizeof(counts), "bytes=%zu pieces=%lu", bytes_kept, n_kept);
	say_done(counts, holds);
	return 0;
}
