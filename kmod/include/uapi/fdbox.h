/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * FDBox: named boxes of named file descriptors, carried through a kexec.
 *
 * Numbers 0 to 5 and their structures are binary-compatible with the header of
 * the FDBox RFC. What is new comes after them.
 */
#ifndef _UAPI_LINUX_FDBOX_H
#define _UAPI_LINUX_FDBOX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Room for the name of a box or of an fd in it, with its NUL. */
#define FDBOX_NAME_LEN		256

/* Room for the name of a kind of fd ("memfd-v1"), with its NUL. */
#define FDBOX_KIND_LEN		48

#define FDBOX_TYPE		('.')
#define FDBOX_BASE		0

/* On the control device, /dev/fdbox/fdbox: */

/* Make an empty box. Its device is there when this returns. */
#define FDBOX_CREATE_BOX	_IO(FDBOX_TYPE, FDBOX_BASE + 0)
struct fdbox_create_box {
	__u64 flags;			/* must be 0 */
	__u8 name[FDBOX_NAME_LEN];
};

/* Delete a box, sealed or not, and let go of every fd in it. */
#define FDBOX_DELETE_BOX	_IO(FDBOX_TYPE, FDBOX_BASE + 1)
struct fdbox_delete_box {
	__u64 flags;			/* must be 0 */
	__u8 name[FDBOX_NAME_LEN];
};

/* On a box, /dev/fdbox/<name>: */

/* Move an fd of the caller into the box. */
#define FDBOX_PUT_FD		_IO(FDBOX_TYPE, FDBOX_BASE + 2)
struct fdbox_put_fd {
	__u64 flags;			/* must be 0 */
	__u32 fd;
	__u32 pad;			/* must be 0 */
	__u8 name[FDBOX_NAME_LEN];
};

/* Move an fd out of the box. Returns its number in the caller. */
#define FDBOX_GET_FD		_IO(FDBOX_TYPE, FDBOX_BASE + 3)
struct fdbox_get_fd {
	__u64 flags;			/* must be 0 */
	__u32 pad;			/* must be 0 */
	__u8 name[FDBOX_NAME_LEN];
};

/* Close the box: from now on it cannot be changed, and the next kexec carries it. */
#define FDBOX_SEAL		_IO(FDBOX_TYPE, FDBOX_BASE + 4)

/* Open the box again. */
#define FDBOX_UNSEAL		_IO(FDBOX_TYPE, FDBOX_BASE + 5)

/* On both: list what is in it. Argument: struct fdbox_list. */
#define FDBOX_LIST		_IO(FDBOX_TYPE, FDBOX_BASE + 6)

/*
 * On a box: do now, while the files in it are still in use, what SEAL would take
 * long for.
 */
#define FDBOX_PREPARE		_IO(FDBOX_TYPE, FDBOX_BASE + 7)

/* State of a box: a set of these. */
#define FDBOX_BOX_SEALED	0x1	/* closed */
#define FDBOX_BOX_CARRIED	0x2	/* a kexec now would carry it */

/* State of an fd: one of these. */
#define FDBOX_FD_HELD		0	/* GET_FD can have it */
#define FDBOX_FD_PENDING	1	/* arrived; nothing here knows its kind yet */
#define FDBOX_FD_LOST		2	/* arrived, and could not be restored */
#define FDBOX_FD_PREPARED	3	/* held, and SEAL will be short */

/**
 * struct fdbox_entry - one box, or one fd of a box
 * @name: its name
 * @kind: "box", or the kind of fd
 * @state: FDBOX_BOX_* or FDBOX_FD_*
 * @error: for an fd, the positive errno with which it refused the last attempt
 *	to seal its box or with which its restoring failed; otherwise 0
 * @nr_fds: for a box, how many fds are in it; otherwise 0
 */
struct fdbox_entry {
	__u8 name[FDBOX_NAME_LEN];
	__u8 kind[FDBOX_KIND_LEN];
	__u32 state;
	__u32 error;
	__u64 nr_fds;
};

/**
 * struct fdbox_list - argument of FDBOX_LIST
 * @flags: must be 0
 * @entries: address of an array of struct fdbox_entry
 * @entry_size: in, size of one element of it
 * @count: in, how many elements there is room for; out, how many there are
 *
 * Boxes come in no particular order, fds in the order in which they were put.
 * With too little room the first ones are stored; call again with more.
 */
struct fdbox_list {
	__u64 flags;
	__u64 entries;
	__u32 entry_size;
	__u32 count;
};

#endif /* _UAPI_LINUX_FDBOX_H */
