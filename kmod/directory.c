// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directory: which boxes a kexec carries.
 *
 * A kexec can happen at any moment. There are two copies of the directory, each
 * with room for all boxes; one is valid, the other is rewritten, and then a
 * single store makes it the valid one. So whatever moment the kexec chooses, the
 * next kernel sees the boxes from before a change, or those from after it, and
 * taking a box out cannot fail.
 */
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>

#include "fdbox.h"

static DEFINE_MUTEX(directory_lock);
static LIST_HEAD(carried_boxes);
static struct fdbox_root *root;		/* NULL: KHO is off */
static struct fdbox_blob_head *copies[2];
static unsigned int valid;

static u64 directory_length(void)
{
	return (list_count_nodes(&carried_boxes) + 1) * sizeof(u64);
}

static void trim_copies(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(copies); i++)
		fdbox_blob_trim(copies[i], directory_length());
}

static void write_directory(void)
{
	struct fdbox_blob_head *copy = copies[!valid];
	u64 nr = list_count_nodes(&carried_boxes), phys;
	struct fdbox_blob_writer writer;
	struct fdbox *box;

	fdbox_blob_begin(&writer, copy);
	fdbox_blob_append(&writer, &nr, sizeof(nr));
	list_for_each_entry(box, &carried_boxes, carried) {
		phys = virt_to_phys(box->blob);
		fdbox_blob_append(&writer, &phys, sizeof(phys));
	}
	fdbox_blob_end(&writer, FDBOX_DIRECTORY_MAGIC, FDBOX_VERSION);

	/* The copy is complete before the root says that it is the valid one. */
	smp_store_release(&root->directory, virt_to_phys(copy));
	valid = !valid;
}

static struct fdbox_blob_head *write_box(struct fdbox *box)
{
	struct fdbox_ser_box ser_box = { .nr_fds = list_count_nodes(&box->fds) };
	struct fdbox_blob_writer writer;
	struct fdbox_blob_head *blob;
	struct fdbox_ser_fd ser_fd;
	struct fdbox_fd *fd;

	blob = fdbox_blob_alloc(sizeof(ser_box) + ser_box.nr_fds * sizeof(ser_fd));
	if (IS_ERR(blob))
		return blob;

	strscpy_pad(ser_box.name, dev_name(&box->dev), sizeof(ser_box.name));
	fdbox_blob_begin(&writer, blob);
	fdbox_blob_append(&writer, &ser_box, sizeof(ser_box));
	list_for_each_entry(fd, &box->fds, link) {
		strscpy_pad(ser_fd.name, fd->name, sizeof(ser_fd.name));
		strscpy_pad(ser_fd.kind, fd->kind, sizeof(ser_fd.kind));
		ser_fd.data = fd->args.serialized_data;
		fdbox_blob_append(&writer, &ser_fd, sizeof(ser_fd));
	}
	fdbox_blob_end(&writer, FDBOX_BOX_MAGIC, FDBOX_VERSION);
	return blob;
}

/**
 * fdbox_directory_add - have a box carried from now on
 * @box: the box, locked; every fd in it is preserved
 *
 * Return: 0; -EOPNOTSUPP without KHO; another negative errno.
 */
int fdbox_directory_add(struct fdbox *box)
{
	struct fdbox_blob_head *blob;
	int err = 0, i;

	if (!root)
		return -EOPNOTSUPP;

	blob = write_box(box);
	if (IS_ERR(blob))
		return PTR_ERR(blob);

	mutex_lock(&directory_lock);
	for (i = 0; i < ARRAY_SIZE(copies) && !err; i++)
		err = fdbox_blob_reserve(copies[i], directory_length() + sizeof(u64));
	if (!err) {
		WRITE_ONCE(box->blob, blob);
		list_add_tail(&box->carried, &carried_boxes);
		write_directory();
	} else {
		trim_copies();
	}
	mutex_unlock(&directory_lock);

	if (err)
		fdbox_blob_free(blob);
	return err;
}

/**
 * fdbox_directory_del - have a box not carried any more
 * @box: the box, locked; its fds are still preserved
 */
void fdbox_directory_del(struct fdbox *box)
{
	mutex_lock(&directory_lock);
	list_del(&box->carried);
	write_directory();
	trim_copies();
	mutex_unlock(&directory_lock);

	fdbox_blob_free(box->blob);
	WRITE_ONCE(box->blob, NULL);
}

/**
 * fdbox_directory_init - make an empty directory, and make it known to KHO
 *
 * Without KHO there is none, and no box can be sealed.
 *
 * Return: 0 or a negative errno.
 */
int fdbox_directory_init(void)
{
	struct fdbox_root *new;
	int err, i;

	if (!kho_is_enabled())
		return 0;

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i] = fdbox_blob_alloc(sizeof(u64));
		if (IS_ERR(copies[i])) {
			err = PTR_ERR(copies[i]);
			goto err_copies;
		}
	}

	new = kho_alloc_preserve(sizeof(*new));
	if (IS_ERR(new)) {
		err = PTR_ERR(new);
		goto err_copies;
	}
	new->magic = FDBOX_ROOT_MAGIC;
	new->version = FDBOX_VERSION;
	root = new;
	write_directory();

	err = kho_add_subtree(FDBOX_SUBTREE, root, sizeof(*root));
	if (err)
		goto err_root;
	return 0;

err_root:
	kho_unpreserve_free(root);
	root = NULL;
err_copies:
	while (i--)
		fdbox_blob_free(copies[i]);
	return err;
}

/**
 * fdbox_directory_exit - undo fdbox_directory_init()
 */
void fdbox_directory_exit(void)
{
	int i;

	if (!root)
		return;

	kho_remove_subtree(root);
	kho_unpreserve_free(root);
	for (i = 0; i < ARRAY_SIZE(copies); i++)
		fdbox_blob_free(copies[i]);
}
