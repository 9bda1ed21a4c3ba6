/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The payload of a write, on its way to the library. A large one lies in the
 * pieces that the RPC has received, and goes to the socket from there:
 * nbd_ext_aio_pwritev(). The daemon runs on libraries that do not have it, too;
 * for them the pieces are joined.
 */
#include "daemon/core/part.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"

static int64_t (*write_pieces)(struct nbd_handle *nbd,
			       const struct iovec *pieces, size_t n_pieces,
			       uint64_t offset, nbd_completion_callback done,
			       uint32_t flags);
static pthread_once_t write_pieces_once = PTHREAD_ONCE_INIT;

static void
find_write_pieces(void)
{
	*(void **)&write_pieces = dlsym(RTLD_DEFAULT, "nbd_ext_aio_pwritev");
}

static int
join(struct part *part, const struct buffer *from, uint64_t at)
{
	int r = buffer_allocate(&part->hold, part->length);

	if (r < 0)
		return r;
	buffer_read(from, at, part->length, part->hold.data);
	part->data = part->hold.data;
	return 0;
}

int
part_set_payload(struct part *part, const struct buffer *from, uint64_t at)
{
	struct iovec first = { 0 };
	size_t n = buffer_cut(from, at, part->length, &first, 1);

	if (n <= 1) {
		part->data = first.iov_base;
		return 0;
	}
	pthread_once(&write_pieces_once, find_write_pieces);
	if (!write_pieces)
		return join(part, from, at);
	part->pieces = calloc(n, sizeof(part->pieces[0]));
	if (!part->pieces)
		return -ENOMEM;
	part->n_pieces = buffer_cut(from, at, part->length, part->pieces, n);
	return 0;
}

int64_t
part_write(const struct part *part, struct nbd_handle *nbd,
	   nbd_completion_callback done)
{
	if (part->pieces)
		return write_pieces(nbd, part->pieces, part->n_pieces,
				    part->offset, done, part->flags);
	return nbd_aio_pwrite(nbd, part->constant ? part->constant : part->data,
			      part->length, part->offset, done, part->flags);
}

void
part_done(struct part *part)
{
	buffer_release(&part->hold);
	free(TAKE_PTR(part->pieces));
}
