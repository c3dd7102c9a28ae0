/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The event loop: pipes, short timers and signals sent to this very process. A guard timeout ends
 * each run, so that a lost event is a failure and not a hang.
 */
#include "user/base/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#define MS 1000000ull
#define GUARD_EXPIRED 99

struct fixture {
	struct loop *loop;
	int a[2], b[2];	/* pipes */
	int n_a, n_b, n_ticks, n_signals;
	uint64_t first_ns;
};

static int guard(void *ctx, uint64_t now_ns)
{
	return GUARD_EXPIRED;
}

static void open_fixture(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(loop__new(&f->loop), 0);
	assert_int_equal(pipe(f->a), 0);
	assert_int_equal(pipe(f->b), 0);
	assert_int_equal(loop__add_timeout(f->loop, 3000 * MS, guard, f), 0);
}

static void close_fixture(struct fixture *f)
{
	f->loop = loop__free(f->loop);
	assert_null(f->loop);
	close(f->a[0]);
	close(f->a[1]);
	close(f->b[0]);
	close(f->b[1]);
}

static int take_byte(void *ctx, int fd, uint32_t epoll_events)
{
	struct fixture *f = ctx;
	char c;

	assert_true(epoll_events & EPOLLIN);
	assert_int_equal(read(fd, &c, 1), 1);
	if (fd == f->a[0])
		f->n_a++;
	else
		f->n_b++;
	return f->n_a + f->n_b == 3 ? 5 : 0;
}

static void descriptors_call_back(void **state)
{
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_fd(f.loop, f.a[0], EPOLLIN, take_byte, &f), 0);
	assert_int_equal(loop__add_fd(f.loop, f.b[0], EPOLLIN, take_byte, &f), 0);
	assert_int_equal(loop__add_fd(f.loop, f.a[0], EPOLLIN, take_byte, &f), -EEXIST);
	assert_int_equal(loop__add_fd(f.loop, -1, EPOLLIN, take_byte, &f), -EBADF);
	assert_int_equal(write(f.a[1], "xy", 2), 2);
	assert_int_equal(write(f.b[1], "z", 1), 1);
	assert_int_equal(loop__run(f.loop), 5);
	assert_int_equal(f.n_a, 2);
	assert_int_equal(f.n_b, 1);
	close_fixture(&f);
}

/* Both pipes are ready in one batch; whoever comes first removes both. */
static int remove_both(void *ctx, int fd, uint32_t epoll_events)
{
	struct fixture *f = ctx;

	f->n_a++;
	loop__remove_fd(f->loop, f->a[0]);
	loop__remove_fd(f->loop, f->b[0]);
	loop__remove_fd(f->loop, f->b[0]);
	return 0;
}

static int stop(void *ctx, uint64_t now_ns)
{
	return 7;
}

static void removal_takes_effect_at_once(void **state)
{
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_fd(f.loop, f.a[0], EPOLLIN, remove_both, &f), 0);
	assert_int_equal(loop__add_fd(f.loop, f.b[0], EPOLLIN, remove_both, &f), 0);
	assert_int_equal(loop__add_timeout(f.loop, 30 * MS, stop, &f), 0);
	assert_int_equal(write(f.a[1], "x", 1), 1);
	assert_int_equal(write(f.b[1], "x", 1), 1);
	assert_int_equal(loop__run(f.loop), 7);
	assert_int_equal(f.n_a, 1);
	loop__remove_fd(f.loop, 12345);
	close_fixture(&f);
}

static int fresh(void *ctx, int fd, uint32_t epoll_events)
{
	struct fixture *f = ctx;

	f->n_b++;
	return 6;
}

/* The old registration of this descriptor is gone, and a new one takes its place. */
static int replace_both(void *ctx, int fd, uint32_t epoll_events)
{
	struct fixture *f = ctx;

	f->n_a++;
	loop__remove_fd(f->loop, f->a[0]);
	loop__remove_fd(f->loop, f->b[0]);
	return loop__add_fd(f->loop, f->a[0], EPOLLIN, fresh, f);
}

static void a_descriptor_can_be_registered_again(void **state)
{
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_fd(f.loop, f.a[0], EPOLLIN, replace_both, &f), 0);
	assert_int_equal(loop__add_fd(f.loop, f.b[0], EPOLLIN, replace_both, &f), 0);
	assert_int_equal(write(f.a[1], "x", 1), 1);
	assert_int_equal(write(f.b[1], "x", 1), 1);
	assert_int_equal(loop__run(f.loop), 6);
	assert_int_equal(f.n_a, 1);
	assert_int_equal(f.n_b, 1);
	close_fixture(&f);
}

