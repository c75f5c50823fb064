/*
 * shmem.h - for hooks.c only.
 */
#ifndef TOMS_SHMEM_H
#define TOMS_SHMEM_H

extern void toms_shmem_request(void);
extern void toms_shmem_startup(void);

#endif							/* TOMS_SHMEM_H */
