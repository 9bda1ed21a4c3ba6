/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gRPC lets nobody look at what it reads, but it reads by recvmsg(), and a
 * function of the program of that name comes before the C library's. This one
 * counts in passing; for a socket that is not a client's it does nothing else.
 *
 * What is known of a connection is found by the number of its descriptor. gRPC
 * may close that before we hear of it, and the number may become anybody's. So
 * an intake is never freed, its counts may be nonsense, and before a connection
 * is ended for them, its socket's inode must be the one that they began with.
 */
#include "daemon/rpc/intake.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/core/loop.h"
#include "daemon/rpc/frames.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"

/* For as long as a burst lasts. */
#define QUESTIONS_MAX 1024

/* Before gRPC turns to others. A frame takes it less than a microsecond, and who
 * has sent so many small ones waits for an answer to some. Of so many times the
 * bytes that a client may have in flight most would be refused. */
#define FRAMES_MAX   65536
#define BYTES_FACTOR 2

/* How long a burst is at the least, in ns. */
#define BURST 100000000u

struct intake {
	/* NULL: nobody's. */
	_Atomic(struct rpc_peer *) peer;
	struct rpc_server *rpc;
	ino_t inode;
	/* Why the connection was ended. */
	_Atomic(const char *) flood;
	/* Calls begun in a burst and not accepted, or given up before. */
	atomic_uint n_waiting;

	/* gRPC's reader's, of which there is one at a time. Its threads take
	 * turns, and the count of them shows one what another has done. */
	atomic_uint n_reads;
	struct frames frames;
	/* The burst's. */
	unsigned burst_turn;
	uint64_t since;
	unsigned n_questions;
	/* Of this turn, and since the socket was empty. */
	unsigned turn;
	uint64_t n_frames;
	uint64_t n_bytes;
};

/* By descriptor, in shelves that are put up as they are needed: as many as the
 * kernel gives to one process unless it is told otherwise. */
#define SHELF     256
#define N_SHELVES 4096
static _Atomic(struct intake *) shelves[N_SHELVES];

static atomic_uint turn;

void
intake_turn(void)
{
	atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
}

static struct intake *
find(int fd)
{
	struct intake *shelf;

	if (fd < 0 || fd >= SHELF * N_SHELVES)
		return NULL;
	shelf = atomic_load_explicit(&shelves[fd / SHELF],
				     memory_order_acquire);
	return shelf ? &shelf[fd % SHELF] : NULL;
}

/* The same, where there is none yet. NULL with errno. */
static struct intake *
make(int fd)
{
	struct intake *intake = find(fd);
	struct intake *shelf;

	if (intake)
		return intake;
	if (fd >= SHELF * N_SHELVES) {
		errno = EMFILE;
		return NULL;
	}
	shelf = calloc(SHELF, sizeof(*shelf));
	if (!shelf)
		return NULL;
	atomic_store(&shelves[fd / SHELF], shelf);
	return &shelf[fd % SHELF];
}

struct intake *
intake_begin(struct rpc_peer *peer, int fd)
{
	struct intake *intake = make(fd);
	struct stat status;

	if (!intake || fstat(fd, &status) < 0)
		return NULL;
	(void)atomic_load(&intake->n_reads);
	intake->rpc = peer->rpc;
	intake->inode = status.st_ino;
	intake->flood = NULL;
	intake->n_waiting = 0;
	frames_init(&intake->frames);
	intake->burst_turn = intake->turn = atomic_load(&turn);
	intake->since = clock_now();
	intake->n_questions = 0;
	intake->n_frames = intake->n_bytes = 0;
	atomic_store(&intake->peer, peer);
	return intake;
}

static bool
is_of(const struct intake *intake, const struct rpc_peer *peer)
{
	return intake && atomic_load(&intake->peer) == peer;
}

void
intake_end(struct intake *intake, struct rpc_peer *peer)
{
	if (intake)
		atomic_compare_exchange_strong(&intake->peer, &peer, NULL);
}

void
intake_accept(struct intake *intake, const struct rpc_peer *peer)
{
	unsigned n;

	if (!is_of(intake, peer))
		return;
	/* Those that were forgiven may still arrive. */
	n = atomic_load(&intake->n_waiting);
	while (n > 0 &&
	       !atomic_compare_exchange_weak(&intake->n_waiting, &n, n - 1))
		;
}

