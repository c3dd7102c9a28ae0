/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The one event loop (epoll): descriptors, timers and signals, all as callbacks. A callback that
 * returns non-zero ends loop__run() with that value: positive to stop, negative -errno.
 * Signals that a loop watches are blocked in the process and read from a descriptor; a child that
 * is started must get its mask back (loop__original_mask).
 */
#ifndef UNFREED_BASE_LOOP_H
#define UNFREED_BASE_LOOP_H

#include <signal.h>
#include <stdint.h>

struct loop;

typedef int (*loop_fd_fn)(void *ctx, int fd, uint32_t epoll_events);
typedef int (*loop_timer_fn)(void *ctx, uint64_t now_ns);	/* CLOCK_MONOTONIC */
typedef int (*loop_signal_fn)(void *ctx, int signal);

int loop__new(struct loop **out);
struct loop *loop__free(struct loop *loop);	/* restores the signal mask */

/* `fd` stays the caller's and must outlive its registration. 0 or -errno. */
int loop__add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fd_fn fn, void *ctx);
void loop__remove_fd(struct loop *loop, int fd);
/* Every interval_ns from now on; late ticks are not made up. 0 or -errno. */
int loop__add_timer(struct loop *loop, uint64_t interval_ns, loop_timer_fn fn, void *ctx);
/* Once, after delay_ns. */
int loop__add_timeout(struct loop *loop, uint64_t delay_ns, loop_timer_fn fn, void *ctx);
int loop__add_signal(struct loop *loop, int signal, loop_signal_fn fn, void *ctx);
const sigset_t *loop__original_mask(const struct loop *loop);

/* Runs until a callback returns non-zero, and returns that; or -errno of epoll itself. */
int loop__run(struct loop *loop);

uint64_t clock_monotonic_ns(void);
uint64_t clock_boottime_ns(void);
uint64_t clock_realtime_ns(void);	/* since the epoch */

#endif /* UNFREED_BASE_LOOP_H */
