/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps of allocated and zero ranges, held against qemu-img's and the data. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

enum {
	HOLE = 1,
	ZERO = 2,
	MAX_EXTENTS = 4096
};

struct extent {
	uint64_t offset;
	uint64_t length;
	uint32_t flags;
};

struct map {
	struct extent extents[MAX_EXTENTS];
	size_t n_extents;
	uint64_t end;
	unsigned n_calls;
};

static void
map_add(struct map *map, uint64_t length, uint32_t flags)
{
	struct extent *last = NULL;

	if (map->n_extents > 0)
		last = &map->extents[map->n_extents - 1];
	if (last && last->flags == flags) {
		last->length += length;
	} else {
		assert_in_range(map->n_extents, 0, MAX_EXTENTS - 1);
		map->extents[map->n_extents++] = (struct extent){
			.offset = map->end, .length = length, .flags = flags
		};
	}
	map->end += length;
}

static int
on_extents(void *user_data, const char *context, uint64_t offset,
	   uint32_t *entries, size_t n_entries, int *error)
{
	struct map *map = user_data;

	assert_int_equal(*error, 0);
	assert_string_equal(context, LIBNBD_CONTEXT_BASE_ALLOCATION);
	assert_int_equal(offset, map->end);
	assert_int_equal(n_entries % 2, 0);
	map->n_calls++;
	for (size_t i = 0; i < n_entries; i += 2)
		map_add(map, entries[i], entries[i + 1]);
	return 0;
}

static struct map *
map_new(void)
{
	struct map *map = calloc(1, sizeof(*map));

	assert_non_null(map);
	return map;
}

/* The whole map, asked for in steps of STEP bytes. */
static struct map *
map_of_server(struct nbd_handle *h, uint64_t step)
{
	nbd_extent_callback extent = { .callback = on_extents };
	uint64_t size = (uint64_t)nbd_get_size(h);
	struct map *map = map_new();

	extent.user_data = map;
	while (map->end < size) {
		uint64_t left = size - map->end;

		assert_nbd_ok(nbd_block_status(h, left < step ? left : step,
					       map->end, extent, 0));
	}
	assert_int_equal(map->end, size);
	return map;
}

/* The value after "KEY": in the JSON object that begins at TEXT. */
static const char *
value_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return at + strlen(key);
}

static struct map *
map_of_qemu_img(const char *uri)
{
	CLEANUP_FREE char *json = process_output((const char *const[]){
		"qemu-img", "map", "--output=json", "-f", "raw", uri, NULL });
	struct map *map = map_new();
	const char *at = json;

	while ((at = strchr(at, '{'))) {
		bool zero = *value_of(at, "\"zero\": ") == 't';
		bool data = *value_of(at, "\"data\": ") == 't';

		assert_int_equal(atoll(value_of(at, "\"start\": ")), map->end);
		map_add(map, strtoull(value_of(at, "\"length\": "), NULL, 10),
			(zero ? ZERO : 0U) | (data ? 0U : HOLE));
		at++;
	}
	return map;
}

static void
assert_same_map(const struct map *map, const struct map *other)
{
	assert_int_equal(map->end, other->end);
	assert_int_equal(map->n_extents, other->n_extents);
	for (size_t i = 0; i < map->n_extents; i++) {
		assert_int_equal(map->extents[i].offset,
				 other->extents[i].offset);
		assert_int_equal(map->extents[i].length,
				 other->extents[i].length);
		assert_int_equal(map->extents[i].flags,
				 other->extents[i].flags);
	}
}

