/*
 * shamir.h - any K of N shares give a secret back.
 *
 * Secret and shares are in memory of the caller's, who wipes it.
 */
#ifndef TOMS_SHAMIR_H
#define TOMS_SHAMIR_H

#define SECRET_BYTES	32
#define SHARES_MAX		32

typedef struct Share
{
	unsigned char x;			/* not 0, and another one for each share */
	unsigned char bytes[SECRET_BYTES];
} Share;

/* Fills the bytes of shares whose x is set; 1 <= threshold <= count <= SHARES_MAX. */
extern void split_secret(const unsigned char secret[SECRET_BYTES], int threshold,
						 Share *shares, int count);

/* From just as many shares as the threshold was. */
extern void combine_shares(const Share *shares, int count, unsigned char secret[SECRET_BYTES]);

#endif							/* TOMS_SHAMIR_H */
