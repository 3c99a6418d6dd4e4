/* SPDX-License-Identifier: GPL-2.0-only */
/* Every operation there is. The table in ops.c names them and their arguments. */
#ifndef AGENT_OPS_H
#define AGENT_OPS_H

#include "request.h"

/* system.c */
int op_hello(struct request *rq);
int op_kmsg(struct request *rq);
int op_file(struct request *rq);

/* settle.c */
int op_settle(struct request *rq);

/* renew.c */
int op_renew(struct request *rq);

/* fds.c */
int op_close(struct request *rq);
int op_dup(struct request *rq);
int op_rename(struct request *rq);
int op_fds(struct request *rq);

/* memfd.c */
int op_memfd(struct request *rq);
int op_stat(struct request *rq);
int op_seek(struct request *rq);
int op_truncate(struct request *rq);
int op_seal_add(struct request *rq);
int op_chmod(struct request *rq);
int op_chown(struct request *rq);
int op_punch(struct request *rq);

/* process.c */
int op_process(struct request *rq);
int op_process_end(struct request *rq);
int op_pass(struct request *rq);
int op_receive(struct request *rq);

/* module.c */
int op_module_load(struct request *rq);
int op_module_unload(struct request *rq);

/* files.c */
int op_open(struct request *rq);
int op_pipe(struct request *rq);
int op_socket(struct request *rq);
int op_reopen(struct request *rq);
int op_status(struct request *rq);
int op_allocate(struct request *rq);

/* content.c */
int op_fill(struct request *rq);
int op_digest(struct request *rq);
int op_read(struct request *rq);
int op_write(struct request *rq);

/* hold.c */
int op_mappings(struct request *rq);
int op_mmap(struct request *rq);
int op_munmap(struct request *rq);
int op_pageout(struct request *rq);
int op_poison(struct request *rq);

/* extents.c */
int op_extents(struct request *rq);
int op_pages(struct request *rq);

/* physical.c */
int op_peek(struct request *rq);
int op_poke(struct request *rq);

/* gmem.c */
int op_vm(struct request *rq);
int op_gmem(struct request *rq);
int op_gmem_freeze(struct request *rq);

/* guest.c */
int op_guest_start(struct request *rq);
int op_guest_run(struct request *rq);
int op_guest_resume(struct request *rq);

/* fdbox.c */
int op_fdbox_create(struct request *rq);
int op_fdbox_delete(struct request *rq);
int op_fdbox_put(struct request *rq);
int op_fdbox_get(struct request *rq);
int op_fdbox_seal(struct request *rq);
int op_fdbox_unseal(struct request *rq);
int op_fdbox_prepare(struct request *rq);
int op_fdbox_list(struct request *rq);
int op_fdbox_delete_all(struct request *rq);

/* many.c */
int op_many_put(struct request *rq);
int op_many_get(struct request *rq);

/* storm.c */
int op_storm(struct request *rq);
int op_storm_collect(struct request *rq);

/* fuzz.c */
int op_fuzz(struct request *rq);

/* nth.c */
int op_nth(struct request *rq);

/* race.c */
int op_race_put(struct request *rq);

/* writer.c */
int op_writer_seal(struct request *rq);
int op_writer_preserve(struct request *rq);
int op_writer_check(struct request *rq);

/* luo.c */
int op_luo_create(struct request *rq);
int op_luo_retrieve(struct request *rq);
int op_luo_put(struct request *rq);
int op_luo_get(struct request *rq);
int op_luo_finish(struct request *rq);
int op_luo_close(struct request *rq);

/* luo_storm.c */
int op_luo_storm(struct request *rq);
int op_luo_storm_close(struct request *rq);

/* luo_collect.c */
int op_luo_storm_collect(struct request *rq);

/* vfio.c */
int op_vfio_open(struct request *rq);
int op_vfio_bind(struct request *rq);
int op_vfio_irq(struct request *rq);
int op_vfio_irqs(struct request *rq);
int op_vfio_reset(struct request *rq);
int op_vfio_map(struct request *rq);
int op_vfio_unmap(struct request *rq);
int op_vfio_reg(struct request *rq);
int op_vfio_write(struct request *rq);

/* vfio_info.c */
int op_vfio_info(struct request *rq);

/* kexec.c */
int op_kexec_load(struct request *rq);
int op_kexec_unload(struct request *rq);
int op_kexec(struct request *rq);

#endif
