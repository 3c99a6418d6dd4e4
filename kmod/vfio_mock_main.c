// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO devices without hardware, on platform devices of their own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <fdbox_handler.h>

#include "vfio_mock.h"

#define VFIO_MOCK_MAX_DEVICES	64

static unsigned int devices = 8;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "how many devices there are (1 to 64)");

static struct platform_device *parents[VFIO_MOCK_MAX_DEVICES];

/**
 * vfio_mock_find - find a device by its number
 * @number: the number
 *
 * Return: the device, or NULL.
 */
struct vfio_mock *vfio_mock_find(unsigned int number)
{
	return number < devices ? platform_get_drvdata(parents[number]) : NULL;
}

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

static int add_devices(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < devices && !err; i++)
		err = add_device(i);
	if (err)
		remove_devices();
	return err;
}

static int __init vfio_mock_init(void)
{
	int err = -EINVAL;

	vfio_mock_faults_init();
	if (!devices || devices > VFIO_MOCK_MAX_DEVICES)
		goto err_faults;

	err = vfio_mock_node_init();
	if (err)
		goto err_faults;
	err = platform_driver_register(&vfio_mock_driver);
	if (err)
		goto err_node;
	err = add_devices();
	if (err)
		goto err_driver;
	err = fdbox_register_handler(&vfio_mock_handler);
	if (err)
		goto err_devices;
	return 0;

err_devices:
	remove_devices();
err_driver:
	platform_driver_unregister(&vfio_mock_driver);
err_node:
	vfio_mock_node_exit();
err_faults:
	vfio_mock_faults_exit();
	return err;
}

static void __exit vfio_mock_exit(void)
{
	fdbox_unregister_handler(&vfio_mock_handler);
	remove_devices();
	platform_driver_unregister(&vfio_mock_driver);
	vfio_mock_node_exit();
	vfio_mock_faults_exit();
}

module_init(vfio_mock_init);
module_exit(vfio_mock_exit);

MODULE_DESCRIPTION("VFIO devices without hardware, for tests of live updates");
MODULE_LICENSE("GPL");
