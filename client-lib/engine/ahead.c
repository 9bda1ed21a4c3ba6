/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiving ahead: whose reply comes next, how it begins, and what to do if it
 * does not.
 */
#include "client-lib/engine/ahead.h"

#include <string.h>

#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "common/hints.h"

enum {
	/* In-order replies at first and after a wrong guess, and at most. */
	FEW_NEEDED = 8,
	MANY_NEEDED = 4096,
};

/* Less is copied as fast as vectors are made for it, in the kernel, too. */
size_t ahead_smallest = 8 * 1024;

/* A wrong guess costs a copy of all that came, and a short-lived connection
 * would have nothing but the first one. */
uint64_t ahead_at_first = FEW_NEEDED;

void
ahead_start(struct ahead *ahead)
{
	ahead->n_in_order = 0;
	ahead->n_needed = ahead_at_first;
	ahead->n_foreseen = 0;
	ahead->n_right = 0;
	ahead->left = 0;
}

static size_t
head_size(const struct nbd_handle *h)
{
	if (h->negotiated.extended_headers)
		return NBD_EXTENDED_REPLY_SIZE + 8;
	if (h->negotiated.structured_replies)
		return NBD_STRUCTURED_REPLY_SIZE + 8;
	return NBD_SIMPLE_REPLY_SIZE;
}

static const struct iovec *
payload_of(const struct ahead *ahead, unsigned reply)
{
	return &ahead->vectors[2 + 2 * reply];
}

static const uint8_t *
begin_of(const struct ahead *ahead, unsigned place)
{
	return payload_of(ahead, ahead->by_address[place])->iov_base;
}

static const uint8_t *
end_of(const struct ahead *ahead, unsigned place)
{
	return begin_of(ahead, place) +
	       payload_of(ahead, ahead->by_address[place])->iov_len;
}

static bool
fits(const struct ahead *ahead, unsigned place, const uint8_t *begin,
     const uint8_t *end)
{
	return (place == 0 || end_of(ahead, place - 1) <= begin) &&
	       (place == ahead->n_foreseen || end <= begin_of(ahead, place));
}

