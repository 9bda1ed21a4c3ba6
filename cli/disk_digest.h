/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk that keeps nothing but a checksum of what is written to it, from the
 * first byte to the last, zeroes included. A transfer to it is a checksum.
 */
#pragma once

struct disk;
struct options;

/* ALGORITHM is a name that gnutls knows, such as "sha256". EXIT_OK, or the code
 * of a recorded failure. */
int disk_open_digest(const struct options *options, const char *algorithm,
		     struct disk **disk);

/* The checksum of all that was written, in hexadecimal digits, which are the
 * disk's; NULL with a recorded failure. Nothing may be written afterwards. */
const char *disk_digest_finish(struct disk *disk);
