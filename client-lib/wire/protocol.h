/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The constants of the NBD protocol under the names its specification gives
 * them, and the limits this client sets for itself. Numbers only: layouts are
 * in the parsers beside this file.
 */
#pragma once

#include <stdint.h>

/* Magic numbers. */
#define NBD_MAGIC                  UINT64_C(0x4e42444d41474943)
#define NBD_OLDSTYLE_MAGIC         UINT64_C(0x0000420281861253)
#define NBD_IHAVEOPT               UINT64_C(0x49484156454f5054)
#define NBD_REP_MAGIC              UINT64_C(0x0003e889045565a9)
#define NBD_REQUEST_MAGIC          UINT32_C(0x25609513)
#define NBD_SIMPLE_REPLY_MAGIC     UINT32_C(0x67446698)
#define NBD_STRUCTURED_REPLY_MAGIC UINT32_C(0x668e33ef)
#define NBD_EXTENDED_REQUEST_MAGIC UINT32_C(0x21e41c71)
#define NBD_EXTENDED_REPLY_MAGIC   UINT32_C(0x6e8a278c)

/* Handshake flags; the client flags have the same bits. */
#define NBD_FLAG_FIXED_NEWSTYLE 0x0001
#define NBD_FLAG_NO_ZEROES      0x0002

/* Transmission flags. */
#define NBD_FLAG_HAS_FLAGS            0x0001
#define NBD_FLAG_READ_ONLY            0x0002
#define NBD_FLAG_SEND_FLUSH           0x0004
#define NBD_FLAG_SEND_FUA             0x0008
#define NBD_FLAG_ROTATIONAL           0x0010
#define NBD_FLAG_SEND_TRIM            0x0020
#define NBD_FLAG_SEND_WRITE_ZEROES    0x0040
#define NBD_FLAG_SEND_DF              0x0080
#define NBD_FLAG_CAN_MULTI_CONN       0x0100
#define NBD_FLAG_SEND_RESIZE          0x0200
#define NBD_FLAG_SEND_CACHE           0x0400
#define NBD_FLAG_SEND_FAST_ZERO       0x0800
#define NBD_FLAG_BLOCK_STATUS_PAYLOAD 0x1000

/* Options. */
#define NBD_OPT_EXPORT_NAME       1
#define NBD_OPT_ABORT             2
#define NBD_OPT_LIST              3
#define NBD_OPT_STARTTLS          5
#define NBD_OPT_INFO              6
#define NBD_OPT_GO                7
#define NBD_OPT_STRUCTURED_REPLY  8
#define NBD_OPT_LIST_META_CONTEXT 9
#define NBD_OPT_SET_META_CONTEXT  10
#define NBD_OPT_EXTENDED_HEADERS  11

/* Option replies. */
#define NBD_REP_ACK                 1
#define NBD_REP_SERVER              2
#define NBD_REP_INFO                3
#define NBD_REP_META_CONTEXT        4
#define NBD_REP_FLAG_ERROR          UINT32_C(0x80000000)
#define NBD_REP_ERR_UNSUP           UINT32_C(0x80000001)
#define NBD_REP_ERR_POLICY          UINT32_C(0x80000002)
#define NBD_REP_ERR_INVALID         UINT32_C(0x80000003)
#define NBD_REP_ERR_PLATFORM        UINT32_C(0x80000004)
#define NBD_REP_ERR_TLS_REQD        UINT32_C(0x80000005)
#define NBD_REP_ERR_UNKNOWN         UINT32_C(0x80000006)
#define NBD_REP_ERR_SHUTDOWN        UINT32_C(0x80000007)
#define NBD_REP_ERR_BLOCK_SIZE_REQD UINT32_C(0x80000008)
#define NBD_REP_ERR_TOO_BIG         UINT32_C(0x80000009)
#define NBD_REP_ERR_EXT_HEADER_REQD UINT32_C(0x8000000a)

/* Information types of NBD_REP_INFO. */
#define NBD_INFO_EXPORT      0
#define NBD_INFO_NAME        1
#define NBD_INFO_DESCRIPTION 2
#define NBD_INFO_BLOCK_SIZE  3

/* Commands. */
#define NBD_CMD_READ         0
#define NBD_CMD_WRITE        1
#define NBD_CMD_DISC         2
#define NBD_CMD_FLUSH        3
#define NBD_CMD_TRIM         4
#define NBD_CMD_CACHE        5
#define NBD_CMD_WRITE_ZEROES 6
#define NBD_CMD_BLOCK_STATUS 7

/* Command flags. */
#define NBD_CMD_FLAG_FUA         0x0001
#define NBD_CMD_FLAG_NO_HOLE     0x0002
#define NBD_CMD_FLAG_DF          0x0004
#define NBD_CMD_FLAG_REQ_ONE     0x0008
#define NBD_CMD_FLAG_FAST_ZERO   0x0010
#define NBD_CMD_FLAG_PAYLOAD_LEN 0x0020

/* Reply chunks. */
#define NBD_REPLY_FLAG_DONE             0x0001
#define NBD_REPLY_FLAG_ERROR_TYPE       0x8000
#define NBD_REPLY_TYPE_NONE             0
#define NBD_REPLY_TYPE_OFFSET_DATA      1
#define NBD_REPLY_TYPE_OFFSET_HOLE      2
#define NBD_REPLY_TYPE_BLOCK_STATUS     5
#define NBD_REPLY_TYPE_BLOCK_STATUS_EXT 6
#define NBD_REPLY_TYPE_ERROR            0x8001
#define NBD_REPLY_TYPE_ERROR_OFFSET     0x8002

/* Sizes of messages and their fixed parts. */
#define NBD_GREETING_SIZE          16
#define NBD_OLDSTYLE_REST_SIZE     (8 + 4 + 124)
#define NBD_OPTION_HEADER_SIZE     16
#define NBD_OPTION_REPLY_SIZE      20
#define NBD_EXPORT_NAME_REPLY_SIZE 10
#define NBD_EXPORT_NAME_ZEROES     124
#define NBD_REQUEST_SIZE           28
#define NBD_EXTENDED_REQUEST_SIZE  32
#define NBD_SIMPLE_REPLY_SIZE      16
#define NBD_STRUCTURED_REPLY_SIZE  20
#define NBD_EXTENDED_REPLY_SIZE    32

/* Limits of the specification. */
#define NBD_MAX_STRING      4096
#define NBD_DEFAULT_PAYLOAD (UINT32_C(32) << 20)
#define NBD_MAX_EXTENTS     (UINT32_C(1) << 20)

/* Limits of ours: nothing longer is read, sent or allocated. */
#define NBD_MAX_REQUEST (UINT32_C(64) << 20)
