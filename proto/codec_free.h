/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How received messages end, for code that sees no gRPC. */
#pragma once

/* Frees a message from codec_decode() or a client call. NULL is allowed. */
void codec_message_free(void *message);

void codec_cleanup_message(void *pointer_to_message);
#define CLEANUP_MESSAGE __attribute__((cleanup(codec_cleanup_message)))