/* Of the payloads that end behind BEGIN, the place of the first. */
static unsigned
find_place(const struct ahead *ahead, const uint8_t *begin)
{
	unsigned low = 0, high = ahead->n_foreseen;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (end_of(ahead, middle) <= begin)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Gives the payload of the reply that comes next its place among the others.
 * False if it overlaps with one of them: then only one could be foreseen. */
static bool
take_place(struct ahead *ahead, const uint8_t *begin, const uint8_t *end)
{
	unsigned place = ahead->next_place;
	uint8_t *at;

	/* Mostly they go up. */
	if (!fits(ahead, place, begin, end)) {
		place = find_place(ahead, begin);
		if (!fits(ahead, place, begin, end))
			return false;
	}
	at = ahead->by_address + place;
	memmove(at + 1, at, ahead->n_foreseen - place);
	*at = (uint8_t)ahead->n_foreseen;
	ahead->next_place = place + 1;
	return true;
}

/* Is it elsewhere than what is being received? */
static bool
is_beside(const struct command *command, const struct command *other)
{
	return command->buffer + command->count <= other->buffer ||
	       other->buffer + other->count <= command->buffer;
}

/* Has the server got all of the request, and sent nothing for it? */
static bool
is_untouched_read(const struct nbd_handle *h, const struct command *command)
{
	return command->type == NBD_CMD_READ &&
	       command->stage == COMMAND_BATCHED &&
	       command->sent_end <= h->transmit.n_sent &&
	       !command->reply_is_done && command->error == 0 &&
	       command->coverage.covered == 0 && !command->coverage.bitmap;
}

static void
foresee(struct ahead *ahead, struct command *command, uint8_t *head)
{
	struct iovec *vectors = ahead->vectors + 1 + 2 * ahead->n_foreseen;

	vectors[0] = (struct iovec){ head, ahead->head_size };
	vectors[1] = (struct iovec){ command->buffer, command->count };
	ahead->commands[ahead->n_foreseen++] = command;
}

/* The replies to expect, oldest request first, in up to ROOM bytes: how many
 * bytes they take. No more than twice as many as came the last time. */
static size_t
foresee_replies(struct nbd_handle *h, size_t room)
{
	struct ahead *ahead = &h->receive.ahead;
	uint8_t *head = h->receive.buffer + h->receive.end;
	const struct command *current = h->receive.command;
	unsigned most = 2 * ahead->n_right + 1;
	size_t size = 0;

	if (most > AHEAD_MAX)
		most = AHEAD_MAX;
	ahead->n_foreseen = 0;
	ahead->next_place = 0;
	ahead->head_size = head_size(h);
	/* A list is a ring. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	list_for_each(link, &h->pending) {
		struct command *command = container_of(link, struct command,
						       link);

		if (command == current)
			continue;
		if (ahead->n_foreseen == most ||
		    !is_untouched_read(h, command) ||
		    command->count < ahead_smallest ||
		    command->count + ahead->head_size > room - size ||
		    (current && !is_beside(command, current)) ||
		    !take_place(ahead, command->buffer,
				command->buffer + command->count))
			break;
		foresee(ahead, command, head);
		head += ahead->head_size;
		size += ahead->head_size + command->count;
	}
	return size;
}

/* Only what arrives in one row can be put back into one. */
static bool
can_foresee(const struct nbd_handle *h)
{
	const struct receive *receive = &h->receive;

	return h->read_bytes >= h->n_reads * ahead_smallest &&
	       receive->ahead.n_in_order >= receive->ahead.n_needed &&
	       (receive->state == RECEIVE_HEADER ||
		receive->state == RECEIVE_DATA) &&
	       receive_buffered(receive) == 0 &&
	       h->stream->operations->scatters;
}

size_t
ahead_build(struct nbd_handle *h, size_t room)
{
	struct receive *receive = &h->receive;
	struct ahead *ahead = &receive->ahead;
	size_t whole = RECEIVE_BUFFER_SIZE - receive->end;
	size_t size = 0;
	struct iovec *rest;

	ahead->n_foreseen = 0;
	if (can_foresee(h))
		size = foresee_replies(h, whole);
	rest = &ahead->vectors[1 + 2 * ahead->n_foreseen];
	rest->iov_base = receive->buffer + receive->end +
			 ahead->n_foreseen * ahead->head_size;
	rest->iov_len = whole - size < room ? whole - size : room;
	return size + rest->iov_len;
}

/* Is this what a server sends that gives COMMAND all it has asked for? */
static bool
is_foretold(const struct nbd_handle *h, const struct command *command,
	    const uint8_t *head)
{
	if (h->negotiated.extended_headers)
		return load_be32(head) == NBD_EXTENDED_REPLY_MAGIC &&
		       load_be16(head + 4) == NBD_REPLY_FLAG_DONE &&
		       load_be16(head + 6) == NBD_REPLY_TYPE_OFFSET_DATA &&
		       load_be64(head + 8) == command->cookie &&
		       load_be64(head + 16) == command->offset &&
		       load_be64(head + 24) == command->count + 8 &&
		       load_be64(head + 32) == command->offset;
	if (h->negotiated.structured_replies)
		return load_be32(head) == NBD_STRUCTURED_REPLY_MAGIC &&
		       load_be16(head + 4) == NBD_REPLY_FLAG_DONE &&
		       load_be16(head + 6) == NBD_REPLY_TYPE_OFFSET_DATA &&
		       load_be64(head + 8) == command->cookie &&
		       load_be32(head + 16) == command->count + 8 &&
		       load_be64(head + 20) == command->offset;
	return load_be32(head) == NBD_SIMPLE_REPLY_MAGIC &&
	       load_be32(head + 4) == 0 &&
	       load_be64(head + 8) == command->cookie;
}

/* Nothing is left, or the receiver sees the beginning of it. */
static void
show_next(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct ahead *ahead = &receive->ahead;
	const struct iovec *vector = &ahead->vectors[ahead->next];
	unsigned i = (unsigned)(ahead->next - 1) / 2;
	size_t n = ahead->left < vector->iov_len ? ahead->left
						 : vector->iov_len;

	receive->begin = (size_t)((uint8_t *)vector->iov_base -
				  receive->buffer);
	receive->end = receive->begin + n;
	ahead->left -= n;
	ahead->next++;
	/* With nothing behind it, it is in one row as it is. */
	if (ahead->left == 0 ||
	    is_foretold(h, ahead->commands[i], vector->iov_base))
		return;
	ahead_gather(h);
	ahead->n_in_order = 0;
	if (ahead->n_needed < MANY_NEEDED)
		ahead->n_needed *= 2;
	if (ahead->n_needed < FEW_NEEDED)
		ahead->n_needed = FEW_NEEDED;
}

void
ahead_received(struct nbd_handle *h, size_t count)
{
	struct ahead *ahead = &h->receive.ahead;

	ahead->n_right = 0;
	ahead->next = 1;
	ahead->left = count;
	if (count > 0)
		show_next(h);
}

bool
ahead_has_payload(const struct nbd_handle *h)
{
	const struct receive *receive = &h->receive;
	const struct iovec *vector =
		&receive->ahead.vectors[receive->ahead.next];

	return receive_buffered(receive) == 0 &&
	       receive->target == vector->iov_base &&
	       receive->remaining == vector->iov_len;
}

void
ahead_take_payload(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct ahead *ahead = &receive->ahead;
	const struct iovec *vector = &ahead->vectors[ahead->next++];
	size_t n = ahead->left < vector->iov_len ? ahead->left
						 : vector->iov_len;

	receive->target += n;
	receive->remaining -= n;
	ahead->left -= n;
	ahead->n_right++;
	if (ahead->n_needed > FEW_NEEDED)
		ahead->n_needed--;
	if (ahead->left > 0)
		show_next(h);
}

/* From the last vector to the first: each of them lies in the buffer before the
 * place that it is moved to, or outside. What lay in the program's memory is
 * taken away there, if the program wants to find zeroes where nothing is. */
COLD void
ahead_gather(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct ahead *ahead = &receive->ahead;
	uint8_t *to = receive->buffer + receive->end + ahead->left;
	size_t n = ahead->left;
	int last = ahead->next;

	for (; n > ahead->vectors[last].iov_len; last++)
		n -= ahead->vectors[last].iov_len;
	receive->end += ahead->left;
	ahead->left = 0;
	for (int i = last; i >= ahead->next; i--) {
		void *from = ahead->vectors[i].iov_base;
		bool is_payload = i % 2 == 0;

		to -= n;
		memmove(to, from, n);
		if (is_payload && h->config.pread_initialize)
			memset(from, 0, n);
		n = ahead->vectors[i - 1].iov_len;
	}
}

/* Does a payload lie there whose head has not been handled? */
static bool
is_occupied(const struct ahead *ahead, const uint8_t *begin, const uint8_t *end)
{
	unsigned first_left = (unsigned)(ahead->next - 1) / 2;

	for (unsigned place = find_place(ahead, begin);
	     place < ahead->n_foreseen && begin_of(ahead, place) < end; place++)
		if (ahead->by_address[place] >= first_left)
			return true;
	return false;
}

void
ahead_vacate(struct nbd_handle *h, const void *memory, size_t size)
{
	struct ahead *ahead = &h->receive.ahead;
	const struct iovec *latest;
	const uint8_t *begin = memory;

	if (ahead->left == 0)
		return;
	/* Mostly it is the memory of the read that has just been completed. */
	latest = &ahead->vectors[ahead->next - 2];
	if (begin == latest->iov_base && size <= latest->iov_len)
		return;
	if (is_occupied(ahead, begin, begin + size))
		ahead_gather(h);
}

void
ahead_note(struct nbd_handle *h, const struct command *command,
	   bool in_one_piece)
{
	struct ahead *ahead = &h->receive.ahead;

	if (in_one_piece && h->pending.next == &command->link)
		ahead->n_in_order++;
	else
		ahead->n_in_order = 0;
}
