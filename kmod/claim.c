// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose is a file: which fd of which box has what the file stands for. From
 * that follows what fds can say about each other.
 *
 * An fd depends only on fds that were put into the same box before it, and the
 * fds of a box arrive in the order of putting. So there are no cycles, and every
 * dependency is settled, held or lost, before the fd that has it.
 */
#include <linux/file.h>
#include <linux/fs.h>

#include "fdbox.h"

/* What the files in all boxes stand for: handler's id -> struct fdbox_fd. */
static DEFINE_XARRAY(claimed_ids);

/**
 * fdbox_fd_claim - give an fd its file
 * @fd: from fdbox_fd_alloc()
 * @handler: a referenced handler; the reference becomes the fd's
 * @file: a referenced file; the reference becomes the fd's
 *
 * Return: 0; -EBUSY when the same thing is in a box already; -ENOMEM. On
 * failure both references stay the caller's.
 */
int fdbox_fd_claim(struct fdbox_fd *fd, struct fdbox_handler *handler, struct file *file)
{
	int err;

	err = xa_insert(&claimed_ids, handler->ops->get_id(file), fd, GFP_KERNEL);
	if (err)
		return err;

	strscpy(fd->kind, handler->compatible, sizeof(fd->kind));
	fd->args.handler = handler;
	fd->args.file = file;
	return 0;
}

/**
 * fdbox_fd_disown - take an fd's file from it
 * @fd: the fd; not preserved
 *
 * Return: the file, with the fd's reference, or NULL when it has none.
 */
struct file *fdbox_fd_disown(struct fdbox_fd *fd)
{
	struct fdbox_handler *handler = fd->args.handler;
	struct file *file = fd->args.file;

	if (!file)
		return NULL;

	fdbox_unprepare_fd(fd);
	xa_erase(&claimed_ids, handler->ops->get_id(file));
	fd->args.file = NULL;
	fd->args.handler = NULL;
	fdbox_handler_put(handler);
	return file;
}

/**
 * fdbox_number_fds - count the fds of a box through
 * @box: the box, locked
 *
 * From now on, and for as long as the box does not change, an fd's number is the
 * token that others of the box have for it.
 *
 * Return: how many there are.
 */
u64 fdbox_number_fds(struct fdbox *box)
{
	struct fdbox_fd *fd;
	u64 nr = 0;

	list_for_each_entry(fd, &box->fds, link)
		fd->number = nr++;
	return nr;
}

static int box_token_outgoing(struct fdbox_file_args *args, unsigned long id, u64 *token)
{
	struct fdbox_fd *fd = container_of(args, struct fdbox_fd, args), *other;
	int err = -ENOLINK;

	/* The lock keeps an fd of another box alive; one of this box stays anyway. */
	xa_lock(&claimed_ids);
	other = xa_load(&claimed_ids, id);
	if (other && other->args.context == args->context && other->number < fd->number) {
		*token = other->number;
		err = 0;
	}
	xa_unlock(&claimed_ids);
	return err;
}

static int box_file_incoming(struct fdbox_file_args *args, u64 token, struct file **file)
{
	struct fdbox_fd *fd = container_of(args, struct fdbox_fd, args);
	struct fdbox *box = args->context;

	list_for_each_entry_continue_reverse(fd, &box->fds, link) {
		if (fd->number != token)
			continue;
		if (!fd->args.file)
			return -EIO;
		*file = get_file(fd->args.file);
		return 0;
	}
	return -ENOENT;
}

const struct fdbox_carrier fdbox_box_carrier = {
	.token_outgoing	= box_token_outgoing,
	.file_incoming	= box_file_incoming,
};

/**
 * fdbox_token_outgoing - a name for another fd, for the next kernel
 * @args: the fd that is to be frozen; called from its freeze()
 * @id: what get_id() says of the file of the other one
 * @token: where to store the name
 *
 * The other one has to travel in the same box, and was put there before this
 * one.
 *
 * Return: 0, or -ENOLINK where that is not so.
 */
int fdbox_token_outgoing(struct fdbox_file_args *args, unsigned long id, u64 *token)
{
	return args->carrier->token_outgoing(args, id, token);
}
EXPORT_SYMBOL_GPL(fdbox_token_outgoing);

/**
 * fdbox_file_incoming - the fd that has a name from the kernel before this one
 * @args: the fd that asks; called from its retrieve(), can_finish() or finish()
 * @token: the name, from fdbox_token_outgoing()
 * @file: where to store the file, with a reference for fput()
 *
 * A token out of a blob can be wrong, and so can be what it names: the caller
 * checks that the file is of the kind that it expects.
 *
 * Return: 0; -ENOENT when the box has no such fd before this one; -EIO when it
 * was lost, and then the one that asks is lost too.
 */
int fdbox_file_incoming(struct fdbox_file_args *args, u64 token, struct file **file)
{
	return args->carrier->file_incoming(args, token, file);
}
EXPORT_SYMBOL_GPL(fdbox_file_incoming);
