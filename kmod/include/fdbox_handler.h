/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kind of fd has to do to be put into a box, and what it gets for that.
 */
#ifndef _FDBOX_HANDLER_H
#define _FDBOX_HANDLER_H

#include <linux/list.h>
#include <linux/module.h>
#include <linux/types.h>
#include <uapi/fdbox.h>

struct fdbox_blob_head;
struct fdbox_blob_page;
struct fdbox_file_args;
struct fdbox_handler;
struct file;
struct folio;

/**
 * struct fdbox_carrier - what carries an fd: a box, or what can stand in for one
 * @token_outgoing: see fdbox_token_outgoing()
 * @file_incoming: see fdbox_file_incoming()
 */
struct fdbox_carrier {
	int (*token_outgoing)(struct fdbox_file_args *args, unsigned long id, u64 *token);
	int (*file_incoming)(struct fdbox_file_args *args, u64 token, struct file **file);
};

/**
 * struct fdbox_file_args - one fd of a box, as its handler sees it
 * @handler: the handler; NULL as long as nobody registered for the fd's kind
 * @retrieve_status: 0 for an fd that was put here; 1 for one that arrived and
 *	was retrieved; a negative errno for one that could not be
 * @file: the file. Set by retrieve()
 * @serialized_data: address of what travels. Set by preserve(), read by
 *	retrieve() in the next kernel
 * @private_data: the handler's, from prepare() or preserve() until they are undone
 * @carrier: what carries the fd
 * @context: the carrier's
 */
struct fdbox_file_args {
	struct fdbox_handler *handler;
	int retrieve_status;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	const struct fdbox_carrier *carrier;
	void *context;
};

/**
 * struct fdbox_file_ops - what a handler does
 * @can_preserve: is this file of the handler's kind? Quick; may not sleep long
 * @preserve: hand everything to KHO. All or nothing. The box has the only
 *	reference to the file, and keeps it until unpreserve()
 * @unpreserve: take everything back from KHO
 * @prepare: optional. Do early what preserve() would take long for. The file
 *	may be in use, and may change until preserve()
 * @unprepare: undo prepare(). Needed with it, but not called after preserve(),
 *	which takes over what was prepared: unpreserve() undoes both, and
 *	preserve() does when it fails
 * @freeze: optional. All fds of the box are preserved: get the tokens of those
 *	that this one depends on, with fdbox_token_outgoing(), and stop whatever
 *	still moves. May still write into what preserve() made, not enlarge it
 * @unfreeze: optional. Undo freeze()
 * @retrieve: make the file from @serialized_data and free that data, also on
 *	failure: it is called once. fdbox_file_incoming() has the files that
 *	this one depends on
 * @can_finish: optional. An arrived box is to be unsealed: is this fd ready?
 * @finish: optional. An arrived box was unsealed: what stood still for the
 *	journey moves again
 * @get_id: what the file stands for: the address of a kernel object. Two files
 *	with the same id are never in boxes at the same time
 * @owner: pinned by every fd of this kind
 *
 * All but @can_preserve and @get_id run under the lock of the box. The shape is
 * that of the Live Update Orchestrator's file handlers.
 *
 * A box that arrived is preserved and frozen again at once, so that it can
 * travel on: then, and when that is undone at its UNSEAL, @retrieve_status is 1,
 * and nothing may move before finish().
 */
struct fdbox_file_ops {
	bool (*can_preserve)(struct fdbox_handler *handler, struct file *file);
	int (*prepare)(struct fdbox_file_args *args);
	void (*unprepare)(struct fdbox_file_args *args);
	int (*preserve)(struct fdbox_file_args *args);
	void (*unpreserve)(struct fdbox_file_args *args);
	int (*freeze)(struct fdbox_file_args *args);
	void (*unfreeze)(struct fdbox_file_args *args);
	int (*retrieve)(struct fdbox_file_args *args);
	bool (*can_finish)(struct fdbox_file_args *args);
	void (*finish)(struct fdbox_file_args *args);
	unsigned long (*get_id)(struct file *file);
	struct module *owner;
};

/**
 * struct fdbox_handler - a kind of fd
 * @ops: what it does
 * @compatible: its name, with the version of its serialised form
 * @luo: LUO can carry it as well (fdbox_luo.ko), with the same operations. User
 *	space keeps its fd between preserve() and the kexec then, and freeze() is
 *	called in the reboot; an fd that nobody asked for before the end of its
 *	session is retrieved then, and closed without finish()
 * @link: private to fdbox
 */
struct fdbox_handler {
	const struct fdbox_file_ops *ops;
	const char compatible[FDBOX_KIND_LEN];
	bool luo;
	struct list_head link;
};

int fdbox_register_handler(struct fdbox_handler *handler);
void fdbox_unregister_handler(struct fdbox_handler *handler);
struct fdbox_handler *fdbox_next_luo_handler(struct fdbox_handler *handler);

bool fdbox_kind_pending(const char *kind);

int fdbox_token_outgoing(struct fdbox_file_args *args, unsigned long id, u64 *token);
int fdbox_file_incoming(struct fdbox_file_args *args, u64 token, struct file **file);

/**
 * struct fdbox_blob_writer - where the next byte of a blob goes
 * @head: first page of the blob
 * @page: page that is being filled
 * @used: bytes used in it
 * @length: bytes written
 * @checksum: of those bytes
 */
struct fdbox_blob_writer {
	struct fdbox_blob_head *head;
	struct fdbox_blob_page *page;
	size_t used;
	u64 length;
	u32 checksum;
};

struct fdbox_blob_head *fdbox_blob_alloc(u64 length);
int fdbox_blob_reserve(struct fdbox_blob_head *head, u64 length);
void fdbox_blob_trim(struct fdbox_blob_head *head, u64 length);
void fdbox_blob_free(struct fdbox_blob_head *head);
void fdbox_blob_begin(struct fdbox_blob_writer *writer, struct fdbox_blob_head *head);
void fdbox_blob_append(struct fdbox_blob_writer *writer, const void *data, size_t size);
void fdbox_blob_end(struct fdbox_blob_writer *writer, u32 magic, u32 version);
void *fdbox_blob_take(phys_addr_t phys, u32 magic, u32 version, size_t *length);
struct folio *fdbox_restore_folio(phys_addr_t phys);

#endif /* _FDBOX_HANDLER_H */
