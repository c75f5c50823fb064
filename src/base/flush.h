/*
 * flush.h - bringing a file, or the names in a directory, to disk.
 *
 * fsync_fname_ext() reports a failure itself; errno is gone by then.
 */
#ifndef TOMS_FLUSH_H
#define TOMS_FLUSH_H

#include "postgres.h"

/* 0, or -1 with errno.  An fsync that is off in PostgreSQL's settings is off here. */
extern int	toms_flush_file(const char *path);
extern int	toms_flush_directory(const char *path);

#endif							/* TOMS_FLUSH_H */
