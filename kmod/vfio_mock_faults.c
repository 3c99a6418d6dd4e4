// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on demand, and a record of what was asked of the devices, for tests.
 *
 *	echo freeze:2:16:0:1 >/sys/module/vfio_mock/parameters/fault
 *
 * makes freeze of device 2 fail with errno 16, after no time, once. The numbers
 * are device, errno (0: it succeeds), milliseconds to sleep, and how often. When
 * it happens the log says so. An empty line removes all. As a parameter of the
 * module it works before anything arrives. An operation that cannot fail sleeps
 * only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "vfio_mock.h"

#define MAX_SLEEP_MS	60000
#define NR_RECORDS	512

struct fault {
	struct list_head link;
	enum vfio_mock_op op;
	unsigned int device;
	int error;
	unsigned int ms;
	unsigned int count;
};

struct record {
	enum vfio_mock_op op;
	unsigned int device;
	int result;
};

static const char * const op_names[VFIO_MOCK_NR_OPS] = {
	[VFIO_MOCK_CAN_PRESERVE]	= "can_preserve",
	[VFIO_MOCK_PRESERVE]		= "preserve",
	[VFIO_MOCK_UNPRESERVE]		= "unpreserve",
	[VFIO_MOCK_FREEZE]		= "freeze",
	[VFIO_MOCK_UNFREEZE]		= "unfreeze",
	[VFIO_MOCK_RETRIEVE]		= "retrieve",
	[VFIO_MOCK_CAN_FINISH]		= "can_finish",
	[VFIO_MOCK_FINISH]		= "finish",
};

static DEFINE_MUTEX(faults_lock);	/* what follows */
static LIST_HEAD(faults);
static struct record records[NR_RECORDS];
static unsigned long nr_records;

static struct dentry *debugfs;

static void remove_faults(void)
{
	struct fault *fault, *next;

	list_for_each_entry_safe(fault, next, &faults, link) {
		list_del(&fault->link);
		kfree(fault);
	}
}

static int parse_fault(const char *text, struct fault *fault)
{
	char name[16];
	int op;

	if (sscanf(text, "%15[^:]:%u:%d:%u:%u", name, &fault->device, &fault->error,
		   &fault->ms, &fault->count) != 5)
		return -EINVAL;
	if (fault->error < 0 || fault->error > MAX_ERRNO || fault->ms > MAX_SLEEP_MS)
		return -EINVAL;
	op = match_string(op_names, VFIO_MOCK_NR_OPS, name);
	if (op < 0)
		return -EINVAL;
	fault->op = op;
	return 0;
}

static int set_fault(const char *text, const struct kernel_param *kp)
{
	struct fault *fault;
	int err;

	if (!*text || *text == '\n') {
		mutex_lock(&faults_lock);
		remove_faults();
		mutex_unlock(&faults_lock);
		return 0;
	}

	fault = kzalloc_obj(*fault);
	if (!fault)
		return -ENOMEM;
	err = parse_fault(text, fault);
	if (err) {
		kfree(fault);
		return err;
	}
	mutex_lock(&faults_lock);
	list_add_tail(&fault->link, &faults);
	mutex_unlock(&faults_lock);
	return 0;
}

static int get_faults(char *buffer, const struct kernel_param *kp)
{
	struct fault *fault;
	int length = 0;

	mutex_lock(&faults_lock);
	list_for_each_entry(fault, &faults, link)
		length += scnprintf(buffer + length, PAGE_SIZE - length, "%s:%u:%d:%u:%u\n",
				    op_names[fault->op], fault->device, fault->error,
				    fault->ms, fault->count);
	mutex_unlock(&faults_lock);
	return length;
}

static const struct kernel_param_ops fault_ops = {
	.set = set_fault,
	.get = get_faults,
};

module_param_cb(fault, &fault_ops, NULL, 0600);
MODULE_PARM_DESC(fault, "what goes wrong: operation:device:errno:milliseconds:count");

/**
 * vfio_mock_fault - sleep and fail where that was asked for
 * @mock: the device
 * @op: what is to be done with it
 *
 * Return: 0 or a negative errno.
 */
int vfio_mock_fault(const struct vfio_mock *mock, enum vfio_mock_op op)
{
	struct fault *fault;
	unsigned int ms = 0;
	int error = 0;

	mutex_lock(&faults_lock);
	list_for_each_entry(fault, &faults, link) {
		if (fault->op != op || fault->device != mock->number || !fault->count)
			continue;
		fault->count--;
		ms = fault->ms;
		error = fault->error;
		break;
	}
	mutex_unlock(&faults_lock);

	if (ms || error)
		pr_info("as told: %s of device %u: errno %d after %u ms\n", op_names[op],
			mock->number, error, ms);
	if (ms)
		msleep(ms);
	return -error;
}

/**
 * vfio_mock_trace - write down what was done
 * @mock: the device
 * @op: what was done with it
 * @result: with what result
 *
 * Return: the result.
 */
int vfio_mock_trace(const struct vfio_mock *mock, enum vfio_mock_op op, int result)
{
	struct record *record;

	mutex_lock(&faults_lock);
	record = &records[nr_records++ % NR_RECORDS];
	record->op = op;
	record->device = mock->number;
	record->result = result;
	mutex_unlock(&faults_lock);
	return result;
}

/* Lines of operation, device and result: oldest first. */
static int trace_show(struct seq_file *seq, void *unused)
{
	const struct record *record;
	unsigned long i;

	mutex_lock(&faults_lock);
	for (i = nr_records - min(nr_records, NR_RECORDS); i < nr_records; i++) {
		record = &records[i % NR_RECORDS];
		seq_printf(seq, "%s %u %d\n", op_names[record->op], record->device,
			   record->result);
	}
	mutex_unlock(&faults_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(trace);

/**
 * vfio_mock_faults_init - show the record
 */
void vfio_mock_faults_init(void)
{
	debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("trace", 0400, debugfs, NULL, &trace_fops);
}

/**
 * vfio_mock_faults_exit - forget everything
 */
void vfio_mock_faults_exit(void)
{
	debugfs_remove(debugfs);
	remove_faults();
}
