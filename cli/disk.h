/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What data commands work on: a run of bytes that takes many requests at once.
 * Behind it stands a volume of the daemon (disk_volume.c), a server reached
 * with libnbd (direct.c), a file (disk_file.c) or a pipe (disk_stream.c).
 * Payloads travel by reference: what one disk read another may write without a
 * copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "nbdclientd/v1/common.pb-c.h"
#include "proto/payload.h"

struct options;
struct pollfd;
struct disk;

/* The numbers of nbdclientd.v1.Command. */
enum disk_command {
	DISK_READ = NBDCLIENTD__V1__COMMAND__COMMAND_READ,
	DISK_WRITE = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
	DISK_FLUSH = NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH,
	DISK_TRIM = NBDCLIENTD__V1__COMMAND__COMMAND_TRIM,
	DISK_CACHE = NBDCLIENTD__V1__COMMAND__COMMAND_CACHE,
	DISK_ZERO = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES,
	DISK_BLOCK_STATUS = NBDCLIENTD__V1__COMMAND__COMMAND_BLOCK_STATUS,
};

/* NBD's command flags. */
#define DISK_FUA       1u
#define DISK_NO_HOLE   2u
#define DISK_REQ_ONE   8u
#define DISK_FAST_ZERO 16u

/* base:allocation */
#define DISK_EXTENT_HOLE 1u
#define DISK_EXTENT_ZERO 2u

struct disk_extent {
	uint64_t length;
	uint64_t flags;
};

struct disk_request {
	enum disk_command command;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	/* Write: what to write, the reference is taken. Read: what was read,
	 * for on_done, which may take the reference. */
	struct payload data;
	/* Write, instead of DATA: the disk that the bytes are on, and where.
	 * Only if disk_can_copy(). */
	struct disk *source;
	uint64_t source_offset;
	/* Block status: extents of one context from OFFSET on, perhaps several
	 * times, before on_done. */
	void (*on_extents)(struct disk_request *request, const char *context,
			   uint64_t offset, const struct disk_extent *extents,
			   size_t n_extents);
	/* Once, in disk_wait(). May submit, may not wait or close. */
	void (*on_done)(struct disk_request *request);
	void *user;
	/* For on_extents, where disk_run() has on_done and user. */
	void *extents_user;
	/* For on_done: EXIT_OK or the code of a recorded failure. A read from a
	 * pipe may have shortened LENGTH. */
	int status;

	/* The disk's own. */
	struct disk *disk;
	struct list link;
	void *private;
};

#define DISK_FDS_MAX 16

struct disk_ops {
	/* May writes have SOURCE as their source? NULL: never. */
	bool (*can_copy)(struct disk *disk, struct disk *source);
	/* Never fails: what goes wrong comes to on_done. */
	void (*submit)(struct disk *disk, struct disk_request *request);
	/* Runs the disk until an on_done has run, TIMEOUT_MS (-1: for ever)
	 * passed or a signal came. */
	void (*wait)(struct disk *disk, int timeout_ms);
	/* For disk_wait_both(); NULL: this disk can only be waited for alone.
	 * Fills FDS, which has room for DISK_FDS_MAX, with what poll() is to
	 * wait for, and shortens *TIMEOUT_MS; returns how many. */
	unsigned int (*prepare)(struct disk *disk, struct pollfd *fds,
				int *timeout_ms);
	/* Does what poll() found possible; on_done waits. */
	void (*handle)(struct disk *disk, const struct pollfd *fds);
	/* Frees it. EXIT_OK or the code of a recorded failure. */
	int (*close)(struct disk *disk);
};

struct disk {
	const struct disk_ops *ops;
	const struct options *options;
	/* For messages: as the user wrote it. Borrowed. */
	const char *name;
	/* Size, flags and contexts; owned. */
	Nbdclientd__V1__Export *export;
	/* A pipe's size is DISK_SIZE_UNKNOWN. */
	uint64_t size;
	/* Bytes in one read or write, requests at once. */
	uint64_t max_payload;
	unsigned int max_in_flight;
	/* Offsets and lengths are multiples of this: a power of two. */
	uint32_t alignment;
	/* Requests whose on_done has not run. */
	size_t n_pending;
	/* Those of them that are done: see disk_report_done(). */
	struct list done;
	/* Requests must come in order of offset: a pipe. */
	bool is_sequential;
	/* All of it reads as zeroes: a new file. */
	bool is_zero;
};

