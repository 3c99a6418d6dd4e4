// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO devices without hardware, on platform devices of their own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "vfio_mock.h"

#define VFIO_MOCK_MAX_DEVICES	64

static unsigned int devices = 4;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "how many devices there are (1 to 64)");

static struct platform_device *parents[VFIO_MOCK_MAX_DEVICES];

static int vfio_mock_probe(struct platform_device *pdev)
{
	struct vfio_mock *mock = vfio_mock_create(&pdev->dev, pdev->id);

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	platform_set_drvdata(pdev, mock);
	return 0;
}

static void vfio_mock_remove(struct platform_device *pdev)
{
	vfio_mock_destroy(platform_get_drvdata(pdev));
}

static struct platform_driver vfio_mock_driver = {
	.probe	= vfio_mock_probe,
	.remove	= vfio_mock_remove,
	.driver	= {
		.name			= KBUILD_MODNAME,
		.suppress_bind_attrs	= true,
	},
};

static void remove_devices(void)
{
	unsigned int i;

	for (i = 0; i < devices; i++)
		platform_device_unregister(parents[i]);
}

static int add_device(unsigned int i)
{
	struct platform_device *parent;

	parent = platform_device_register_simple(KBUILD_MODNAME, i, NULL, 0);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	parents[i] = parent;

	/* The driver core logs why a probe failed, and goes on. */
	return platform_get_drvdata(parent) ? 0 : -ENODEV;
}

static int __init vfio_mock_init(void)
{
	unsigned int i;
	int err;

	if (!devices || devices > VFIO_MOCK_MAX_DEVICES)
		return -EINVAL;

	err = platform_driver_register(&vfio_mock_driver);
	if (err)
		return err;

	for (i = 0; i < devices && !err; i++)
		err = add_device(i);
	if (err)
		goto err_remove;
	return 0;

err_remove:
	remove_devices();
	platform_driver_unregister(&vfio_mock_driver);
	return err;
}

static void __exit vfio_mock_exit(void)
{
	remove_devices();
	platform_driver_unregister(&vfio_mock_driver);
}

module_init(vfio_mock_init);
module_exit(vfio_mock_exit);

MODULE_DESCRIPTION("VFIO devices without hardware, for tests of live updates");
MODULE_LICENSE("GPL");
