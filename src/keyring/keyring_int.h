/*
 * keyring_int.h - between keyring.c and the provider that keeps keys in files.
 */
#ifndef TOMS_KEYRING_INT_H
#define TOMS_KEYRING_INT_H

#include "keyring/keyring.h"

/* See toms_keyring_seed() and toms_keyring_create(); "directory" is checked first. */
extern const uint8 *toms_keyring_file_seed(const char *directory, const char *name);
extern void toms_keyring_file_create(const char *directory, const char *name);

#endif							/* TOMS_KEYRING_INT_H */
