/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * While some pieces are written others are read; each lies in one piece of
 * memory, small enough that all of them stay in the processor's cache, and a
 * server hands it over whole. One struct request serves first as the read,
 * then as the write of a piece. Whoever ends a piece begins the next one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/channel.h"
#include "daemon/rpc/channel_copy_private.h"
#include "daemon/rpc/peer.h"

/* What a unix socket takes at once, as kernels set it up; and a multiple of
 * every block size, which is 64 KiB at the most. */
#define PIECE_LENGTH (UINT64_C(192) << 10)
/* The same where the way is so long that it does not matter: a server has but so
 * many threads, which all wait. */
#define SLOW_LENGTH (4 * PIECE_LENGTH)
#define FEW_PIECES  8
#define MANY_PIECES 64

enum piece_state {
	/* On its way into the core. */
	PIECE_STARTING,
	/* There, and may be cancelled. */
	PIECE_READING,
	PIECE_WRITING,
};

struct copy_piece {
	/* In copying->unused. */
	struct list link;
	/* NULL: it is unused. */
	struct channel_copy *copy;
	enum piece_state state;
	/* Where it is written. */
	uint64_t offset;
	struct request request;
};

void
copying_init(struct copying *copying)
{
	list_init(&copying->waiting);
	list_init(&copying->unused);
	window_init(&copying->window, 0, FEW_PIECES, MANY_PIECES);
}

void
copying_done(struct copying *copying)
{
	free(TAKE_PTR(copying->pieces));
}

int
copy_pieces_allocate(struct copying *copying)
{
	if (copying->pieces)
		return 0;
	copying->pieces = calloc(MANY_PIECES, sizeof(copying->pieces[0]));
	if (!copying->pieces)
		return -ENOMEM;
	for (unsigned int i = 0; i < MANY_PIECES; i++)
		list_append(&copying->unused, &copying->pieces[i].link);
	return 0;
}

/* The piece is unused again, and had FAILURE, which is taken. True: its copy is
 * over. */
static bool
piece_give_back(struct copy_piece *piece, struct failure *failure,
		bool has_written)
{
	struct channel_copy *copy = piece->copy;
	struct channel *channel = copy->of->channel;
	struct copying *copying = &channel->copying;

	SCOPED_LOCK(&channel->lock);
	piece->copy = NULL;
	list_prepend(&copying->unused, &piece->link);
	copying->n_busy--;
	copy->n_busy--;
	copy->has_written |= has_written;
	if (failure->errnum == 0) {
		copying->progressed_at = clock_now();
		window_add_done(&copying->window);
	} else if (copy->failure.errnum == 0) {
		copy->failure = *failure;
		*failure = (struct failure){ 0 };
		list_remove(&copy->link);
	}
	return copy->n_busy == 0 &&
	       (copy->begun == copy->length || copy->failure.errnum != 0);
}

/* The piece's request has ended. */
static void
piece_finish(struct copy_piece *piece)
{
	struct channel_copy *copy = piece->copy;
	struct channel *channel = copy->of->channel;
	struct request *request = &piece->request;
	struct failure failure = request->failure;
	bool has_written = request->command == REQUEST_WRITE &&
			   (failure.errnum == 0 || failure.maybe_applied);
	bool is_over;

	request->failure = (struct failure){ 0 };
	request_done(request);
	rpc_call_ref(&channel->call);
	is_over = piece_give_back(piece, &failure, has_written);
	failure_done(&failure);
	copy_pieces_start(channel);
	if (is_over)
		copy_finish(copy);
	rpc_call_unref(&channel->call);
}

static void
on_written(struct request *request)
{
	piece_finish(request->user);
}

/* From now on the piece is not cancelled when the client goes: a write that has
 * begun is carried out. False: it is not to be written. */
static bool
piece_begin_writing(struct copy_piece *piece)
{
	SCOPED_LOCK(&piece->copy->of->channel->lock);
	piece->state = PIECE_WRITING;
	return piece->request.failure.errnum == 0 &&
	       piece->copy->failure.errnum == 0;
}

