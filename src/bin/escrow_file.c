/*
 * escrow_file.c - the file of an escrow: made, read, opened.
 *
 * Called by escrow.c.  It is text, a word or several on each line:
 *
 *     toms-escrow 1
 *     made DATE
 *     threshold K of N
 *     recipient PUBLIC SHARE        N times: a public key, and a share sealed to it (crypto_box_seal)
 *     key NAME FINGERPRINT          for each key, in the order of names
 *     payload BYTES                 nonce and ciphertext (XChaCha20-Poly1305) of the key files' lines
 *     digest FINGERPRINT            of all above, for who has no private key
 *
 * K shares give the key of the payload, which covers all lines above it: whoever opens it knows
 * that no byte was changed.  Whoever does not open it knows, by the digest, of damage alone.
 */
#include "escrow.h"

#include <errno.h>
#include <time.h>

#define FILE_MAX		(16 * 1024 * 1024)
#define KEY_LINE_MIN	(sizeof("key x \n") - 1 + FINGERPRINT_SIZE - 1)
#define NONCE_BYTES		crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES		crypto_aead_xchacha20poly1305_ietf_ABYTES

/* What is secret while an escrow is made or opened. */
typedef struct Secrets
{
	unsigned char file_key[SECRET_BYTES];
	Share		shares[SHARES_MAX];
} Secrets;

