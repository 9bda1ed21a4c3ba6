/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines and cancelling, of which the engine knows nothing: to it both are
 * just another reason for a connection to die.
 */
#include "client-lib/api/patience.h"

#include <errno.h>
#include <libnbd-ext.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client-lib/api/guard.h"

static int64_t
now(void)
{
	struct timespec time;

	/* The clock that no one can set. */
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void
patience_begin(struct nbd_handle *h)
{
	h->patience.call_begun = now();
}

static int
timeout_of(const struct nbd_handle *h, enum limit limit)
{
	switch (limit) {
	case LIMIT_NONE:
		break;
	case LIMIT_CONNECT:
		return h->patience.connect_timeout;
	case LIMIT_CALL:
		return h->patience.call_timeout;
	}
	return 0;
}

int
patience_left(const struct nbd_handle *h, enum limit limit)
{
	const int64_t ms = 1000000;
	int timeout = timeout_of(h, limit);
	int64_t left;

	if (!timeout)
		return -1;
	left = h->patience.call_begun + timeout * ms - now();
	/* Rounded up, or the last millisecond would be spent spinning. */
	return left > 0 ? (int)((left + ms - 1) / ms) : 0;
}

int
patience_over(struct nbd_handle *h, enum limit limit)
{
	const char *what = limit == LIMIT_CONNECT ? "connecting" : "the call";

	(void)dead(h, ETIMEDOUT,
		   "%s has taken longer than its %d milliseconds while %s",
		   what, timeout_of(h, limit), engine_state_description(h));
	return -1;
}

int
patience_fd(const struct nbd_handle *h)
{
	return h->patience.is_cancellable ? atomic_load(&h->patience.cancel_fd)
					  : -1;
}

/* Empties the counter: what cancelled once has had its effect. */
static void
forget_cancel(struct nbd_handle *h)
{
	int fd = atomic_load(&h->patience.cancel_fd);
	eventfd_t n;

	if (fd >= 0)
		(void)eventfd_read(fd, &n);
}

int
patience_cancelled(struct nbd_handle *h)
{
	forget_cancel(h);
	(void)dead(h, ECANCELED, "cancelled while %s",
		   engine_state_description(h));
	return -1;
}

void
patience_done(struct nbd_handle *h)
{
	int fd = atomic_exchange(&h->patience.cancel_fd, -1);

	if (fd >= 0)
		close(fd);
}

static int
set_timeout(struct nbd_handle *h, int *timeout, int milliseconds)
{
	if (milliseconds < 0)
		return fail(EINVAL,
			    "milliseconds: %d: a timeout cannot be negative, "
			    "0 means none",
			    milliseconds);
	*timeout = milliseconds;
	h->patience.is_limited = h->patience.connect_timeout ||
				 h->patience.call_timeout;
	return 0;
}

int
nbd_ext_set_connect_timeout(struct nbd_handle *h, int milliseconds)
{
	API_CALL(call, h, "milliseconds=%d", milliseconds);

	return api_return(&call, set_timeout(h, &h->patience.connect_timeout,
					     milliseconds));
}

int
nbd_ext_get_connect_timeout(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->patience.connect_timeout);
}

int
nbd_ext_set_call_timeout(struct nbd_handle *h, int milliseconds)
{
	API_CALL(call, h, "milliseconds=%d", milliseconds);

	return api_return(
		&call, set_timeout(h, &h->patience.call_timeout, milliseconds));
}

int
nbd_ext_get_call_timeout(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->patience.call_timeout);
}

int
nbd_ext_set_cancellable(struct nbd_handle *h, bool enable)
{
	API_CALL(call, h, "enable=%s", trace_bool(enable));

	if (enable && atomic_load(&h->patience.cancel_fd) < 0) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return fail(errno, "eventfd");
		atomic_store(&h->patience.cancel_fd, fd);
	}
	forget_cancel(h);
	h->patience.is_cancellable = enable;
	return api_return(&call, 0);
}

int
nbd_ext_get_cancellable(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->patience.is_cancellable);
}

/* No lock: the call that is to be cancelled holds it. Nothing but what a
 * signal handler may do, unless it fails. */
int
nbd_ext_cancel(struct nbd_handle *h)
{
	int saved = errno;
	int fd;

	API_CALL_UNLOCKED(h);
	fd = atomic_load(&h->patience.cancel_fd);
	if (fd < 0) {
		const char *outer_context = error_context();

		error_set_context(__func__);
		fail(EINVAL, "this handle was not made cancellable");
		error_set_context(outer_context);
		return -1;
	}
	/* A counter that is full has been heard already. */
	(void)eventfd_write(fd, 1);
	errno = saved;
	return 0;
}
