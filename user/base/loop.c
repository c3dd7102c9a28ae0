/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Everything that can happen is a descriptor in one epoll set: each timer is a timerfd, all watched
 * signals share one signalfd. A `struct watch` stands for each of them and epoll hands it back.
 *
 * A callback may remove any registration, its own included, while later events of the same batch
 * still point at the watch. So removal only marks the watch; it is freed when the batch is done.
 * That also keeps a new registration of the same descriptor number from getting the old one's
 * event.
 */
#include "user/base/loop.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"

#define LOOP_BATCH 32
#define NS_PER_S 1000000000ull

enum watch_kind { WATCH_FD, WATCH_TIMER, WATCH_TIMEOUT, WATCH_SIGNALS };

struct watch {
	enum watch_kind kind;
	bool removed;	/* to be freed after the batch */
	int fd;		/* ours, unless WATCH_FD */
	union {
		loop_fd_fn fd_fn;
		loop_timer_fn timer_fn;
	};
	void *ctx;
	struct watch *next;
};

struct signal_fn {
	loop_signal_fn fn;	/* NULL: not watched */
	void *ctx;
};

struct loop {
	int epoll_fd;
	bool dispatching;
	struct watch *watches;
	struct watch *signals;	/* one of the watches; NULL: no signal is watched */
	sigset_t original_mask, signal_mask;
	struct signal_fn signal_fns[_NSIG];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;	/* cannot happen: both clocks exist since Linux 2.6.39 */
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int loop__new(struct loop **out)
{
	cleanup_free struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	sigemptyset(&loop->signal_mask);
	r = pthread_sigmask(SIG_SETMASK, NULL, &loop->original_mask);
	if (r)
		return -r;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return negative_errno();
	*out = steal_ptr(&loop);
	return 0;
}

static void watch__free(struct watch *watch)
{
	if (watch->kind != WATCH_FD && watch->fd >= 0)
		close(watch->fd);
	free(watch);
}

struct loop *loop__free(struct loop *loop)
{
	struct signalfd_siginfo info;
	struct watch *watch;

	if (!loop)
		return NULL;
	/* A signal that waits here must not strike with its default action once it is unblocked. */
	while (loop->signals && read(loop->signals->fd, &info, sizeof(info)) > 0)
		;
	while ((watch = loop->watches)) {
		loop->watches = watch->next;
		watch__free(watch);
	}
	close(loop->epoll_fd);
	pthread_sigmask(SIG_SETMASK, &loop->original_mask, NULL);
	free(loop);
	return NULL;
}

/* Makes a watch and hands it to epoll. Takes `fd` over unless kind is WATCH_FD, error or not. */
static int loop__add(struct loop *loop, enum watch_kind kind, int fd, uint32_t epoll_events,
		     struct watch **out)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = { .events = epoll_events, .data.ptr = watch };
	int r;

	if (!watch) {
		if (kind != WATCH_FD)
			close(fd);
		return -ENOMEM;
	}
	watch->kind = kind;
	watch->fd = fd;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		r = negative_errno();
		watch__free(watch);
		return r;
	}
	watch->next = loop->watches;
	loop->watches = watch;
	*out = watch;
	return 0;
}

static void loop__sweep(struct loop *loop)
{
	struct watch *watch, **link = &loop->watches;

	while ((watch = *link)) {
		if (watch->removed) {
			*link = watch->next;
			watch__free(watch);
		} else {
			link = &watch->next;
		}
	}
}

static void loop__remove(struct loop *loop, struct watch *watch)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->removed = true;
	if (!loop->dispatching)
		loop__sweep(loop);
}

int loop__add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fd_fn fn, void *ctx)
{
	struct watch *watch;
	int r = loop__add(loop, WATCH_FD, fd, epoll_events, &watch);

	if (r)
		return r;
	watch->fd_fn = fn;
	watch->ctx = ctx;
	return 0;
}

void loop__remove_fd(struct loop *loop, int fd)
{
	struct watch *watch;

	for (watch = loop->watches; watch; watch = watch->next) {
		if (watch->kind == WATCH_FD && watch->fd == fd && !watch->removed) {
			loop__remove(loop, watch);
			return;
		}
	}
}