void
print_date(char date[DATE_SIZE])
{
	time_t		now = time(NULL);
	struct tm	utc;

	if (gmtime_r(&now, &utc) == NULL || strftime(date, DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		fail("clock", "tells no date");
}


/* ---- making ---- */

static void
seal_shares(Escrow *escrow, Secrets *secrets)
{
	randombytes_buf(secrets->file_key, sizeof(secrets->file_key));
	for (int i = 0; i < escrow->count; i++)
		secrets->shares[i].x = i + 1;
	split_secret(secrets->file_key, escrow->threshold, secrets->shares, escrow->count);
	for (int i = 0; i < escrow->count; i++)
	{
		Recipient  *recipient = &escrow->recipients[i];

		if (crypto_box_seal(recipient->sealed, secrets->shares[i].bytes, SECRET_BYTES, recipient->public) != 0)
			fail("--to", "the %d. public key is not one of X25519", i + 1);
	}
}

static void
print_word(FILE *into, const char *before, const void *bytes, size_t size)
{
	char	   *word = allocate(B64_SIZE(size));

	sodium_bin2base64(word, B64_SIZE(size), bytes, size, B64);
	fprintf(into, "%s%s", before, word);
	free(word);
}

static void
print_head(FILE *into, const Escrow *escrow)
{
	fprintf(into, ESCROW_START "made %s\nthreshold %d of %d\n", escrow->made, escrow->threshold, escrow->count);
	for (int i = 0; i < escrow->count; i++)
	{
		print_word(into, "recipient ", escrow->recipients[i].public, PUBLIC_BYTES);
		print_word(into, " ", escrow->recipients[i].sealed, SEALED_SHARE_BYTES);
		fputc('\n', into);
	}
	for (int i = 0; i < escrow->keys.count; i++)
		fprintf(into, "key %s %s\n", escrow->keys.keys[i].name, escrow->keys.keys[i].fingerprint);
}

static void
seal_payload(Escrow *escrow, const char *head, const unsigned char *file_key)
{
	const KeySet *keys = &escrow->keys;
	char	   *lines = allocate_secret(keys->count * LINE_SIZE);
	char	   *end = lines;

	for (int i = 0; i < keys->count; i++)
		end = stpcpy(end, keys->keys[i].line);
	escrow->payload_size = NONCE_BYTES + (end - lines) + TAG_BYTES;
	escrow->payload = allocate(escrow->payload_size);
	randombytes_buf(escrow->payload, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(escrow->payload + NONCE_BYTES, NULL,
											   (const unsigned char *) lines, end - lines,
											   (const unsigned char *) head, escrow->head,
											   NULL, escrow->payload, file_key);
}

/* The text of a stream in memory is there when this has been called, and until more is printed. */
static void
flush_text(FILE *stream)
{
	if (fflush(stream) != 0 || ferror(stream))
		fail("memory", "%s", strerror(errno));
}

void
seal_escrow(Escrow *escrow, KeySet keys, int threshold)
{
	Secrets    *secrets = allocate_secret(sizeof(Secrets));
	char	   *text = NULL;
	size_t		size = 0;
	FILE	   *stream = open_memstream(&text, &size);

	if (stream == NULL)
		fail("memory", "%s", strerror(errno));
	escrow->keys = keys;
	escrow->threshold = threshold;
	print_date(escrow->made);
	seal_shares(escrow, secrets);
	print_head(stream, escrow);
	flush_text(stream);
	escrow->head = size;
	seal_payload(escrow, text, secrets->file_key);
	print_word(stream, "payload ", escrow->payload, escrow->payload_size);
	fputc('\n', stream);
	flush_text(stream);
	fingerprint(escrow->digest, text, size);
	fprintf(stream, "digest %s\n", escrow->digest);
	flush_text(stream);
	fclose(stream);
	escrow->text = text;
}


/* ---- reading ---- */

static bool
take_number(const char **at, int *number)
{
	char		word[4];

	if (**at == '0' || !take(at, word, sizeof(word)) || strspn(word, "0123456789") != strlen(word))
		return false;
	*number = atoi(word);
	return *number <= SHARES_MAX;
}

static bool
take_recipient(const char **at, Recipient *recipient)
{
	char		public[B64_SIZE(PUBLIC_BYTES)];
	char		sealed[B64_SIZE(SEALED_SHARE_BYTES)];

	return skip(at, "recipient ") && take(at, public, sizeof(public)) && skip(at, " ") &&
		take(at, sealed, sizeof(sealed)) && skip(at, "\n") &&
		decode(public, recipient->public, PUBLIC_BYTES) &&
		decode(sealed, recipient->sealed, SEALED_SHARE_BYTES);
}

/* The next key; its name comes after that of the one before. */
static bool
take_key(const char **at, KeySet *set)
{
	KeyFile    *key = &set->keys[set->count];

	if (!skip(at, "key ") || !take(at, key->name, sizeof(key->name)) || !is_key_name(key->name) ||
		!skip(at, " ") || !take(at, key->fingerprint, sizeof(key->fingerprint)) ||
		strlen(key->fingerprint) != FINGERPRINT_SIZE - 1 || !skip(at, "\n"))
		return false;
	return set->count++ == 0 || strcmp(key[-1].name, key->name) < 0;
}

static bool
take_head(const char **at, Escrow *escrow)
{
	bool		good = skip(at, ESCROW_START "made ") && take(at, escrow->made, sizeof(escrow->made)) &&
		skip(at, "\nthreshold ") && take_number(at, &escrow->threshold) &&
		skip(at, " of ") && take_number(at, &escrow->count) && skip(at, "\n") &&
		escrow->threshold <= escrow->count;

	for (int i = 0; good && i < escrow->count; i++)
		good = take_recipient(at, &escrow->recipients[i]);
	while (good && escrow->keys.count < KEYS_MAX && strncmp(*at, "key ", strlen("key ")) == 0)
		good = take_key(at, &escrow->keys);
	return good && escrow->keys.count > 0;
}

static bool
take_payload(const char **at, Escrow *escrow)
{
	size_t		len;
	char	   *word;
	bool		good;

	if (!skip(at, "payload "))
		return false;
	len = strspn(*at, WORD_CHARS);
	word = allocate(len + 1);
	escrow->payload_size = len * 3 / 4;
	escrow->payload = allocate(escrow->payload_size + 1);
	good = take(at, word, len + 1) && escrow->payload_size > NONCE_BYTES + TAG_BYTES &&
		decode(word, escrow->payload, escrow->payload_size) && skip(at, "\n");
	free(word);
	return good;
}

static void
check_digest(Escrow *escrow, const char *file, size_t above)
{
	char		computed[FINGERPRINT_SIZE];

	fingerprint(computed, escrow->text, above);
	if (strcmp(computed, escrow->digest) != 0)
		fail(file, "damaged: its digest is another one");
}

Escrow *
read_escrow(const char *file)
{
	Escrow	   *escrow = allocate(sizeof(Escrow));
	char	   *text = allocate(FILE_MAX);
	size_t		len = read_file(file, text, FILE_MAX);
	const char *at = text;
	bool		good;

	escrow->text = text;
	escrow->keys.keys = allocate_secret((len / KEY_LINE_MIN + 1) * sizeof(KeyFile));
	good = take_head(&at, escrow);
	escrow->head = at - text;
	good = good && take_payload(&at, escrow);
	if (good)
	{
		size_t		above = at - text;

		good = skip(&at, "digest ") && take(&at, escrow->digest, sizeof(escrow->digest)) &&
			skip(&at, "\n") && at == text + len;
		if (good)
			check_digest(escrow, file, above);
	}
	if (!good)
		fail(file, "not an escrow as \"toms-keys escrow\" writes it, or damaged");
	return escrow;
}


/* ---- opening ---- */

void
open_escrow(Escrow *escrow, const char *file, const Share *shares)
{
	Secrets    *secrets = allocate_secret(sizeof(Secrets));
	size_t		size = escrow->payload_size - NONCE_BYTES - TAG_BYTES;
	char	   *lines = allocate_secret(size + 1);
	const char *at = lines;
	bool		good;

	combine_shares(shares, escrow->threshold, secrets->file_key);
	good = crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *) lines, NULL, NULL,
													  escrow->payload + NONCE_BYTES, size + TAG_BYTES,
													  (const unsigned char *) escrow->text, escrow->head,
													  escrow->payload, secrets->file_key) == 0;
	lines[size] = '\0';
	if (!good)
		fail(file, "altered: it does not open with these shares");
	for (int i = 0; i < escrow->keys.count && good; i++)
	{
		KeyFile    *key = &escrow->keys.keys[i];
		char		found[FINGERPRINT_SIZE];

		good = take_line(&at, key->line);
		fingerprint(found, key->line, strlen(key->line));
		good = good && strcmp(found, key->fingerprint) == 0;
	}
	if (!good || at != lines + size)
		fail(file, "its keys are not those that it lists");
}
