/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding things in the FileDescriptorSet that the build embedded, by walking
 * it as it is: a few kilobytes, asked for now and then. Field numbers are those
 * of google/protobuf/descriptor.proto.
 */
#include "proto/descriptors.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "proto/wire.h"

extern const unsigned char descriptor_bytes[];
extern const size_t descriptor_bytes_size;

/* Of FileDescriptorSet */
#define SET_FILE 1

/* Of FileDescriptorProto */
#define FILE_NAME       1
#define FILE_PACKAGE    2
#define FILE_DEPENDENCY 3
#define FILE_MESSAGE    4
#define FILE_ENUM       5
#define FILE_SERVICE    6

/* Of DescriptorProto */
#define MESSAGE_FIELD  2
#define MESSAGE_NESTED 3
#define MESSAGE_ENUM   4
#define MESSAGE_ONEOF  8

/* Of EnumDescriptorProto and ServiceDescriptorProto: values, methods */
#define MEMBER 2

/* Of all of these */
#define NAME 1

/* The next field of the kind that descriptors have (all that matter are
 * length-delimited), false at the end. */
static bool
next(struct wire_reader *reader, uint32_t *field, struct wire_reader *value)
{
	enum wire_type type;

	while (wire_next(reader, field, &type) > 0) {
		if (type == WIRE_LENGTH)
			return wire_sub(reader, value);
		if (!wire_skip(reader, type))
			break;
	}
	/* protoc wrote it. */
	assert(reader->left == 0);
	return false;
}

static bool
is_text(struct wire_reader value, const char *text, size_t length)
{
	size_t size = value.left;

	return size == length &&
	       memcmp(wire_contiguous(&value), text, length) == 0;
}

/* The value of the first FIELD in READER; no bytes if there is none. */
static struct wire_reader
get(struct wire_reader reader, uint32_t field)
{
	struct wire_reader value = reader;
	uint32_t found;

	while (next(&reader, &found, &value))
		if (found == field)
			return value;
	value.left = 0;
	return value;
}

static grpc_slice
whole_set(void)
{
	return grpc_slice_from_static_buffer(descriptor_bytes,
					     descriptor_bytes_size);
}

size_t
descriptor_n_files(void)
{
	grpc_slice set = whole_set();
	struct wire_reader reader = wire_read_slice(&set);
	struct wire_reader file;
	uint32_t field;
	size_t n = 0;

	while (next(&reader, &field, &file))
		n += field == SET_FILE;
	return n;
}

struct descriptor_file
descriptor_file_get(size_t index)
{
	grpc_slice set = whole_set();
	struct wire_reader reader = wire_read_slice(&set);
	struct wire_reader file;
	uint32_t field;

	while (next(&reader, &field, &file))
		if (field == SET_FILE && index-- == 0)
			break;
	return (struct descriptor_file){ .bytes = wire_contiguous(&file),
					 .length = file.left };
}

static int
find_file(const char *name, size_t length)
{
	size_t n = descriptor_n_files();

	for (size_t i = 0; i < n; i++) {
		struct descriptor_file file = descriptor_file_get(i);
		grpc_slice slice = grpc_slice_from_static_buffer(file.bytes,
								 file.length);

		if (is_text(get(wire_read_slice(&slice), FILE_NAME), name,
			    length))
			return (int)i;
	}
	return -1;
}

int
descriptor_find_file(const char *name)
{
	return find_file(name, strlen(name));
}

/*
 * Takes the value's text and a dot off the front of *SYMBOL. False if it does
 * not begin so. What is left is "" without a dot if the name was all there was.
 */
static bool
strip(const char **symbol, struct wire_reader value)
{
	size_t length = value.left;

	if (length == 0 ||
	    strncmp(*symbol, (const char *)wire_contiguous(&value), length) !=
		    0)
		return false;
	if ((*symbol)[length] != '.' && (*symbol)[length] != '\0')
		return false;
	*symbol += length + ((*symbol)[length] == '.');
	return true;
}

/* Whether READER, an enum or a service, is called SYMBOL or has such a
 * member. */
static bool
declares_member(struct wire_reader reader, const char *symbol)
{
	struct wire_reader value;
	uint32_t field;

	if (!strip(&symbol, get(reader, NAME)))
		return false;
	if (*symbol == '\0')
		return true;
	while (next(&reader, &field, &value))
		if (field == MEMBER &&
		    is_text(get(value, NAME), symbol, strlen(symbol)))
			return true;
	return false;
}

/* The values of an enum are named beside it, not inside. */
static bool
declares_enum(struct wire_reader reader, const char *symbol)
{
	struct wire_reader value;
	uint32_t field;

	if (is_text(get(reader, NAME), symbol, strlen(symbol)))
		return true;
	while (next(&reader, &field, &value))
		if (field == MEMBER &&
		    is_text(get(value, NAME), symbol, strlen(symbol)))
			return true;
	return false;
}

/* Messages nest as deep as the .proto files do. */
static bool
declares_message(struct wire_reader reader, const char *symbol)
{
	struct wire_reader value;
	uint32_t field;

	if (!strip(&symbol, get(reader, NAME)))
		return false;
	if (*symbol == '\0')
		return true;
	while (next(&reader, &field, &value)) {
		if ((field == MESSAGE_FIELD || field == MESSAGE_ONEOF) &&
		    is_text(get(value, NAME), symbol, strlen(symbol)))
			return true;
		if (field == MESSAGE_NESTED && declares_message(value, symbol))
			return true;
		if (field == MESSAGE_ENUM && declares_enum(value, symbol))
			return true;
	}
	return false;
}

static bool
declares(struct wire_reader file, const char *symbol)
{
	struct wire_reader value;
	uint32_t field;

	if (!strip(&symbol, get(file, FILE_PACKAGE)) || *symbol == '\0')
		return false;
	while (next(&file, &field, &value)) {
		if (field == FILE_MESSAGE && declares_message(value, symbol))
			return true;
		if (field == FILE_ENUM && declares_enum(value, symbol))
			return true;
		if (field == FILE_SERVICE && declares_member(value, symbol))
			return true;
	}
	return false;
}

int
descriptor_find_symbol(const char *symbol)
{
	size_t n = descriptor_n_files();

	for (size_t i = 0; i < n; i++) {
		struct descriptor_file file = descriptor_file_get(i);
		grpc_slice slice = grpc_slice_from_static_buffer(file.bytes,
								 file.length);

		if (declares(wire_read_slice(&slice), symbol))
			return (int)i;
	}
	return -1;
}

static void
add_once(size_t *indexes, size_t *n, size_t index)
{
	for (size_t i = 0; i < *n; i++)
		if (indexes[i] == index)
			return;
	indexes[(*n)++] = index;
}

static void
add_imports(size_t *indexes, size_t *n, size_t index)
{
	struct descriptor_file file = descriptor_file_get(index);
	grpc_slice slice = grpc_slice_from_static_buffer(file.bytes,
							 file.length);
	struct wire_reader reader = wire_read_slice(&slice);
	struct wire_reader value;
	uint32_t field;

	while (next(&reader, &field, &value)) {
		int import;

		if (field != FILE_DEPENDENCY)
			continue;
		import = find_file((const char *)wire_contiguous(&value),
				   value.left);
		/* --include_imports */
		assert(import >= 0);
		add_once(indexes, n, (size_t)import);
	}
}

size_t
descriptor_closure(size_t index, size_t *indexes)
{
	size_t n = 0;

	add_once(indexes, &n, index);
	/* The list grows while it is walked. */
	for (size_t i = 0; i < n; i++)
		add_imports(indexes, &n, indexes[i]);
	return n;
}