const char *
intake_flood(const struct intake *intake, const struct rpc_peer *peer)
{
	return is_of(intake, peer) ? atomic_load(&intake->flood) : NULL;
}

/* gRPC has turned to others. */
static void
begin_turn(struct intake *intake, unsigned now)
{
	intake->turn = now;
	intake->n_frames = 0;
	intake->n_bytes = 0;
}

static bool
is_burst_too_much(const struct intake *intake)
{
	return atomic_load(&intake->n_waiting) > intake->rpc->max_begun ||
	       intake->n_questions > QUESTIONS_MAX;
}

/*
 * Calls that were given up before they were accepted are never accepted, which
 * nobody tells. They count until the burst is over and the RPC thread has been
 * there, which finds and frees them.
 */
static void
begin_burst(struct intake *intake)
{
	uint64_t now = clock_now();

	if (intake->burst_turn == intake->turn || now - intake->since < BURST)
		return;
	intake->burst_turn = intake->turn;
	intake->since = now;
	intake->n_questions = 0;
	atomic_store(&intake->n_waiting, 0);
}

static void
look(struct intake *intake, const struct msghdr *message, size_t n)
{
	struct frames_seen seen = { 0 };

	intake->n_bytes += n;
	for (size_t i = 0; i < message->msg_iovlen && n > 0; i++) {
		const struct iovec *vector = &message->msg_iov[i];
		size_t part = vector->iov_len < n ? vector->iov_len : n;

		frames_look(&intake->frames, vector->iov_base, part, &seen);
		n -= part;
	}
	intake->n_frames += seen.frames;
	intake->n_questions += seen.questions;
	atomic_fetch_add(&intake->n_waiting, seen.calls);
	if (is_burst_too_much(intake))
		begin_burst(intake);
}

/* What there is too much of, or NULL. */
static const char *
judge(const struct intake *intake)
{
	if (atomic_load(&intake->n_waiting) > intake->rpc->max_begun)
		return "it begins far more calls than MaxCallsPerClient= "
		       "allows, or begins and resets them all the time";
	if (intake->n_questions > QUESTIONS_MAX)
		return "it sends PING or SETTINGS frames all the time";
	if (intake->n_frames > FRAMES_MAX)
		return "it sends frames that ask for nothing all the time";
	if (intake->n_bytes > BYTES_FACTOR * intake->rpc->max_bytes)
		return "it sends far more data than MaxBytesPerClient= allows";
	return NULL;
}

/* The end of a connection that is PEER's; false: it is not. */
static bool
end(struct intake *intake, int fd, struct rpc_peer *peer, const char *why)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || status.st_ino != intake->inode) {
		atomic_compare_exchange_strong(&intake->peer, &peer, NULL);
		return false;
	}
	if (!atomic_exchange(&intake->flood, why))
		rpc_server_wake(intake->rpc);
	return true;
}

/* N is what recvmsg() returned. False: the connection ends before gRPC sees
 * these bytes. */
static bool
take_in(struct intake *intake, int fd, const struct msghdr *message, ssize_t n)
{
	struct rpc_peer *peer = atomic_load(&intake->peer);
	unsigned now = atomic_load_explicit(&turn, memory_order_relaxed);
	const char *why = NULL;

	if (!peer)
		return true;
	(void)atomic_load(&intake->n_reads);
	if (n <= 0 || now != intake->turn)
		begin_turn(intake, now);
	if (n > 0) {
		look(intake, message, (size_t)n);
		why = judge(intake);
	}
	atomic_fetch_add(&intake->n_reads, 1);
	return !why || !end(intake, fd, peer, why);
}

typedef ssize_t recvmsg_function(int fd, struct msghdr *message, int flags);

/* The one that would have been called without us. */
static recvmsg_function *
original(void)
{
	static _Atomic(recvmsg_function *) known;
	recvmsg_function *function = atomic_load(&known);
	void *symbol;

	if (function)
		return function;
	symbol = dlsym(RTLD_NEXT, "recvmsg");
	assert(symbol);
	memcpy(&function, &symbol, sizeof(function));
	atomic_store(&known, function);
	return function;
}

__attribute__((visibility("default"))) ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = original()(fd, message, flags);
	int error = errno;
	struct intake *intake = flags & MSG_PEEK ? NULL : find(fd);

	if (intake && !take_in(intake, fd, message, n)) {
		n = -1;
		error = ECONNRESET;
	}
	errno = error;
	return n;
}
