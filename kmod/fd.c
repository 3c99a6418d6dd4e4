// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving an fd from a process into a box, and from a box into a process.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/stringhash.h>

#include "fdbox.h"

/**
 * fdbox_check_fd_name - can an fd have this name?
 * @name: FDBOX_NAME_LEN bytes
 *
 * Return: 0 or -EINVAL.
 */
int fdbox_check_fd_name(const char *name)
{
	size_t length = strnlen(name, FDBOX_NAME_LEN);

	return length && length < FDBOX_NAME_LEN ? 0 : -EINVAL;
}

static u32 hash_name(const char *name)
{
	return full_name_hash(NULL, name, strlen(name));
}

/**
 * fdbox_fd_find - find an fd in a box
 * @box: the box, locked
 * @name: the fd's name
 *
 * Return: the fd or NULL.
 */
struct fdbox_fd *fdbox_fd_find(struct fdbox *box, const char *name)
{
	struct fdbox_fd *fd;

	hash_for_each_possible(box->names, fd, by_name, hash_name(name)) {
		if (!strcmp(fd->name, name))
			return fd;
	}
	return NULL;
}

/**
 * fdbox_fd_add - add an fd to a box, behind those that it has
 * @box: the box, locked, without an fd of that name
 * @fd: the fd
 */
void fdbox_fd_add(struct fdbox *box, struct fdbox_fd *fd)
{
	list_add_tail(&fd->link, &box->fds);
	WRITE_ONCE(box->nr_fds, box->nr_fds + 1);
	hash_add(box->names, &fd->by_name, hash_name(fd->name));
}

/**
 * fdbox_fd_del - take an fd out of its box
 * @fd: the fd; its box is locked, or nobody else has it
 */
void fdbox_fd_del(struct fdbox_fd *fd)
{
	struct fdbox *box = fd->args.context;

	list_del(&fd->link);
	WRITE_ONCE(box->nr_fds, box->nr_fds - 1);
	hash_del(&fd->by_name);
}

/**
 * fdbox_fd_alloc - an fd without a file, not in its box yet
 * @box: the box that it will be in
 * @name: its name, checked
 * @gfp: how to allocate it
 *
 * Return: the fd, for kfree(), or NULL.
 */
struct fdbox_fd *fdbox_fd_alloc(struct fdbox *box, const char *name, gfp_t gfp)
{
	struct fdbox_fd *fd = kzalloc_obj(*fd, gfp);

	if (!fd)
		return NULL;
	fd->args.carrier = &fdbox_box_carrier;
	fd->args.context = box;
	strscpy(fd->name, name, sizeof(fd->name));
	return fd;
}

/*
 * Take @file out of slot @number of the caller's table, if it is still there.
 *
 * The test and the taking are one step under the table's lock, so that it can
 * never be another file that is taken. In between, the slot is what it is
 * between get_unused_fd_flags() and fd_install(): reserved and empty, which
 * everybody who shares the table knows to leave alone.
 */
static int detach_fd(unsigned int number, struct file *file)
{
	struct files_struct *files = current->files;
	struct fdtable *fdt;

	spin_lock(&files->file_lock);
	if (files_lookup_fd_locked(files, number) != file) {
		spin_unlock(&files->file_lock);
		return -EBADF;
	}
	fdt = files_fdtable(files);
	rcu_assign_pointer(fdt->fd[number], NULL);
	spin_unlock(&files->file_lock);

	put_unused_fd(number);
	/* For the table that was a close(); its reference goes. */
	filp_close(file, files);
	return 0;
}

static int put_file(struct fdbox *box, unsigned int number, struct fdbox_fd *fd,
		    struct file *file)
{
	struct fdbox_handler *handler;
	int err;

	handler = fdbox_handler_get(file);
	if (!handler)
		return -EOPNOTSUPP;

	err = fdbox_fd_claim(fd, handler, file);
	if (err) {
		fdbox_handler_put(handler);
		return err;
	}

	err = detach_fd(number, file);
	if (err) {
		fdbox_fd_disown(fd);
		return err;
	}
	fdbox_fd_add(box, fd);
	return 0;
}

/**
 * fdbox_put_fd - move an fd from the caller into a box
 * @box: the box, locked
 * @number: of the fd in the caller
 * @name: for the fd in the box, checked
 *
 * Return: 0; -EBUSY when the box is sealed, or what the fd stands for is in a
 * box already; -EEXIST for a name that is taken; -EBADF; -EOPNOTSUPP for a kind
 * that nobody handles; -ENOMEM. On failure the fd stays where it is.
 */
int fdbox_put_fd(struct fdbox *box, unsigned int number, const char *name)
{
	struct fdbox_fd *fd;
	struct file *file;
	int err;

	if (box->sealed)
		return -EBUSY;
	if (fdbox_fd_find(box, name))
		return -EEXIST;

	file = fget_raw(number);
	if (!file)
		return -EBADF;

	fd = fdbox_fd_alloc(box, name, GFP_KERNEL);
	err = fd ? put_file(box, number, fd, file) : -ENOMEM;
	if (err) {
		kfree(fd);
		fput(file);
	}
	return err;
}

/**
 * fdbox_get_fd - move an fd from a box into the caller
 * @box: the box, locked
 * @name: of the fd in the box
 *
 * Return: its number in the caller; -ENOENT; -ENOPKG when its handler is not
 * there yet; -EBUSY when the box is sealed; -EIO when it could not be restored;
 * -EMFILE or -ENOMEM. On failure the fd stays in the box.
 */
int fdbox_get_fd(struct fdbox *box, const char *name)
{
	struct fdbox_fd *fd = fdbox_fd_find(box, name);
	int number;

	if (fd && fdbox_fd_pending(fd))
		return -ENOPKG;
	if (box->sealed)
		return -EBUSY;
	if (!fd)
		return -ENOENT;
	if (!fd->args.file)
		return -EIO;

	number = get_unused_fd_flags(0);
	if (number < 0)
		return number;

	fdbox_fd_del(fd);
	fd_install(number, fdbox_fd_disown(fd));
	kfree(fd);
	return number;
}