static void
fill_in_places(struct nbd_handle *h)
{
	static const uint64_t places[] = { 0, 1 << 20, 3 << 20, 7 << 20 };
	CLEANUP_FREE uint8_t *data = malloc(128 << 10);

	pattern_fill(data, 128 << 10, 5, 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		assert_nbd_ok(nbd_pwrite(h, data, 128 << 10, places[i], 0));
	assert_nbd_ok(nbd_zero(h, 64 << 10, 3 << 20, 0));
	assert_nbd_ok(nbd_flush(h, 0));
}

static void
the_map_is_the_one_of_qemu_img(void **state)
{
	const struct fixture *fixture = *state;
	CLEANUP_FREE struct map *ours = NULL;
	CLEANUP_FREE struct map *theirs = NULL;

	assert_int_equal(nbd_can_meta_context(fixture->h,
					      LIBNBD_CONTEXT_BASE_ALLOCATION),
			 1);
	fill_in_places(fixture->h);
	ours = map_of_server(fixture->h, DISK_SIZE);
	theirs = map_of_qemu_img(fixture->server.uri);
	assert_in_range(ours->n_extents, 2, MAX_EXTENTS);
	assert_same_map(ours, theirs);
}

static void
the_step_does_not_matter(void **state)
{
	const struct fixture *fixture = *state;
	CLEANUP_FREE struct map *whole = map_of_server(fixture->h, DISK_SIZE);
	CLEANUP_FREE struct map *pieces = map_of_server(fixture->h, 65536);

	assert_same_map(whole, pieces);
	assert_in_range(pieces->n_calls, 2, DISK_SIZE);
}

static void
what_is_said_to_be_zero_reads_as_zero(void **state)
{
	const struct fixture *fixture = *state;
	CLEANUP_FREE struct map *map = map_of_server(fixture->h, DISK_SIZE);

	for (size_t i = 0; i < map->n_extents; i++) {
		const struct extent *extent = &map->extents[i];
		CLEANUP_FREE uint8_t *data = malloc(extent->length);

		if (!(extent->flags & ZERO))
			continue;
		assert_nbd_ok(nbd_pread(fixture->h, data, extent->length,
					extent->offset, 0));
		assert_true(pattern_is_all(data, extent->length, 0));
	}
}

static void
one_extent_when_one_is_asked_for(void **state)
{
	const struct fixture *fixture = *state;
	CLEANUP_FREE struct map *map = map_new();
	nbd_extent_callback extent = { .callback = on_extents,
				       .user_data = map };

	assert_nbd_ok(nbd_block_status(fixture->h, 65536, 0, extent,
				       LIBNBD_CMD_FLAG_REQ_ONE));
	assert_int_equal(map->n_calls, 1);
	assert_int_equal(map->n_extents, 1);
	assert_in_range(map->end, 1, 65536);
}

struct pieces {
	const uint8_t *buffer;
	uint64_t offset;
	size_t n_data;
	size_t n_hole;
};

static int
on_chunk(void *user_data, const void *buffer, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	struct pieces *pieces = user_data;

	assert_int_equal(*error, 0);
	assert_ptr_equal(buffer, pieces->buffer + (offset - pieces->offset));
	if (status == LIBNBD_READ_DATA)
		pieces->n_data += count;
	else if (status == LIBNBD_READ_HOLE)
		pieces->n_hole += count;
	return 0;
}

static void
a_structured_read_is_made_of_data_and_holes(void **state)
{
	const struct fixture *fixture = *state;
	CLEANUP_FREE uint8_t *plain = malloc(DISK_SIZE);
	CLEANUP_FREE uint8_t *pieced = malloc(DISK_SIZE);
	struct pieces pieces = { .buffer = pieced };
	nbd_chunk_callback chunk = { .callback = on_chunk,
				     .user_data = &pieces };

	assert_nbd_ok(nbd_set_pread_initialize(fixture->h, false));
	memset(pieced, 0xff, DISK_SIZE);
	assert_nbd_ok(nbd_pread(fixture->h, plain, DISK_SIZE, 0, 0));
	assert_nbd_ok(nbd_pread_structured(fixture->h, pieced, DISK_SIZE, 0,
					   chunk, 0));
	assert_int_equal(pieces.n_data + pieces.n_hole, DISK_SIZE);
	assert_memory_equal(plain, pieced, DISK_SIZE);
	/* qemu-nbd does send holes as holes. */
	if (!strncmp(fixture->target->name, "qemu", 4))
		assert_in_range(pieces.n_hole, 1 << 20, DISK_SIZE);
	assert_nbd_ok(nbd_set_pread_initialize(fixture->h, true));
}

/* Against a map that the test itself has written down. */
static void
the_map_is_what_the_server_was_told(void **state)
{
	static const struct extent expected[] = {
		{ 0, 4096, 0 },
		{ 4096, 8192, HOLE | ZERO },
		{ 12288, 4096, ZERO },
		{ 16384, 4096, HOLE },
		{ 20480, (1 << 20) - 20480, HOLE | ZERO },
	};
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *list = workdir_text_file(
		dir, "extents", "0 4096\n12288 4096 zero\n16384 4096 hole\n");
	CLEANUP_FREE char *argument = NULL;
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_FREE struct map *map = NULL;
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_true(asprintf(&argument, "extentlist=%s", list) > 0);
	server_start(&server, SERVER_UNIX,
		     (const char *const[]){ "nbdkit", "--filter=extentlist",
					    "memory", "1M", argument, NULL });
	assert_nbd_ok(nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
	assert_nbd_ok(nbd_connect_uri(h, server.uri));
	map = map_of_server(h, 1 << 20);
	assert_int_equal(map->n_extents,
			 sizeof(expected) / sizeof(expected[0]));
	assert_memory_equal(map->extents, expected, sizeof(expected));
	nbd_close(h);
}

static void
no_map_without_asking_for_the_context(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	nbd_extent_callback extent = { .callback = on_extents };

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_nbd_ok(nbd_connect_uri(h, server.uri));
	assert_int_equal(
		nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION), 0);
	assert_nbd_errno(nbd_block_status(h, 512, 0, extent, 0), ENOTSUP);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest everywhere[] = {
		cmocka_unit_test(the_map_is_the_one_of_qemu_img),
		cmocka_unit_test(the_step_does_not_matter),
		cmocka_unit_test(what_is_said_to_be_zero_reads_as_zero),
		cmocka_unit_test(one_extent_when_one_is_asked_for),
		cmocka_unit_test(a_structured_read_is_made_of_data_and_holes),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(the_map_is_what_the_server_was_told),
		cmocka_unit_test(no_map_without_asking_for_the_context),
	};
	int n_failed;

	fixture_check_library();
	test_require_program("qemu-img");
	n_failed = fixture_run_everywhere(
		everywhere, sizeof(everywhere) / sizeof(everywhere[0]),
		CAN_MAP);
	return n_failed + cmocka_run_group_tests(alone, NULL, NULL);
}
