/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --direct: a server as a disk, through libnbd's asynchronous calls. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/direct_handle.h"
#include "cli/direct_library.h"
#include "cli/direct_links.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "common/cleanup.h"

/* What the protocol allows in one block status, trim or zero request, and a
 * multiple of every block size. */
#define LENGTH_MAX (UINT64_C(1) << 31)

struct direct_disk {
	struct disk disk;
	struct direct_links links;
	/* Connections wanted, and the requests on each that are reason enough
	 * for another one. */
	unsigned int n_wanted;
	unsigned int n_enough;
	/* Requests without an answer. */
	struct list in_flight;
	/* When the last reply came, for --timeout. */
	uint64_t heard_at;
};

/* What a request needs while it has no answer. */
struct direct_request {
	struct direct_link *link;
	struct payload payload;
};

static_assert(DIRECT_LINKS_MAX <= DISK_FDS_MAX, "one descriptor for each");

static struct direct_disk *
of_disk(struct disk *disk)
{
	return container_of(disk, struct direct_disk, disk);
}

static void
put_done(struct disk_request *request, int status)
{
	struct direct_request *private = request->private;

	payload_release(&private->payload);
	private->link->n_in_flight--;
	free(private);
	request->private = NULL;
	list_remove(&request->link);
	disk_put_done(request, status);
}

/* The failure names the request: what is attempted as a whole is known. */
static int
fail_request(const struct disk_request *request, int errnum)
{
	const struct direct_request *private = request->private;

	return direct_fail(private->link->nbd, errnum,
			   "%s of %" PRIu64 " bytes at offset %" PRIu64
			   " of %s",
			   disk_command_name(request->command), request->length,
			   request->offset, request->disk->name);
}

static int
on_completion(void *user, int *error)
{
	struct disk_request *request = user;
	struct direct_request *private = request->private;
	int status = EXIT_OK;

	of_disk(request->disk)->heard_at = progress_now();
	if (*error)
		status = fail_request(request, *error);
	else if (request->command == DISK_READ)
		request->data = payload_take(&private->payload);
	put_done(request, status);
	/* Retired: nobody asks for the cookie. */
	return 1;
}

