// SPDX-License-Identifier: GPL-2.0-only
/* The operations as data. */

#include "ops.h"

const struct op ops[] = {
	{ "hello", op_hello, "" },
	{ "kmsg", op_kmsg, "" },
	{ "file", op_file, "path" },
	{ "settle", op_settle, "shrink" },
	{ "renew", op_renew, "seconds nanoseconds entropy" },

	{ "close", op_close, "fd" },
	{ "dup", op_dup, "fd as" },
	{ "rename", op_rename, "fd as" },
	{ "fds", op_fds, "" },

	{ "memfd", op_memfd, "fd size flags?" },
	{ "stat", op_stat, "fd" },
	{ "seek", op_seek, "fd pos" },
	{ "truncate", op_truncate, "fd size" },
	{ "seal_add", op_seal_add, "fd seals" },
	{ "chmod", op_chmod, "fd mode" },
	{ "chown", op_chown, "fd uid gid" },
	{ "punch", op_punch, "fd offset length" },

	{ "open", op_open, "fd path access?" },
	{ "pipe", op_pipe, "fd" },
	{ "socket", op_socket, "fd" },
	{ "reopen", op_reopen, "fd access" },
	{ "status", op_status, "fd flags" },
	{ "allocate", op_allocate, "fd offset length" },

	{ "fill", op_fill, "fd seed offset? length?" },
	{ "digest", op_digest, "fd offset? length? via?" },
	{ "read", op_read, "fd offset length" },
	{ "write", op_write, "fd offset hex" },

	{ "mappings", op_mappings, "fd" },
	{ "mmap", op_mmap, "fd" },
	{ "munmap", op_munmap, "" },
	{ "pageout", op_pageout, "fd" },
	{ "poison", op_poison, "fd offset" },

	{ "extents", op_extents, "fd" },
	{ "pages", op_pages, "fd" },

	{ "process", op_process, "name uid" },
	{ "process_end", op_process_end, "pid" },
	{ "pass", op_pass, "fd to as" },
	{ "receive", op_receive, "as" },

	{ "module_load", op_module_load, "name parameters? fail_every? within?" },
	{ "module_unload", op_module_unload, "name" },

	{ "peek", op_peek, "phys length" },
	{ "poke", op_poke, "phys hex" },

	{ "vm", op_vm, "fd type?" },
	{ "gmem", op_gmem, "fd vm size flags?" },
	{ "gmem_freeze", op_gmem_freeze, "fd to" },
	{ "guest_start", op_guest_start, "vm fd" },
	{ "guest_run", op_guest_run, "vm count" },
	{ "guest_resume", op_guest_resume, "vm fd state" },

	{ "fdbox_create", op_fdbox_create, "box via? fail_nth?" },
	{ "fdbox_delete", op_fdbox_delete, "box via? fail_nth?" },
	{ "fdbox_put", op_fdbox_put, "box fd name via? fail_nth?" },
	{ "fdbox_get", op_fdbox_get, "box name fd via? fail_nth?" },
	{ "fdbox_seal", op_fdbox_seal, "box via? fail_nth?" },
	{ "fdbox_unseal", op_fdbox_unseal, "box via? fail_nth?" },
	{ "fdbox_prepare", op_fdbox_prepare, "box via? fail_nth?" },
	{ "fdbox_list", op_fdbox_list, "box? via?" },
	{ "fdbox_delete_all", op_fdbox_delete_all, "" },
	{ "many_put", op_many_put, "box count width?" },
	{ "many_get", op_many_get, "box count width?" },
	{ "race_put", op_race_put, "box count" },

	{ "writer_seal", op_writer_seal, "box name count prepare?" },
	{ "writer_preserve", op_writer_preserve, "session count" },
	{ "writer_check", op_writer_check, "fd" },

	{ "storm", op_storm, "seed seconds? boxes? processes? faults? background?" },
	{ "storm_collect", op_storm_collect, "least?" },

	{ "fuzz", op_fuzz, "seed calls processes?" },

	{ "nth", op_nth, "kind?" },

	{ "luo_create", op_luo_create, "session fail_nth?" },
	{ "luo_retrieve", op_luo_retrieve, "session fail_nth?" },
	{ "luo_put", op_luo_put, "session fd token fail_nth?" },
	{ "luo_get", op_luo_get, "session token fd fail_nth?" },
	{ "luo_finish", op_luo_finish, "session fail_nth?" },
	{ "luo_close", op_luo_close, "session" },
	{ "luo_storm", op_luo_storm, "seed seconds? processes? background?" },
	{ "luo_storm_close", op_luo_storm_close, "" },
	{ "luo_storm_collect", op_luo_storm_collect, "processes? least?" },

	{ "vfio_open", op_vfio_open, "fd device" },
	{ "vfio_bind", op_vfio_bind, "fd" },
	{ "vfio_info", op_vfio_info, "fd" },
	{ "vfio_irq", op_vfio_irq, "fd enable as?" },
	{ "vfio_irqs", op_vfio_irqs, "fd" },
	{ "vfio_reset", op_vfio_reset, "fd" },
	{ "vfio_map", op_vfio_map, "fd buffer offset length iova" },
	{ "vfio_unmap", op_vfio_unmap, "fd iova" },
	{ "vfio_reg", op_vfio_reg, "fd index value" },
	{ "vfio_write", op_vfio_write, "fd offset value" },

	{ "kexec_load", op_kexec_load, "disk size cmdline initrd? padding? syscall?" },
	{ "kexec_unload", op_kexec_unload, "" },
	{ "kexec", op_kexec, "delay_ms at_once?" },
	{ NULL, NULL, NULL }
};
