/*
 * outside_int.h - between those that read the log outside and write it.
 */
#ifndef TOMS_OUTSIDE_INT_H
#define TOMS_OUTSIDE_INT_H

#include "postgres.h"

extern const char *toms_outside_directory(void);
extern char *toms_outside_path(const uint8 dataset[16]);
extern char *toms_outside_dataset_name(const uint8 dataset[16]);

/* It cannot be used (55000), for a problem in words. */
extern void toms_outside_refuse(const char *problem);

#endif							/* TOMS_OUTSIDE_INT_H */
