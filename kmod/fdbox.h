/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of fdbox.ko.
 *
 * Locks: a box's lock or fdbox_boxes_lock, never both, since what is done with one
 * box can take as long as its handlers like; within them those private to one file
 * (handlers, directory, pending fds).
 */
#ifndef _FDBOX_H
#define _FDBOX_H

#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include <fdbox_handler.h>

/**
 * struct fdbox_fd - an fd in a box
 * @link: in the box's list, in the order of putting
 * @by_name: in the box's table
 * @pending: in the list of those that wait for their handler
 * @args: the file and its handler. No file: pending, or lost
 * @number: its place in the box, from fdbox_number_fds()
 * @prepared: its handler's prepare() was done, and not undone or taken over
 * @seal_error: negative errno with which it refused the last attempt to seal
 * @name: unique in the box
 * @kind: which handler it needs
 */
struct fdbox_fd {
	struct list_head link;
	struct hlist_node by_name;
	struct list_head pending;
	struct fdbox_file_args args;
	u64 number;
	bool prepared;
	int seal_error;
	char name[FDBOX_NAME_LEN];
	char kind[FDBOX_KIND_LEN];
};

/**
 * struct fdbox - a box
 * @dev: its device. Has the only reference count, and the name
 * @lock: protects what follows, and everything in @fds. LIST reads without it: a
 *	request can hold it for long
 * @fds: list of struct fdbox_fd
 * @names: the same, by name
 * @nr_fds: how many
 * @sealed: nothing may be put in or taken out
 * @deleted: only open files are left of it
 * @blob: its serialised form; NULL while a kexec would not carry the box
 * @carried: in the directory, under the directory's lock
 */
struct fdbox {
	struct device dev;
	struct mutex lock;	/* what follows, and all of @fds */
	struct list_head fds;
	DECLARE_HASHTABLE(names, 8);
	size_t nr_fds;
	bool sealed;
	bool deleted;
	struct fdbox_blob_head *blob;
	struct list_head carried;
};

/* box.c */
extern struct mutex fdbox_boxes_lock;
extern struct xarray fdbox_boxes;	/* by minor number */

int fdbox_check_box_name(const char *name);
struct fdbox *fdbox_box_alloc(const char *name);
struct fdbox *fdbox_box_next(struct fdbox *box);
int fdbox_box_add(struct fdbox *box);
void fdbox_box_destroy(struct fdbox *box);
int fdbox_box_delete(const char *name);
int fdbox_box_init(void);
void fdbox_box_exit(void);

/* boxdev.c */
extern const struct file_operations fdbox_box_fops;

/* control.c */
int fdbox_control_init(void);
void fdbox_control_exit(void);

/* claim.c */
extern const struct fdbox_carrier fdbox_box_carrier;

int fdbox_fd_claim(struct fdbox_fd *fd, struct fdbox_handler *handler, struct file *file);
struct file *fdbox_fd_disown(struct fdbox_fd *fd);
u64 fdbox_number_fds(struct fdbox *box);

/* fd.c */
int fdbox_check_fd_name(const char *name);
struct fdbox_fd *fdbox_fd_find(struct fdbox *box, const char *name);
struct fdbox_fd *fdbox_fd_alloc(struct fdbox *box, const char *name, gfp_t gfp);
void fdbox_fd_add(struct fdbox *box, struct fdbox_fd *fd);
void fdbox_fd_del(struct fdbox_fd *fd);
int fdbox_put_fd(struct fdbox *box, unsigned int number, const char *name);
int fdbox_get_fd(struct fdbox *box, const char *name);

/**
 * fdbox_fd_pending - has the fd arrived, and waits for its handler?
 * @fd: the fd
 *
 * Return: whether it does.
 */
static inline bool fdbox_fd_pending(const struct fdbox_fd *fd)
{
	return !fd->args.file && !fd->args.retrieve_status;
}

/* prepare.c */
bool fdbox_leaving(void);
int fdbox_prepare(struct fdbox *box);
void fdbox_unprepare(struct fdbox *box);
void fdbox_unprepare_fd(struct fdbox_fd *fd);
int fdbox_prepare_init(void);
void fdbox_prepare_exit(void);

/* seal.c */
int fdbox_seal(struct fdbox *box);
int fdbox_unseal(struct fdbox *box);
int fdbox_serialise(struct fdbox *box);
void fdbox_unserialise(struct fdbox *box);
bool fdbox_has_pending(struct fdbox *box);

/* list.c */
int fdbox_list_boxes(struct fdbox_list __user *arg);
int fdbox_list_fds(struct fdbox *box, struct fdbox_list __user *arg);

/* handler.c */
struct fdbox_handler *fdbox_handler_get(struct file *file);
struct fdbox_handler *fdbox_handler_get_kind(const char *kind);
void fdbox_handler_put(struct fdbox_handler *handler);

/* arrive.c */
void fdbox_arrive(void);
void fdbox_arrive_more(void);

/* directory.c */
int fdbox_directory_add(struct fdbox *box);
void fdbox_directory_del(struct fdbox *box);
int fdbox_directory_init(void);
void fdbox_directory_exit(void);

/*
 * The serialised form. Native byte order: a kexec does not change it.
 *
 * KHO's subtree "fdbox" is a struct fdbox_root. It has the address of a blob,
 * the directory: a count, and the addresses of that many more blobs, one for
 * each box: a struct fdbox_ser_box and an array of struct fdbox_ser_fd.
 */
#define FDBOX_SUBTREE		"fdbox"
#define FDBOX_VERSION		1
#define FDBOX_ROOT_MAGIC	0x52444246	/* "FBDR" */
#define FDBOX_DIRECTORY_MAGIC	0x44444246	/* "FBDD" */
#define FDBOX_BOX_MAGIC		0x42444246	/* "FBDB" */

struct fdbox_root {
	u32 magic;
	u32 version;
	u64 directory;
};

struct fdbox_ser_box {
	u8 name[FDBOX_NAME_LEN];
	u64 nr_fds;
};

struct fdbox_ser_fd {
	u8 name[FDBOX_NAME_LEN];
	u8 kind[FDBOX_KIND_LEN];
	u64 data;
};

bool fdbox_page_carried(phys_addr_t phys);

#endif /* _FDBOX_H */
