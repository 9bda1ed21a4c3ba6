/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The servers, in clear text. */
#include <stddef.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/nbd_server.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

static void
start_nbdkit_memory(struct server *server, enum server_transport transport,
		    const char *dir)
{
	(void)dir;
	server_start(server, transport,
		     (const char *const[]){ "nbdkit", "memory", "8M", NULL });
}

static void
start_nbdkit_file(struct server *server, enum server_transport transport,
		  const char *dir)
{
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", DISK_SIZE);

	server_start(server, transport,
		     (const char *const[]){ "nbdkit", "file", image, NULL });
}

/* A server that is never in a hurry and answers in any order. */
static void
start_nbdkit_slow(struct server *server, enum server_transport transport,
		  const char *dir)
{
	(void)dir;
	server_start(server, transport,
		     (const char *const[]){ "nbdkit", "--filter=delay",
					    "memory", "8M", "rdelay=2ms",
					    "wdelay=1ms", NULL });
}

static void
start_nbdkit_simple(struct server *server, enum server_transport transport,
		    const char *dir)
{
	(void)dir;
	server_start(server, transport,
		     (const char *const[]){ "nbdkit", "--no-sr", "memory", "8M",
					    NULL });
}

static void
start_qemu_raw(struct server *server, enum server_transport transport,
	       const char *dir)
{
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", DISK_SIZE);

	server_start(server, transport,
		     (const char *const[]){ "qemu-nbd", "-t", "-e", "16",
					    "--discard=unmap", "-f", "raw",
					    image, NULL });
}

static void
start_qemu_qcow2(struct server *server, enum server_transport transport,
		 const char *dir)
{
	CLEANUP_FREE char *image = workdir_path(dir, "disk.qcow2");

	test_require_program("qemu-img");
	if (!process_run((const char *const[]){ "qemu-img", "create", "-q",
						"-f", "qcow2", image, "8M",
						NULL }))
		test_broken("qemu-img cannot create %s", image);
	server_start(server, transport,
		     (const char *const[]){ "qemu-nbd", "-t", "-e", "16",
					    "--discard=unmap", "-f", "qcow2",
					    image, NULL });
}

/* It does not speak TCP on a port of the kernel's choice. */
static void
start_nbd_server(struct server *server, enum server_transport transport,
		 const char *dir)
{
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", DISK_SIZE);

	(void)transport;
	nbd_server_start(server, image, "flush = true\nfua = true\n");
}

/* clang-format off */
const struct target targets[] = {
	{ "nbdkit-memory", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_MULTI | CAN_SHRED |
		  CAN_FUA | CAN_LIST,
	  start_nbdkit_memory },
	{ "nbdkit-file", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_MULTI | CAN_SHRED |
		  CAN_FUA | CAN_LIST,
	  start_nbdkit_file },
	{ "nbdkit-slow", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_MULTI | CAN_SHRED |
		  CAN_FUA | CAN_LIST,
	  start_nbdkit_slow },
	{ "nbdkit-simple", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MULTI | CAN_FUA | CAN_LIST,
	  start_nbdkit_simple },
	{ "qemu-raw", "qemu-nbd", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_SHRED | CAN_FUA |
		  CAN_LIST,
	  start_qemu_raw },
	{ "qemu-qcow2", "qemu-nbd", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_SHRED | CAN_FUA |
		  CAN_LIST,
	  start_qemu_qcow2 },
	{ "nbd-server", "nbd-server", "disk",
	  CAN_FUA | CAN_LIST,
	  start_nbd_server, .is_unix_only = true },
	{ .name = NULL },
};
/* clang-format on */
