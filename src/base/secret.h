/*
 * secret.h - memory for key material.
 */
#ifndef TOMS_SECRET_H
#define TOMS_SECRET_H

#include "postgres.h"

/*
 * Memory between guard pages, left out of core dumps and locked into RAM as far as the
 * server's limit on locked memory allows; wiped and released when "context" is reset or
 * deleted, so that an error cannot leave it behind.
 */
extern void *toms_secret_alloc(MemoryContext context, size_t size);

/* Wipe bytes that are needed no longer; the compiler may not leave it out. */
extern void toms_secret_wipe(void *bytes, size_t size);

#endif							/* TOMS_SECRET_H */
