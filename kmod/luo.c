// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Live Update Orchestrator as a carrier: kinds of fds that FDBox knows, for
 * sessions of /dev/liveupdate.
 *
 * A LUO handler for each kind that says it can be one (struct fdbox_handler,
 * @luo), with the same operations: what differs is who keeps the file and who
 * knows the others. Load this module after those of the handlers; it pins them.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <fdbox_handler.h>

static_assert(FDBOX_KIND_LEN == LIVEUPDATE_HNDL_COMPAT_LENGTH);

/**
 * struct luo_kind - a kind of fd, registered with LUO
 * @luo: LUO's handler
 * @ops: its operations: luo_ops, and what identifies a file
 * @fdbox: FDBox's handler
 * @link: in kinds, the last one registered first
 */
struct luo_kind {
	struct liveupdate_file_handler luo;
	struct liveupdate_file_ops ops;
	struct fdbox_handler *fdbox;
	struct list_head link;
};

/* Changes only while the module is loaded or unloaded. */
static LIST_HEAD(kinds);

static int luo_token_outgoing(struct fdbox_file_args *args, unsigned long id, u64 *token)
{
	return liveupdate_get_token_outgoing(args->context, id, token) ? -ENOLINK : 0;
}

static int luo_file_incoming(struct fdbox_file_args *args, u64 token, struct file **file)
{
	int err = liveupdate_get_file_incoming(args->context, token, file);

	return err && err != -ENOENT ? -EIO : err;
}

static const struct fdbox_carrier luo_carrier = {
	.token_outgoing	= luo_token_outgoing,
	.file_incoming	= luo_file_incoming,
};

static struct fdbox_handler *fdbox_of(struct liveupdate_file_handler *luo)
{
	return container_of(luo, struct luo_kind, luo)->fdbox;
}

static struct fdbox_file_args args_of(struct liveupdate_file_op_args *luo)
{
	return (struct fdbox_file_args) {
		.handler = fdbox_of(luo->handler),
		.retrieve_status = luo->retrieve_status,
		.file = luo->file,
		.serialized_data = luo->serialized_data,
		.private_data = luo->private_data,
		.carrier = &luo_carrier,
		.context = luo,
	};
}

static bool luo_can_preserve(struct liveupdate_file_handler *luo, struct file *file)
{
	struct fdbox_handler *handler = fdbox_of(luo);

	return handler->ops->can_preserve(handler, file);
}

static int luo_preserve(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);
	int err;

	err = args.handler->ops->preserve(&args);
	luo->serialized_data = args.serialized_data;
	luo->private_data = args.private_data;
	return err;
}

static void luo_unpreserve(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);

	args.handler->ops->unpreserve(&args);
}

static int luo_freeze(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);
	int err;

	if (!args.handler->ops->freeze)
		return 0;

	err = args.handler->ops->freeze(&args);
	luo->serialized_data = args.serialized_data;
	return err;
}

static void luo_unfreeze(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);

	if (args.handler->ops->unfreeze)
		args.handler->ops->unfreeze(&args);
}

static int luo_retrieve(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);
	int err;

	err = args.handler->ops->retrieve(&args);
	luo->file = args.file;
	return err;
}

static bool luo_can_finish(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);

	/* There is nothing to be ready for an fd that nobody has asked for. */
	if (args.retrieve_status <= 0 || !args.handler->ops->can_finish)
		return true;
	return args.handler->ops->can_finish(&args);
}

static void luo_finish(struct liveupdate_file_op_args *luo)
{
	struct fdbox_file_args args = args_of(luo);

	if (args.retrieve_status > 0) {
		if (args.handler->ops->finish)
			args.handler->ops->finish(&args);
	} else if (!args.retrieve_status) {
		/* Nobody wants it: only its handler can free what it left. */
		if (!args.handler->ops->retrieve(&args))
			fput(args.file);
	}
}

static const struct liveupdate_file_ops luo_ops = {
	.can_preserve	= luo_can_preserve,
	.preserve	= luo_preserve,
	.unpreserve	= luo_unpreserve,
	.freeze		= luo_freeze,
	.unfreeze	= luo_unfreeze,
	.retrieve	= luo_retrieve,
	.can_finish	= luo_can_finish,
	.finish		= luo_finish,
	.owner		= THIS_MODULE,
};

static void remove_kinds(void)
{
	struct luo_kind *kind, *next;

	list_for_each_entry_safe(kind, next, &kinds, link) {
		liveupdate_unregister_file_handler(&kind->luo);
		module_put(kind->fdbox->ops->owner);
		kfree(kind);
	}
}

/* The reference to the handler becomes the kind's. */
static int add_kind(struct fdbox_handler *handler)
{
	struct luo_kind *kind = kzalloc_obj(*kind);
	int err;

	if (!kind)
		return -ENOMEM;

	kind->fdbox = handler;
	kind->ops = luo_ops;
	kind->ops.get_id = handler->ops->get_id;
	kind->luo.ops = &kind->ops;
	strscpy((char *)kind->luo.compatible, handler->compatible, FDBOX_KIND_LEN);
	err = liveupdate_register_file_handler(&kind->luo);
	if (err)
		kfree(kind);
	else
		list_add(&kind->link, &kinds);
	return err;
}

static int __init luo_init(void)
{
	struct fdbox_handler *handler = NULL;
	int err;

	while ((handler = fdbox_next_luo_handler(handler))) {
		err = add_kind(handler);
		if (err) {
			module_put(handler->ops->owner);
			remove_kinds();
			return err;
		}
	}
	return 0;
}

static void __exit luo_exit(void)
{
	remove_kinds();
}

module_init(luo_init);
module_exit(luo_exit);

MODULE_DESCRIPTION("FDBox's kinds of file descriptors for the Live Update Orchestrator");
MODULE_LICENSE("GPL");
