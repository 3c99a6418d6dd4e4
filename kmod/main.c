// SPDX-License-Identifier: GPL-2.0-only
/*
 * FDBox: named boxes of named file descriptors, carried through a kexec.
 */
#include "fdbox.h"

static int __init fdbox_init(void)
{
	int err;

	err = fdbox_directory_init();
	if (err)
		return err;

	err = fdbox_box_init();
	if (err)
		goto err_directory;

	err = fdbox_prepare_init();
	if (err)
		goto err_box;

	/* Whoever finds the control device is to find what arrived, too. */
	mutex_lock(&fdbox_boxes_lock);
	err = fdbox_control_init();
	if (!err)
		fdbox_arrive();
	mutex_unlock(&fdbox_boxes_lock);
	if (err)
		goto err_prepare;

	/* A box without fds waits for no handler. */
	fdbox_arrive_more();
	return 0;

err_prepare:
	fdbox_prepare_exit();
err_box:
	fdbox_box_exit();
err_directory:
	fdbox_directory_exit();
	return err;
}

/* There is no box: each one holds a reference to this module. */
static void __exit fdbox_exit(void)
{
	fdbox_control_exit();
	fdbox_prepare_exit();
	fdbox_box_exit();
	fdbox_directory_exit();
}

module_init(fdbox_init);
module_exit(fdbox_exit);

MODULE_DESCRIPTION("Boxes of file descriptors, carried through a kexec");
MODULE_LICENSE("GPL");
