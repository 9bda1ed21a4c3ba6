/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks from one frame's header to the next. Nonsense is gRPC's to refuse: here
 * it only leads to wrong counts. */
#include "daemon/rpc/frames.h"

#include <stdbool.h>
#include <string.h>

#define PREFACE_SIZE 24

/* RFC 9113, section 6 */
#define TYPE_HEADERS  1
#define TYPE_SETTINGS 4
#define TYPE_PING     6
#define FLAG_ACK      1

void
frames_init(struct frames *frames)
{
	*frames = (struct frames){ .skip = PREFACE_SIZE };
}

static void
count(struct frames *frames, struct frames_seen *seen)
{
	const uint8_t *header = frames->header;
	uint8_t type = header[3];
	bool is_answer = header[4] & FLAG_ACK;
	uint32_t stream = (header[5] & 0x7fu) << 24 |
			  (uint32_t)header[6] << 16 | (uint32_t)header[7] << 8 |
			  header[8];

	seen->frames++;
	/* Headers of the same stream that follow are its trailers. */
	if (type == TYPE_HEADERS && stream > frames->last_stream) {
		frames->last_stream = stream;
		seen->calls++;
	}
	if ((type == TYPE_PING || type == TYPE_SETTINGS) && !is_answer)
		seen->questions++;
	frames->skip = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 |
		       header[2];
}

void
frames_look(struct frames *frames, const uint8_t *bytes, size_t n,
	    struct frames_seen *seen)
{
	while (n > 0) {
		size_t part = frames->skip;

		if (part == 0)
			part = FRAME_HEADER_SIZE - frames->n_header;
		if (part > n)
			part = n;
		if (frames->skip > 0) {
			frames->skip -= (uint32_t)part;
		} else {
			memcpy(frames->header + frames->n_header, bytes, part);
			frames->n_header += (unsigned)part;
		}
		bytes += part;
		n -= part;
		if (frames->n_header == FRAME_HEADER_SIZE) {
			frames->n_header = 0;
			count(frames, seen);
		}
	}
}
