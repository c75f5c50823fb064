/*
 * shamir.c - splits a secret so that any K of N shares give it back, and K - 1 give nothing.
 *
 * Called for the key of an escrow file; libsodium has nothing of the kind.  A. Shamir, "How to
 * share a secret", CACM 22 (1979): each byte of the secret is f(0) of a random polynomial of
 * degree K - 1 over GF(2^8), the field of AES (FIPS 197, section 4), and share x holds f(x).
 *
 * Time and addresses do not depend on secret bytes: multiplication is done bit by bit, without
 * tables.  Shares do not show damage; who uses the secret has to see that it fits.
 */
#include "shamir.h"

#include <sodium.h>

static unsigned char
multiply(unsigned char a, unsigned char b)
{
	unsigned char product = 0;

	for (int bit = 0; bit < 8; bit++)
	{
		product ^= a & (unsigned char) -(b & 1);
		a = (unsigned char) (a << 1) ^ (0x1b & (unsigned char) -(a >> 7));
		b >>= 1;
	}
	return product;
}

/* a^254, which is 1/a but for 0. */
static unsigned char
inverse(unsigned char a)
{
	unsigned char result = 1;

	for (int i = 0; i < 7; i++)
	{
		a = multiply(a, a);
		result = multiply(result, a);
	}
	return result;
}

void
split_secret(const unsigned char secret[SECRET_BYTES], int threshold, Share *shares, int count)
{
	unsigned char coefficients[SHARES_MAX];	/* that of x^0 is the secret */

	for (int i = 0; i < SECRET_BYTES; i++)
	{
		coefficients[0] = secret[i];
		randombytes_buf(coefficients + 1, threshold - 1);
		for (int s = 0; s < count; s++)
		{
			unsigned char value = 0;

			for (int power = threshold - 1; power >= 0; power--)
				value = multiply(value, shares[s].x) ^ coefficients[power];
			shares[s].bytes[i] = value;
		}
	}
	sodium_memzero(coefficients, sizeof(coefficients));
}

/* What share "which" weighs in f(0), by Lagrange; a difference is a sum in this field. */
static unsigned char
weight(const Share *shares, int count, int which)
{
	unsigned char result = 1;

	for (int s = 0; s < count; s++)
	{
		if (s != which)
			result = multiply(result, multiply(shares[s].x, inverse(shares[s].x ^ shares[which].x)));
	}
	return result;
}

void
combine_shares(const Share *shares, int count, unsigned char secret[SECRET_BYTES])
{
	sodium_memzero(secret, SECRET_BYTES);
	for (int s = 0; s < count; s++)
	{
		unsigned char factor = weight(shares, count, s);

		for (int i = 0; i < SECRET_BYTES; i++)
			secret[i] ^= multiply(factor, shares[s].bytes[i]);
	}
}