static int end_with_error(void *ctx, uint64_t now_ns)
{
	return -EIO;
}

static void errors_come_through(void **state)
{
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_timeout(f.loop, 0, end_with_error, &f), 0);
	assert_int_equal(loop__run(f.loop), -EIO);
	close_fixture(&f);
}

static int tick(void *ctx, uint64_t now_ns)
{
	struct fixture *f = ctx;

	if (!f->n_ticks++)
		f->first_ns = now_ns;
	if (f->n_ticks == 2)
		usleep(100000);	/* ten intervals: they must not be made up */
	return f->n_ticks == 5 ? 1 : 0;
}

static int once(void *ctx, uint64_t now_ns)
{
	struct fixture *f = ctx;

	f->n_a++;
	return 0;
}

static void timers_tick_and_timeouts_do_not(void **state)
{
	uint64_t start_ns = clock_monotonic_ns(), took_ns;
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_timer(f.loop, 0, tick, &f), -EINVAL);
	assert_int_equal(loop__add_timer(f.loop, 10 * MS, tick, &f), 0);
	assert_int_equal(loop__add_timeout(f.loop, 1 * MS, once, &f), 0);
	assert_int_equal(loop__run(f.loop), 1);
	took_ns = clock_monotonic_ns() - start_ns;
	assert_int_equal(f.n_a, 1);
	assert_int_equal(f.n_ticks, 5);
	assert_true(f.first_ns >= start_ns + 10 * MS);
	/* 10, 20 + 100 asleep, one for the ten missed, then two whole intervals: made-up ticks
	 * would have ended it at 120 ms. */
	assert_true(took_ns >= 130 * MS);
	close_fixture(&f);
}

static int lowest_free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* A long run sets many timeouts: each must give its descriptor back once it has fired. */
static void fired_timeouts_leave_nothing(void **state)
{
	struct fixture f;
	int i, free_fd;

	open_fixture(&f);
	free_fd = lowest_free_fd();
	for (i = 0; i < 20; i++)
		assert_int_equal(loop__add_timeout(f.loop, 1 * MS, once, &f), 0);
	assert_int_equal(loop__add_timeout(f.loop, 20 * MS, stop, &f), 0);
	assert_int_equal(loop__run(f.loop), 7);
	assert_int_equal(f.n_a, 20);
	assert_int_equal(lowest_free_fd(), free_fd);
	close_fixture(&f);
}

static int on_signal(void *ctx, int signal)
{
	struct fixture *f = ctx;

	assert_true(signal == SIGUSR1 || signal == SIGUSR2);
	f->n_signals += signal == SIGUSR1 ? 1 : 10;
	return f->n_signals == 11 ? 2 : 0;
}

static bool is_blocked(int signal)
{
	sigset_t mask;

	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
	return sigismember(&mask, signal);
}

static void signals_are_read_not_suffered(void **state)
{
	struct fixture f;

	open_fixture(&f);
	assert_int_equal(loop__add_signal(f.loop, SIGUSR1, on_signal, &f), 0);
	assert_int_equal(loop__add_signal(f.loop, SIGUSR2, on_signal, &f), 0);
	assert_int_equal(loop__add_signal(f.loop, SIGUSR2, on_signal, &f), -EEXIST);
	assert_int_equal(loop__add_signal(f.loop, 0, on_signal, &f), -EINVAL);
	assert_int_equal(loop__add_signal(f.loop, 4096, on_signal, &f), -EINVAL);
	assert_true(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
	assert_false(sigismember(loop__original_mask(f.loop), SIGUSR1));
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	assert_int_equal(loop__run(f.loop), 2);
	/* One more, unread when the loop goes: it must not kill us. */
	kill(getpid(), SIGUSR1);
	close_fixture(&f);
	assert_false(is_blocked(SIGUSR1) || is_blocked(SIGUSR2));
}

static void clocks_advance(void **state)
{
	uint64_t m = clock_monotonic_ns(), b = clock_boottime_ns();

	assert_true(m && b >= m / 2);
	assert_true(clock_monotonic_ns() >= m);
	assert_true(clock_boottime_ns() >= b);
	assert_null(loop__free(NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_call_back),
		cmocka_unit_test(removal_takes_effect_at_once),
		cmocka_unit_test(a_descriptor_can_be_registered_again),
		cmocka_unit_test(errors_come_through),
		cmocka_unit_test(timers_tick_and_timeouts_do_not),
		cmocka_unit_test(fired_timeouts_leave_nothing),
		cmocka_unit_test(signals_are_read_not_suffered),
		cmocka_unit_test(clocks_advance),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
