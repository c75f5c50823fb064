/*
 * dataset.h - which data this is, and the digests of its blocks.
 */
#ifndef TOMS_DATASET_H
#define TOMS_DATASET_H

#include "trail/trail.h"

/* SPI is connected in all of them, and reads with the active snapshot. */

/* As toms.dataset says; false: it was not given a name yet. */
extern bool toms_dataset_get(uint8 dataset[16]);

/* Give it a name if it has none. */
extern void toms_dataset_make(uint8 dataset[16]);

/* SHA-256 of the header of a block; false: there is no such block. */
extern bool toms_block_digest(int64 number, uint8 digest[TOMS_HASH_BYTES]);

/* The public key of "audit" in the keyring; false: there is none at hand. */
extern bool toms_audit_key(uint8 key[TOMS_PUBLIC_KEY_BYTES]);

#endif							/* TOMS_DATASET_H */
