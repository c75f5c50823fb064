/*
 * sodium.c - what a call of libsodium costs that seals or opens one byte as toms does: the
 * floor of "make bench-seal".
 *
 * Prints nanoseconds of CPU time, the median of rounds: seal, open.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 21
#define CALLS 20000
#define HEADER 14

static unsigned char key[32],
			header[HEADER],
			nonces[CALLS][24],
			sealed[CALLS][1 + 16];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void
seal_all(void)
{
	unsigned char plain = 1;

	for (int i = 0; i < CALLS; i++)
		crypto_aead_xchacha20poly1305_ietf_encrypt(sealed[i], NULL, &plain, 1, header, HEADER, NULL, nonces[i], key);
}

static void
open_all(void)
{
	unsigned char plain;

	for (int i = 0; i < CALLS; i++)
	{
		if (crypto_aead_xchacha20poly1305_ietf_decrypt(&plain, NULL, NULL, sealed[i], sizeof(sealed[i]), header, HEADER, nonces[i], key) != 0)
			abort();
	}
}

static int
compare(const void *a, const void *b)
{
	double		difference = *(const double *) a - *(const double *) b;

	return (difference > 0) - (difference < 0);
}

static double
median_of(void (*work) (void))
{
	double		times[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
	{
		double		start = now();

		work();
		times[i] = (now() - start) / CALLS;
	}
	qsort(times, ROUNDS, sizeof(times[0]), compare);
	return times[ROUNDS / 2];
}

int
main(void)
{
	double		seal;

	if (sodium_init() < 0)
		return 1;
	randombytes_buf(key, sizeof(key));
	randombytes_buf(nonces, sizeof(nonces));
	seal = median_of(seal_all); /* what is opened next */
	printf("%.0f %.0f\n", seal, median_of(open_all));
	return 0;
}
