/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What server reflection serves: the FileDescriptorProto of each .proto file,
 * as protoc wrote it at build time, found by file name or by symbol. Constant
 * data; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct descriptor_file {
	/* Serialized FileDescriptorProto. */
	const uint8_t *bytes;
	size_t length;
};

/* The files there are; descriptor_file_get() takes 0 to this less one. */
size_t descriptor_n_files(void);
struct descriptor_file descriptor_file_get(size_t index);

/* The index of the file called NAME ("nbdclientd/v1/io.proto"), or -1. */
int descriptor_find_file(const char *name);

/*
 * The index of the file that declares SYMBOL, a full name without leading dot:
 * a service, method, message, field, enum or enum value; or -1.
 */
int descriptor_find_symbol(const char *symbol);

/*
 * Puts into INDEXES, room for descriptor_n_files(), the file INDEX first and
 * then every file that it imports, directly or not, each once. The number of
 * them.
 */
size_t descriptor_closure(size_t index, size_t *indexes);
