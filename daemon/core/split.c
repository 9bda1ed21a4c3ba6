/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Splitting and widening. */
#include "daemon/core/split.h"

#include "daemon/core/export.h"

static uint64_t
minimum_block(const struct export_info *export)
{
	return export->block_minimum ? export->block_minimum : 1;
}

uint32_t
split_max_payload(const struct export_info *export)
{
	uint32_t max = SPLIT_DEFAULT_PAYLOAD;

	if (export->block_maximum && export->block_maximum < max)
		max = export->block_maximum;
	max -= (uint32_t)(max % minimum_block(export));
	/* A server that contradicts itself gets one block at a time. */
	return max ? max : (uint32_t)minimum_block(export);
}

uint64_t
split_next(enum request_command command, const struct export_info *export,
	   uint64_t offset, uint64_t end)
{
	bool has_payload = command == REQUEST_READ || command == REQUEST_WRITE;
	uint64_t max = has_payload ? split_max_payload(export)
				   : SPLIT_MAX_LENGTH;
	uint64_t left = end - offset;

	return left < max ? left : max;
}

void
split_widen(const struct export_info *export, uint64_t *start, uint64_t *end)
{
	uint64_t block = minimum_block(export);
	uint64_t over = *end % block;

	*start -= *start % block;
	if (over == 0)
		return;
	*end += block - over;
	if (*end > export->size)
		*end = export->size;
}

void
split_narrow(const struct export_info *export, uint64_t *start, uint64_t *end)
{
	uint64_t block = minimum_block(export);
	uint64_t over = *start % block;

	if (over > 0)
		*start += block - over;
	*end -= *end % block;
	if (*end < *start)
		*end = *start;
}

bool
split_is_aligned(const struct export_info *export, uint64_t offset,
		 uint64_t length)
{
	uint64_t block = minimum_block(export);

	return offset % block == 0 && length % block == 0;
}
