/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the parsers of this folder answer. They record no errors and allocate
 * nothing; the caller knows what the bytes were for.
 */
#pragma once

enum wire_result {
	WIRE_OK,
	WIRE_SHORT,   /* more bytes are needed to tell */
	WIRE_INVALID, /* no correct peer sends this */
};
