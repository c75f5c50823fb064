/*
 * outside_int.h - between outside.c and outside_write.c.
 */
#ifndef TOMS_OUTSIDE_INT_H
#define TOMS_OUTSIDE_INT_H

#include "postgres.h"

extern const char *toms_outside_directory(void);
extern char *toms_outside_path(const uint8 dataset[16]);
extern char *toms_outside_dataset_name(const uint8 dataset[16]);

#endif							/* TOMS_OUTSIDE_INT_H */