static int
on_extents(void *user, const char *context, uint64_t offset, uint32_t *entries,
	   size_t n_entries, int *error)
{
	struct disk_request *request = user;
	size_t n = n_entries / 2;
	CLEANUP_FREE struct disk_extent *extents = calloc(n + 1,
							  sizeof(*extents));

	if (!extents) {
		*error = ENOMEM;
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		extents[i] = (struct disk_extent){
			.length = entries[2 * i], .flags = entries[2 * i + 1]
		};
	request->on_extents(request, context, offset, extents, n);
	return 0;
}

static int64_t
start(struct nbd_handle *nbd, struct disk_request *request,
      struct payload *payload)
{
	nbd_completion_callback done = { .callback = on_completion,
					 .user_data = request };
	void *bytes;

	switch (request->command) {
	case DISK_READ:
		*payload = payload_allocate(request->length, &bytes);
		return sym_nbd_aio_pread(nbd, bytes, request->length,
					 request->offset, done, request->flags);
	case DISK_WRITE:
		*payload = payload_take(&request->data);
		return sym_nbd_aio_pwrite(nbd, payload->bytes, payload->length,
					  request->offset, done,
					  request->flags);
	case DISK_FLUSH:
		return sym_nbd_aio_flush(nbd, done, request->flags);
	case DISK_TRIM:
		return sym_nbd_aio_trim(nbd, request->length, request->offset,
					done, request->flags);
	case DISK_CACHE:
		return sym_nbd_aio_cache(nbd, request->length, request->offset,
					 done, request->flags);
	case DISK_ZERO:
		return sym_nbd_aio_zero(nbd, request->length, request->offset,
					done, request->flags);
	case DISK_BLOCK_STATUS:
		return sym_nbd_aio_block_status(
			nbd,
			request->length < LENGTH_MAX ? request->length
						     : LENGTH_MAX,
			request->offset,
			(nbd_extent_callback){ .callback = on_extents,
					       .user_data = request },
			done, request->flags);
	}
	return -1;
}

static int
add_link(struct direct_disk *direct, char *const *contexts)
{
	struct nbd_handle *nbd = direct_connect(
		direct->disk.options, direct->disk.name, false, contexts);

	if (!nbd)
		return (int)failure_code();
	/* The buffer of a read that failed is shown to nobody. */
	if (sym_nbd_set_pread_initialize)
		sym_nbd_set_pread_initialize(nbd, false);
	direct->links.link[direct->links.n++].nbd = nbd;
	return EXIT_OK;
}

/* The link for the next request. Those that wait on one connection may be
 * quicker on two; a server that refuses more of them is served by fewer. */
static struct direct_link *
choose_link(struct direct_disk *direct)
{
	struct direct_link *link = direct_links_choose(&direct->links);

	if (link->n_in_flight < direct->n_enough ||
	    direct->links.n >= direct->n_wanted || failure_code() != EXIT_OK)
		return link;
	if (add_link(direct, NULL) != EXIT_OK) {
		failure_clear();
		direct->n_wanted = direct->links.n;
	}
	return direct_links_choose(&direct->links);
}

/* How many connections, if the server keeps several consistent. What the user
 * says is done at once. */
static void
plan_links(struct direct_disk *direct)
{
	const struct options *options = direct->disk.options;
	bool is_said = options_has(options, OPTION_CONNECTIONS);

	direct->n_wanted = options->connections;
	direct->n_enough = is_said ? 1 : 16;
	if (direct->n_wanted > DIRECT_LINKS_MAX)
		direct->n_wanted = DIRECT_LINKS_MAX;
	if (!direct->disk.export->can_multi_conn)
		direct->n_wanted = 1;
}

static void
direct_submit(struct disk *disk, struct disk_request *request)
{
	struct direct_disk *direct = of_disk(disk);
	struct direct_request *private = calloc(1, sizeof(*private));

	if (!private)
		abort();
	private->link = choose_link(direct);
	private->link->n_in_flight++;
	request->private = private;
	list_append(&direct->in_flight, &request->link);
	if (disk->n_pending == 1)
		direct->heard_at = progress_now();
	if (!private->link->nbd)
		put_done(request, (int)failure_code());
	else if (start(private->link->nbd, request, &private->payload) < 0)
		put_done(request, direct_fail(private->link->nbd, 0, NULL));
}

/* After a recorded failure: closes, and ends every request with it. */
static void
give_up(struct direct_disk *direct)
{
	for (unsigned int i = 0; i < direct->links.n; i++) {
		sym_nbd_close(direct->links.link[i].nbd);
		direct->links.link[i].nbd = NULL;
		direct->links.link[i].is_polled = false;
	}
	list_for_each_safe(link, &direct->in_flight)
		put_done(container_of(link, struct disk_request, link),
			 (int)failure_code());
}

static int
wait_limit(const struct direct_disk *direct)
{
	uint32_t timeout_ms = direct->disk.options->timeout_ms;
	uint64_t silent;

	if (!timeout_ms)
		return -1;
	silent = progress_now() - direct->heard_at;
	return silent >= timeout_ms ? 0 : (int)(timeout_ms - silent);
}

static void
shorten(int *timeout_ms, int limit)
{
	if (limit >= 0 && (*timeout_ms < 0 || limit < *timeout_ms))
		*timeout_ms = limit;
}

static void
give_up_silent(struct direct_disk *direct)
{
	fail(EXIT_TIMEOUT, ETIMEDOUT, NULL, "no answer in %u ms",
	     direct->disk.options->timeout_ms);
	give_up(direct);
}

static void
give_up_link(struct direct_disk *direct, const struct direct_link *failed)
{
	direct_fail(failed->nbd, 0, NULL);
	give_up(direct);
}

static unsigned int
direct_prepare(struct disk *disk, struct pollfd *fds, int *timeout_ms)
{
	struct direct_disk *direct = of_disk(disk);
	struct direct_link *failed;
	unsigned int n = 0;

	shorten(timeout_ms, wait_limit(direct));
	failed = direct_links_prepare(&direct->links, fds, &n);
	if (failed) {
		give_up_link(direct, failed);
		n = 0;
	}
	if (!list_is_empty(&disk->done))
		*timeout_ms = 0;
	return n;
}

static void
direct_handle(struct disk *disk, const struct pollfd *fds)
{
	struct direct_disk *direct = of_disk(disk);
	struct direct_link *failed = direct_links_handle(&direct->links, fds);

	if (failed)
		give_up_link(direct, failed);
	else if (!list_is_empty(&direct->in_flight) && wait_limit(direct) == 0)
		give_up_silent(direct);
}

/* One connection, and nothing else to wait for: libnbd knows best how. */
static void
wait_for_link(struct direct_disk *direct, int timeout_ms)
{
	struct direct_link *link = &direct->links.link[0];
	int status = sym_nbd_poll(link->nbd, timeout_ms);

	if (status < 0 && sym_nbd_get_errno() != EINTR)
		give_up_link(direct, link);
	else if (status == 0 && wait_limit(direct) == 0)
		give_up_silent(direct);
}

static void
direct_disk_wait(struct disk *disk, int timeout_ms)
{
	struct direct_disk *direct = of_disk(disk);
	struct pollfd fds[DIRECT_LINKS_MAX];
	unsigned int n;

	if (disk_report_done(disk))
		return;
	if (direct->links.n == 1) {
		shorten(&timeout_ms, wait_limit(direct));
		wait_for_link(direct, timeout_ms);
	} else {
		n = direct_prepare(disk, fds, &timeout_ms);
		if (poll(fds, n, timeout_ms) >= 0)
			direct_handle(disk, fds);
	}
	disk_report_done(disk);
}

static int
direct_close(struct disk *disk)
{
	struct direct_disk *direct = of_disk(disk);

	for (unsigned int i = 0; i < direct->links.n; i++)
		direct_disconnect(direct->links.link[i].nbd);
	export_free(disk->export);
	free(direct);
	return EXIT_OK;
}

static const struct disk_ops direct_ops = {
	.submit = direct_submit,
	.wait = direct_disk_wait,
	.prepare = direct_prepare,
	.handle = direct_handle,
	.close = direct_close,
};

/* 32 MiB is what servers take that say nothing. */
static uint64_t
max_payload(const Nbdclientd__V1__Export *export)
{
	uint64_t said = export->block_sizes ? export->block_sizes->maximum : 0;

	return said && said < 32 << 20 ? said : 32 << 20;
}

/* The contexts that were asked for and selected. */
static int
add_contexts(struct direct_disk *direct, char *const *contexts)
{
	CLEANUP_FREE char **selected = NULL;
	size_t n = 0, n_selected = 0;

	while (contexts && contexts[n])
		n++;
	/* Without wishes direct_export() knows the usual one. */
	if (n == 0)
		return EXIT_OK;
	selected = calloc(n + 1, sizeof(*selected));
	if (!selected)
		return fail_errno(ENOMEM, "no memory");
	for (size_t i = 0; i < n; i++)
		if (sym_nbd_can_meta_context(direct->links.link[0].nbd,
					     contexts[i]) == 1)
			selected[n_selected++] = contexts[i];
	if (!export_set_contexts(direct->disk.export, selected))
		return fail_errno(ENOMEM, "no memory");
	return EXIT_OK;
}

int
disk_open_direct(const struct options *options, const char *uri,
		 char *const *contexts, struct disk **disk)
{
	struct direct_disk *direct = calloc(1, sizeof(*direct));
	int status;

	if (!direct)
		return fail_errno(ENOMEM, "no memory");
	direct->disk = (struct disk){
		.ops = &direct_ops,
		.options = options,
		.name = uri,
		.alignment = 1,
		.max_in_flight = 64,
	};
	list_init(&direct->in_flight);
	list_init(&direct->disk.done);
	status = add_link(direct, contexts);
	if (status == EXIT_OK)
		direct->disk.export = direct_export(direct->links.link[0].nbd,
						    uri);
	if (!direct->disk.export)
		status = (int)failure_code();
	else
		status = add_contexts(direct, contexts);
	if (status != EXIT_OK) {
		direct_close(&direct->disk);
		return status;
	}
	assert(direct->disk.export);
	direct->disk.size = direct->disk.export->size;
	plan_links(direct);
	direct->disk.max_payload = max_payload(direct->disk.export);
	if (direct->disk.export->block_sizes &&
	    direct->disk.export->block_sizes->minimum)
		direct->disk.alignment =
			direct->disk.export->block_sizes->minimum;
	*disk = &direct->disk;
	return EXIT_OK;
}
