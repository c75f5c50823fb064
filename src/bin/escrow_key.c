/*
 * escrow_key.c - the key pairs of those to whom keys are given in escrow (X25519).
 *
 * Run by each of them for himself; the private half never comes near the server.
 */
#include "escrow.h"

#define SECRET_START	"toms-escrow-private "
#define PUBLIC_START	"toms-escrow-public "

typedef struct Pair
{
	unsigned char public[PUBLIC_BYTES];
	unsigned char secret[crypto_box_SECRETKEYBYTES];
	char		word[B64_SIZE(crypto_box_SECRETKEYBYTES)];
	char		text[128];		/* the private file */
} Pair;

/* Reads "text" by the template: start, the bytes in base64url, end of the line and of all. */
static bool
take_bytes(const char *text, size_t len, const char *start, unsigned char *bytes, size_t size)
{
	const char *at = text;
	char		word[B64_SIZE(crypto_box_SECRETKEYBYTES)];
	bool		good = skip(&at, start) && take(&at, word, sizeof(word)) && decode(word, bytes, size) &&
		skip(&at, "\n") && at == text + len;

	sodium_memzero(word, sizeof(word));
	return good;
}

void
read_public(const char *file, unsigned char public[PUBLIC_BYTES])
{
	char	   *text = allocate_secret(128);	/* it might be the private file */
	size_t		len = read_file(file, text, 128);

	if (!take_bytes(text, len, PUBLIC_START, public, PUBLIC_BYTES))
		fail(file, "not a public key as \"toms-keys new --escrow\" writes it, and it reads no other");
}

void
read_secret(const char *file, unsigned char public[PUBLIC_BYTES],
			unsigned char secret[crypto_box_SECRETKEYBYTES])
{
	char	   *text = allocate_secret(128);
	size_t		len = read_private(file, text, 128);

	if (!take_bytes(text, len, SECRET_START, secret, crypto_box_SECRETKEYBYTES))
		fail(file, "not a private key as \"toms-keys new --escrow\" writes it, and it reads no other");
	crypto_scalarmult_base(public, secret);
}

void
command_new_escrow_key(const Given *opt)
{
	const char *file = opt[OPT_ESCROW].values[0];
	size_t		size = strlen(file) + sizeof(".pub");
	char	   *public_file = allocate(size);
	char		public_text[128];
	Pair	   *pair = allocate_secret(sizeof(Pair));

	snprintf(public_file, size, "%s.pub", file);
	crypto_box_keypair(pair->public, pair->secret);
	sodium_bin2base64(pair->word, sizeof(pair->word), pair->secret, sizeof(pair->secret), B64);
	snprintf(pair->text, sizeof(pair->text), SECRET_START "%s\n", pair->word);
	sodium_bin2base64(pair->word, sizeof(pair->word), pair->public, sizeof(pair->public), B64);
	snprintf(public_text, sizeof(public_text), PUBLIC_START "%s\n", pair->word);
	write_private(file, pair->text);
	write_public(public_file, public_text);
	finished();
	print_line(pair->word);
}
