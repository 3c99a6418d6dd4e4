// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of fds that can be put into a box.
 */
#include <linux/fs.h>
#include <linux/rculist.h>
#include <linux/srcu.h>

#include "fdbox.h"

/* Who only looks takes no lock: a handler can take long to say whether a file is of its kind. */
static DEFINE_MUTEX(handlers_lock);
static LIST_HEAD(handlers);
DEFINE_STATIC_SRCU(handlers_srcu);

/**
 * fdbox_handler_get - find the handler of a file by what the file is
 * @file: the file
 *
 * Return: the handler, for fdbox_handler_put(), or NULL.
 */
struct fdbox_handler *fdbox_handler_get(struct file *file)
{
	struct fdbox_handler *handler, *found = NULL;
	int index;

	/* Without the right to do anything with the file there is nothing to keep. */
	if (file->f_mode & FMODE_PATH)
		return NULL;

	index = srcu_read_lock(&handlers_srcu);
	list_for_each_entry_srcu(handler, &handlers, link,
				 srcu_read_lock_held(&handlers_srcu)) {
		if (handler->ops->can_preserve(handler, file) &&
		    try_module_get(handler->ops->owner)) {
			found = handler;
			break;
		}
	}
	srcu_read_unlock(&handlers_srcu, index);
	return found;
}

/**
 * fdbox_handler_get_kind - find the handler of a kind by its name
 * @kind: the name
 *
 * Return: the handler, for fdbox_handler_put(), or NULL.
 */
struct fdbox_handler *fdbox_handler_get_kind(const char *kind)
{
	struct fdbox_handler *handler, *found = NULL;

	mutex_lock(&handlers_lock);
	list_for_each_entry(handler, &handlers, link) {
		if (!strcmp(handler->compatible, kind)) {
			if (try_module_get(handler->ops->owner))
				found = handler;
			break;
		}
	}
	mutex_unlock(&handlers_lock);
	return found;
}

/**
 * fdbox_handler_put - let go of a handler
 * @handler: from fdbox_handler_get()
 */
void fdbox_handler_put(struct fdbox_handler *handler)
{
	module_put(handler->ops->owner);
}

/**
 * fdbox_register_handler - add a kind of fd
 * @handler: the handler; stays the caller's, and must not change
 *
 * Fds of this kind that wait since the boxes arrived are retrieved before this
 * returns, unless they come after one in the same box that waits for another
 * handler. They pin the module, so in its init function this is the last thing
 * that can fail.
 *
 * Return: 0, or -EEXIST when there is one of that name.
 */
int fdbox_register_handler(struct fdbox_handler *handler)
{
	struct fdbox_handler *other;

	mutex_lock(&handlers_lock);
	list_for_each_entry(other, &handlers, link) {
		if (!strcmp(other->compatible, handler->compatible)) {
			mutex_unlock(&handlers_lock);
			return -EEXIST;
		}
	}
	list_add_tail_rcu(&handler->link, &handlers);
	mutex_unlock(&handlers_lock);

	fdbox_arrive_more();
	return 0;
}
EXPORT_SYMBOL_GPL(fdbox_register_handler);

/**
 * fdbox_unregister_handler - undo fdbox_register_handler()
 * @handler: the handler; no fd of its kind is in a box, or its module would
 *	still be pinned
 */
void fdbox_unregister_handler(struct fdbox_handler *handler)
{
	mutex_lock(&handlers_lock);
	list_del_rcu(&handler->link);
	mutex_unlock(&handlers_lock);
	synchronize_srcu(&handlers_srcu);
}
EXPORT_SYMBOL_GPL(fdbox_unregister_handler);

/**
 * fdbox_next_luo_handler - go through the kinds that LUO can carry as well
 * @handler: the one before, still referenced; NULL for the first
 *
 * Return: the handler, for fdbox_handler_put() or module_put() of its owner, or
 * NULL when there are no more.
 */
struct fdbox_handler *fdbox_next_luo_handler(struct fdbox_handler *handler)
{
	struct fdbox_handler *found = NULL;

	mutex_lock(&handlers_lock);
	handler = list_prepare_entry(handler, &handlers, link);
	list_for_each_entry_continue(handler, &handlers, link) {
		if (handler->luo && try_module_get(handler->ops->owner)) {
			found = handler;
			break;
		}
	}
	mutex_unlock(&handlers_lock);
	return found;
}
EXPORT_SYMBOL_GPL(fdbox_next_luo_handler);