/* On the source's loop. */
static void
on_read(struct request *request)
{
	struct copy_piece *piece = request->user;
	const struct channel_copy *copy = piece->copy;
	struct request write = {
		.command = REQUEST_WRITE,
		.flags = copy->flags,
		.offset = piece->offset,
		.deadline = request->deadline,
		.client = request->client,
		.on_done = on_written,
		.user = piece,
	};

	if (!piece_begin_writing(piece)) {
		piece_finish(piece);
		return;
	}
	write.payload = buffer_take(&request->payload);
	write.length = write.payload.size;
	request_done(request);
	*request = write;
	volume_submit(copy->of->channel->opening.volume, request);
}

/* As long as others get done, nobody has waited too long for his turn. */
static uint64_t
deadline_of(const struct channel_copy *copy, const struct copying *copying)
{
	uint64_t since = copy->arrived_at > copying->progressed_at
				 ? copy->arrived_at
				 : copying->progressed_at;

	return copy->deadline ? copy->deadline : since + copy->patience;
}

static uint64_t
piece_length(const struct channel_copy *copy, const struct window *window)
{
	uint64_t left = copy->length - copy->begun;
	uint64_t length = window->is_slow ? SLOW_LENGTH : PIECE_LENGTH;

	return length < left && !copy->is_whole ? length : left;
}

/* The next bytes of COPY, in PIECE. */
static void
piece_shape(struct copy_piece *piece, struct channel_copy *copy)
{
	struct channel *channel = copy->of->channel;

	piece->copy = copy;
	piece->state = PIECE_STARTING;
	piece->offset = copy->offset + copy->begun;
	piece->request = (struct request){
		.command = REQUEST_READ,
		.offset = copy->source_offset + copy->begun,
		.length = piece_length(copy, &channel->copying.window),
		.deadline = deadline_of(copy, &channel->copying),
		.client = rpc_call_client(&channel->call),
		.on_done = on_read,
		.user = piece,
	};
	copy->begun += piece->request.length;
	copy->n_busy++;
	if (copy->begun == copy->length)
		list_remove(&copy->link);
}

/* With the lock held; NULL: there is nothing to begin with now. */
static struct copy_piece *
take_piece(struct copying *copying)
{
	struct list *link;

	if (list_is_empty(&copying->waiting) ||
	    copying->n_busy >= copying->window.size)
		return NULL;
	link = list_take_first(&copying->unused);
	if (!link)
		return NULL;
	copying->n_busy++;
	piece_shape(
		container_of(link, struct copy_piece, link),
		container_of(copying->waiting.next, struct channel_copy, link));
	return container_of(link, struct copy_piece, link);
}

/*
 * Hands pieces out, as many as may be under way. One thread at a time does it:
 * so a piece that it has just handed out, and that may be through already, is
 * not handed out again behind its back; and a piece that fails from within
 * begins no further ones in there. With a reference to the call.
 */
void
copy_pieces_start(struct channel *channel)
{
	struct copying *copying = &channel->copying;
	struct copy_piece *piece;

	SCOPED_LOCK(&channel->lock);
	if (copying->is_starting)
		return;
	copying->is_starting = true;
	while ((piece = take_piece(copying))) {
		struct volume *source = piece->copy->source;

		pthread_mutex_unlock(&channel->lock);
		volume_submit(source, &piece->request);
		pthread_mutex_lock(&channel->lock);
		if (!piece->copy || piece->state != PIECE_STARTING)
			continue;
		piece->state = PIECE_READING;
		if (copying->is_cancelled)
			request_cancel(&piece->request);
	}
	copying->is_starting = false;
}

void
copy_pieces_cancel(struct copying *copying)
{
	for (unsigned int i = 0; copying->pieces && i < MANY_PIECES; i++) {
		struct copy_piece *piece = &copying->pieces[i];

		if (piece->copy && piece->state == PIECE_READING)
			request_cancel(&piece->request);
	}
}