#define DISK_SIZE_UNKNOWN UINT64_MAX

enum disk_mode {
	/* For reading. */
	DISK_FOR_READING,
	/* For reading and writing. */
	DISK_FOR_WRITING,
};

/*
 * Opens TARGET, the name of a volume or an NBD URI. CONTEXTS, which end in
 * NULL, are the metadata contexts wanted; NULL: base:allocation. EXIT_OK, or
 * the code of a recorded failure.
 */
int disk_open(const struct options *options, const char *target,
	      enum disk_mode mode, char *const *contexts, struct disk **disk);

/* The same where a file or "-" is possible too: files are named by paths with a
 * slash, or after "file:". */
int disk_open_source(const struct options *options, const char *name,
		     struct disk **disk);

/* For a copy: a file is created, and cut or extended to SIZE unless that is
 * unknown. */
int disk_open_destination(const struct options *options, const char *name,
			  uint64_t size, struct disk **disk);

/* A volume or a URI by the daemon; by libnbd (direct.c); a path; a pipe. */
int disk_open_volume(const struct options *options, const char *target,
		     enum disk_mode mode, struct disk **disk);
int disk_open_direct(const struct options *options, const char *uri,
		     char *const *contexts, struct disk **disk);
int disk_open_file(const struct options *options, const char *path,
		   enum disk_mode mode, uint64_t size, struct disk **disk);
int disk_open_stream(const struct options *options, enum disk_mode mode,
		     struct disk **disk);

static inline void
disk_submit(struct disk *disk, struct disk_request *request)
{
	request->disk = disk;
	request->status = 0;
	disk->n_pending++;
	disk->ops->submit(disk, request);
}

/* Can writes to DISK take their bytes from SOURCE, without us? */
bool disk_can_copy(struct disk *disk, struct disk *source);

/* "read", "write" ... */
const char *disk_command_name(enum disk_command command);

/* For the implementations: reports REQUEST as done, at once and in disk_wait()
 * only, or puts it with those that disk_report_done() will report. */
void disk_complete(struct disk_request *request, int status);
void disk_put_done(struct disk_request *request, int status);
/* Reports what was put there before; what on_done submits is for the next time.
 * False if there was nothing. */
bool disk_report_done(struct disk *disk);
/* For disks that carry requests out when they are submitted: REQUEST is done,
 * and what it wrote is released; and how to wait for such. */
void disk_done_at_once(struct disk_request *request, int status);
void disk_wait_at_once(struct disk *disk, int timeout_ms);

/* Lets requests finish: see struct disk_ops. */
void disk_wait(struct disk *disk, int timeout_ms);

/* Lets requests of A or B finish, whichever come first. */
void disk_wait_both(struct disk *a, struct disk *b, int timeout_ms);

/* Submits REQUEST, whose on_done it sets, and waits for it. Its status. The
 * payload of a read is the caller's then. */
int disk_run(struct disk *disk, struct disk_request *request);

/* Does the whole of a ranged command, split as the disk needs it. */
int disk_run_range(struct disk *disk, enum disk_command command, uint32_t flags,
		   uint64_t offset, uint64_t length);

/* Waits for what is pending, and closes. NULL is allowed. A failure is recorded
 * unless there is one. */
int disk_close(struct disk *disk);

/* The range that --offset and --length say, checked against the size. EXIT_OK,
 * or the code of a recorded failure. */
int disk_range(const struct disk *disk, uint64_t *offset, uint64_t *length);

/* EXIT_OK if DISK takes writes, else records EXIT_PERMISSION. */
int disk_check_writable(const struct disk *disk);

/* Is TEXT an NBD URI? The scheme is all that is looked at. */
bool target_is_uri(const char *text);

/* Where files are possible: does NAME mean one? */
bool target_is_file(const char *name);

/* EXIT_OK if TEXT can be the name of a volume or is an NBD URI, else records
 * EXIT_USAGE. */
int target_check(const char *text);

/* Records that --direct was given with the name of a volume: EXIT_USAGE. */
int target_fail_without_daemon(void);
