/*
 * hooks.h - between toms.c, which owns shared memory, and hooks.c, which owns the hooks.
 */
#ifndef TOMS_HOOKS_H
#define TOMS_HOOKS_H

extern void toms_hooks_install(void);

/* toms.c: ask for shared memory and locks; attach to them. */
extern void toms_shmem_request(void);
extern void toms_shmem_startup(void);

#endif							/* TOMS_HOOKS_H */