static int loop__add_timerfd(struct loop *loop, enum watch_kind kind, uint64_t ns,
			     loop_timer_fn fn, void *ctx)
{
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) },
	};
	struct watch *watch;
	int r, fd;

	if (kind == WATCH_TIMER)
		spec.it_interval = spec.it_value;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return negative_errno();
	if (timerfd_settime(fd, 0, &spec, NULL)) {
		r = negative_errno();
		close(fd);
		return r;
	}
	r = loop__add(loop, kind, fd, EPOLLIN, &watch);
	if (r)
		return r;
	watch->timer_fn = fn;
	watch->ctx = ctx;
	return 0;
}

int loop__add_timer(struct loop *loop, uint64_t interval_ns, loop_timer_fn fn, void *ctx)
{
	if (!interval_ns)
		return -EINVAL;
	return loop__add_timerfd(loop, WATCH_TIMER, interval_ns, fn, ctx);
}

int loop__add_timeout(struct loop *loop, uint64_t delay_ns, loop_timer_fn fn, void *ctx)
{
	/* Zero would disarm the timer. */
	return loop__add_timerfd(loop, WATCH_TIMEOUT, delay_ns ? delay_ns : 1, fn, ctx);
}

/* Makes the signalfd, or gives the one there is the larger mask. */
static int loop__watch_signals(struct loop *loop, const sigset_t *mask)
{
	int fd = signalfd(loop->signals ? loop->signals->fd : -1, mask, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return negative_errno();
	return loop->signals ? 0 : loop__add(loop, WATCH_SIGNALS, fd, EPOLLIN, &loop->signals);
}

int loop__add_signal(struct loop *loop, int signal, loop_signal_fn fn, void *ctx)
{
	sigset_t one, mask = loop->signal_mask;
	int r;

	if (signal < 1 || signal >= _NSIG || sigaddset(&mask, signal))
		return -EINVAL;
	if (loop->signal_fns[signal].fn)
		return -EEXIST;
	sigemptyset(&one);
	sigaddset(&one, signal);
	r = loop__watch_signals(loop, &mask);
	if (r)
		return r;
	r = pthread_sigmask(SIG_BLOCK, &one, NULL);
	if (r)
		return -r;
	loop->signal_mask = mask;
	loop->signal_fns[signal] = (struct signal_fn){ .fn = fn, .ctx = ctx };
	return 0;
}

const sigset_t *loop__original_mask(const struct loop *loop)
{
	return &loop->original_mask;
}

/* One signal a turn; epoll is level-triggered and comes back for the next. */
static int dispatch_signal(struct loop *loop, struct watch *watch)
{
	struct signalfd_siginfo info;
	struct signal_fn *fn;

	if (read(watch->fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo >= _NSIG)
		return 0;
	fn = &loop->signal_fns[info.ssi_signo];
	return fn->fn ? fn->fn(fn->ctx, (int)info.ssi_signo) : 0;
}

static int dispatch_timer(struct loop *loop, struct watch *watch)
{
	uint64_t n_ticks;

	if (read(watch->fd, &n_ticks, sizeof(n_ticks)) != sizeof(n_ticks))
		return 0;
	if (watch->kind == WATCH_TIMEOUT)
		loop__remove(loop, watch);
	return watch->timer_fn(watch->ctx, clock_monotonic_ns());
}

static int dispatch(struct loop *loop, const struct epoll_event *event)
{
	struct watch *watch = event->data.ptr;

	if (watch->removed)
		return 0;
	switch (watch->kind) {
	case WATCH_FD:
		return watch->fd_fn(watch->ctx, watch->fd, event->events);
	case WATCH_TIMER:
	case WATCH_TIMEOUT:
		return dispatch_timer(loop, watch);
	case WATCH_SIGNALS:
		return dispatch_signal(loop, watch);
	}
	return 0;
}

int loop__run(struct loop *loop)
{
	struct epoll_event events[LOOP_BATCH];
	int i, n, r = 0;

	while (!r) {
		n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, -1);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return negative_errno();
		}
		loop->dispatching = true;
		for (i = 0; i < n && !r; i++)
			r = dispatch(loop, &events[i]);
		loop->dispatching = false;
		loop__sweep(loop);
	}
	return r;
}
