/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk in memory: the last request is answered first. */
#include "tests/unit/cli/memory_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/errors.h"
#include "cli/export_facts.h"

static void
memory_submit(struct disk *disk, struct disk_request *request)
{
	struct memory_disk *memory = container_of(disk, struct memory_disk,
						  disk);

	list_prepend(&memory->pending, &request->link);
	while (request->offset % memory->smallest_unit ||
	       request->length % memory->smallest_unit)
		memory->smallest_unit /= 2;
}

static void
give_extents(struct memory_disk *memory, struct disk_request *request)
{
	uint64_t at = 0, end = request->offset + request->length;

	for (const struct disk_extent *from = memory->extents;
	     from->length && at < end; at += from->length, from++) {
		struct disk_extent extent = *from;
		uint64_t start = at;

		if (at + from->length <= request->offset)
			continue;
		if (start < request->offset) {
			extent.length -= request->offset - start;
			start = request->offset;
		}
		request->on_extents(request, "base:allocation", start, &extent,
				    1);
	}
}

static int
put(struct memory_disk *memory, struct disk_request *request)
{
	unsigned char *to = memory->bytes + request->offset;

	if (request->offset != memory->next_offset)
		memory->is_out_of_order = true;
	memory->next_offset = request->offset + request->length;
	if (request->offset + request->length > memory->fails_at) {
		payload_release(&request->data);
		return fail(EXIT_NBD, ENOSPC, NULL, "the test says so");
	}
	if (request->command == DISK_ZERO) {
		memory->n_zeroes++;
		memory->bytes_zeroed += request->length;
		memset(to, 0, request->length);
		return EXIT_OK;
	}
	memory->n_writes++;
	memory->bytes_written += request->length;
	memcpy(to, request->data.bytes, request->length);
	payload_release(&request->data);
	return EXIT_OK;
}

static int
run(struct memory_disk *memory, struct disk_request *request)
{
	void *bytes;

	switch (request->command) {
	case DISK_READ:
		memory->n_reads++;
		memory->bytes_read += request->length;
		request->data = payload_allocate(request->length, &bytes);
		memcpy(bytes, memory->bytes + request->offset, request->length);
		return EXIT_OK;
	case DISK_WRITE:
	case DISK_ZERO:
		return put(memory, request);
	case DISK_BLOCK_STATUS:
		give_extents(memory, request);
		return EXIT_OK;
	case DISK_FLUSH:
	case DISK_TRIM:
	case DISK_CACHE:
		break;
	}
	return EXIT_OK;
}

static void
memory_wait(struct disk *disk, int timeout_ms)
{
	struct memory_disk *memory = container_of(disk, struct memory_disk,
						  disk);
	struct list *link = list_take_first(&memory->pending);

	(void)timeout_ms;
	if (link) {
		struct disk_request *request = container_of(
			link, struct disk_request, link);

		disk_complete(request, run(memory, request));
	}
}

static int
memory_close(struct disk *disk)
{
	(void)disk;
	return EXIT_OK;
}

void
memory_disk_init(struct memory_disk *memory, const struct options *options,
		 uint64_t size)
{
	static const struct disk_ops ops = {
		.submit = memory_submit,
		.wait = memory_wait,
		.close = memory_close,
	};

	*memory = (struct memory_disk){
		.disk = {
			.ops = &ops,
			.options = options,
			.name = "memory",
			.size = size,
			.max_payload = 1 << 20,
			.max_in_flight = 64,
			.alignment = 1,
			.export = export_new(),
		},
		.bytes = calloc(1, size),
		.smallest_unit = UINT64_C(1) << 40,
		.fails_at = UINT64_MAX,
	};
	list_init(&memory->pending);
	if (!memory->bytes || !memory->disk.export)
		abort();
	memory->disk.export->size = size;
	memory->disk.export->can_zero = true;
}

void
memory_disk_done(struct memory_disk *memory)
{
	export_free(memory->disk.export);
	free(memory->bytes);
}
