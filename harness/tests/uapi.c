// SPDX-License-Identifier: GPL-2.0-only
/*
 * The binary interface, as facts: what a program that was compiled against the RFC's header, or against
 * an earlier version of ours, counts on. Compiled for each ABI; nothing is run.
 */
#include <stddef.h>

#include <fdbox.h>

_Static_assert(FDBOX_NAME_LEN == 256, "names");
_Static_assert(FDBOX_KIND_LEN == 48, "kinds");

_Static_assert(FDBOX_CREATE_BOX == 0x2e00, "CREATE_BOX");
_Static_assert(FDBOX_DELETE_BOX == 0x2e01, "DELETE_BOX");
_Static_assert(FDBOX_PUT_FD == 0x2e02, "PUT_FD");
_Static_assert(FDBOX_GET_FD == 0x2e03, "GET_FD");
_Static_assert(FDBOX_SEAL == 0x2e04, "SEAL");
_Static_assert(FDBOX_UNSEAL == 0x2e05, "UNSEAL");
_Static_assert(FDBOX_LIST == 0x2e06, "LIST");
_Static_assert(FDBOX_PREPARE == 0x2e07, "PREPARE");

_Static_assert(sizeof(struct fdbox_create_box) == 264, "create_box");
_Static_assert(offsetof(struct fdbox_create_box, flags) == 0, "create_box");
_Static_assert(offsetof(struct fdbox_create_box, name) == 8, "create_box");

_Static_assert(sizeof(struct fdbox_delete_box) == 264, "delete_box");
_Static_assert(offsetof(struct fdbox_delete_box, flags) == 0, "delete_box");
_Static_assert(offsetof(struct fdbox_delete_box, name) == 8, "delete_box");

_Static_assert(sizeof(struct fdbox_put_fd) == 272, "put_fd");
_Static_assert(offsetof(struct fdbox_put_fd, flags) == 0, "put_fd");
_Static_assert(offsetof(struct fdbox_put_fd, fd) == 8, "put_fd");
_Static_assert(offsetof(struct fdbox_put_fd, pad) == 12, "put_fd");
_Static_assert(offsetof(struct fdbox_put_fd, name) == 16, "put_fd");

/* The only one whose size depends on how an ABI aligns 64 bits: the kernel reads up to the name's end. */
_Static_assert(sizeof(struct fdbox_get_fd) == 268 + 4 * (_Alignof(struct fdbox_get_fd) == 8), "get_fd");
_Static_assert(offsetof(struct fdbox_get_fd, flags) == 0, "get_fd");
_Static_assert(offsetof(struct fdbox_get_fd, pad) == 8, "get_fd");
_Static_assert(offsetof(struct fdbox_get_fd, name) == 12, "get_fd");

_Static_assert(sizeof(struct fdbox_entry) == 320, "entry");
_Static_assert(offsetof(struct fdbox_entry, name) == 0, "entry");
_Static_assert(offsetof(struct fdbox_entry, kind) == 256, "entry");
_Static_assert(offsetof(struct fdbox_entry, state) == 304, "entry");
_Static_assert(offsetof(struct fdbox_entry, error) == 308, "entry");
_Static_assert(offsetof(struct fdbox_entry, nr_fds) == 312, "entry");

_Static_assert(sizeof(struct fdbox_list) == 24, "list");
_Static_assert(offsetof(struct fdbox_list, flags) == 0, "list");
_Static_assert(offsetof(struct fdbox_list, entries) == 8, "list");
_Static_assert(offsetof(struct fdbox_list, entry_size) == 16, "list");
_Static_assert(offsetof(struct fdbox_list, count) == 20, "list");
