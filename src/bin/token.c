/*
 * token.c - makes the Ed25519 keys that sign tokens for toms, and signs with them.
 *
 * Run by the administrator ("new": a private JWK for the application's back end,
 * its public half into the JWKS file that toms.jwks_file names) and by tests and
 * shell jobs ("mint").  Formats: RFC 7517 (JWK), RFC 8037 (Ed25519), RFC 7638
 * (thumbprint), RFC 7515 (compact JWS).
 *
 * It never overwrites a private key and never changes a JWKS file of another origin.
 */
#include "toms-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define KID_MAX			64
#define KID_OF_ENTER	"toms-enter"	/* the server looks for it elsewhere, see context_int.h */
#define KID_DEFAULT		16		/* leading characters of the thumbprint */
#define JWKS_MAX		65536	/* bytes; this and the next as the server's jwks.c has them */
#define KEYS_MAX		64
#define PAYLOAD_MAX		1048576

/* The pieces of a JWK as this tool writes it; d stands in private files only. */
#define JWK_X			"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""
#define JWK_D			"\",\"d\":\""
#define JWK_KID			"\",\"kid\":\""
#define JWK_END			"\",\"alg\":\"EdDSA\",\"use\":\"sig\"}"
#define JWKS_START		"{\"keys\":[\n"
#define JWKS_END		"]}\n"

/* Everything that is secret; see allocate_secret(). */
typedef struct Key
{
	unsigned char pk[crypto_sign_PUBLICKEYBYTES];
	unsigned char sk[crypto_sign_SECRETKEYBYTES];	/* seed, then public key */
	unsigned char seed[crypto_sign_SEEDBYTES];
	char		x[B64_SIZE(crypto_sign_PUBLICKEYBYTES)];
	char		d[B64_SIZE(crypto_sign_SEEDBYTES)];
	char		kid[KID_MAX + 1];
	char		text[512];		/* the private file */
} Key;

static Key *key = NULL;


/* ---- keys ---- */

/* Checks a kid given by hand: it is printed into JSON unescaped. */
static void
check_kid(const char *kid)
{
	size_t		len = strlen(kid);

	if (len == 0 || len > KID_MAX || strspn(kid, WORD_CHARS) != len)
		usage_error("--kid", "must be 1 to 64 of the characters A-Z a-z 0-9 - _ . :");
	if (strcmp(kid, KID_OF_ENTER) == 0)
		usage_error(kid, "is the kid of the server's own tokens");
}

/* The default kid: the first characters of the key's RFC 7638 thumbprint. */
static void
set_default_kid(void)
{
	char		member[128];
	unsigned char hash[crypto_hash_sha256_BYTES];
	char		thumbprint[B64_SIZE(crypto_hash_sha256_BYTES)];

	snprintf(member, sizeof(member), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", key->x);
	crypto_hash_sha256(hash, (const unsigned char *) member, strlen(member));
	sodium_bin2base64(thumbprint, sizeof(thumbprint), hash, sizeof(hash), B64);
	snprintf(key->kid, sizeof(key->kid), "%.*s", KID_DEFAULT, thumbprint);
}

static void
make_key(const char *kid)
{
	crypto_sign_keypair(key->pk, key->sk);
	sodium_bin2base64(key->x, sizeof(key->x), key->pk, sizeof(key->pk), B64);
	sodium_bin2base64(key->d, sizeof(key->d), key->sk, crypto_sign_SEEDBYTES, B64);
	if (kid)
		snprintf(key->kid, sizeof(key->kid), "%s", kid);
	else
		set_default_kid();
}

/* Writes the private half into a file that did not exist. */
static void
write_key(const char *file)
{
	snprintf(key->text, sizeof(key->text), JWK_X "%s" JWK_D "%s" JWK_KID "%s" JWK_END "\n",
			 key->x, key->d, key->kid);
	write_private(file, key->text);
}

/* Fills the key from a private file, which must be as write_key() left it. */
static void
read_key(const char *file)
{
	size_t		len = read_private(file, key->text, sizeof(key->text));
	const char *at = key->text;

	if (!skip(&at, JWK_X) || !take(&at, key->x, sizeof(key->x)) ||
		!skip(&at, JWK_D) || !take(&at, key->d, sizeof(key->d)) ||
		!skip(&at, JWK_KID) || !take(&at, key->kid, sizeof(key->kid)) ||
		!skip(&at, JWK_END "\n") || at != key->text + len ||
		!decode(key->d, key->seed, sizeof(key->seed)))
		fail(file, "not a private key as \"toms-keys new\" writes it, and it reads no other");
	crypto_sign_seed_keypair(key->pk, key->sk, key->seed);
	sodium_bin2base64(key->text, sizeof(key->text), key->pk, sizeof(key->pk), B64);
	if (strcmp(key->text, key->x) != 0)
		fail(file, "damaged: its public and its private half do not belong together");
}


/* ---- the JWKS file ---- */

/* Reads the JWKS file that is there; "" if there is none. */
static const char *
read_jwks(const char *file)
{
	static char text[JWKS_MAX];
	int			fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return "";
	if (fd < 0 && errno == ELOOP)
		fail(file, "a symbolic link: name the file that it leads to");
	if (fd < 0)
		fail(file, "could not open: %s", strerror(errno));
	if (read_all(fd, file, text, sizeof(text)) != strlen(text) || text[0] == '\0')
		text[0] = ' ';			/* no file of ours, as end_of_keys() will see */
	close(fd);
	return text;
}

/* Steps over one public key as write_jwks() leaves it and copies its kid. */
static bool
skip_public(const char **at, char *kid, size_t size)
{
	char		x[sizeof(key->x)];

	return skip(at, JWK_X) && take(at, x, sizeof(x)) &&
		skip(at, JWK_KID) && take(at, kid, size) && skip(at, JWK_END);
}

/*
 * Returns where the last key of the JWKS text ends, so that another can follow
 * it.  Refuses a text that this tool did not write, and a kid that is taken.
 */
static const char *
end_of_keys(const char *file, const char *text, const char *kid)
{
	char		other[sizeof(key->kid)];
	const char *at = text;
	bool		ours = skip(&at, JWKS_START);
	bool		more = strcmp(at, JWKS_END) != 0;
	const char *end = at;
	int			count = 0;

	while (ours && more)
	{
		if (++count == KEYS_MAX)
			fail(file, "holds %d keys, and the server reads no more: delete the lines of old ones", KEYS_MAX);
		ours = skip_public(&at, other, sizeof(other));
		if (ours && strcmp(other, kid) == 0)
			fail(file, "has a key \"%s\" already: give another --kid", kid);
		end = at;
		more = skip(&at, ",\n");
		ours = ours && (more || skip(&at, "\n"));
	}
	if (!ours || strcmp(at, JWKS_END) != 0)
		fail(file, "not written by toms-keys, which changes no other: "
			 "give --jwks a new file, then copy its key line into this one");
	return end;
}

/* Adds the public half after the keys that are there, which end at "end"; old "" stands for no file. */
static void
write_jwks(const char *file, const char *old, const char *end)
{
	size_t		size = strlen(old) + sizeof(key->text);
	char	   *text = allocate(size);
	const char *start = old[0] ? old : JWKS_START;
	int			len = old[0] ? (int) (end - old) : (int) strlen(JWKS_START);
	const char *comma = len > (int) strlen(JWKS_START) ? ",\n" : "";

	if (!old[0] && access(file, F_OK) == 0)
		fail(file, "came into being meanwhile: does --private name it too?");
	snprintf(text, size, "%.*s%s" JWK_X "%s" JWK_KID "%s" JWK_END "\n" JWKS_END,
			 len, start, comma, key->x, key->kid);
	replace_file(file, text, 0644);
	free(text);
}


/* ---- tokens ---- */

/* Appends base64url of the bytes to the string; the caller made room. */
static void
append_b64(char *token, const void *bytes, size_t len)
{
	sodium_bin2base64(token + strlen(token), B64_SIZE(len), bytes, len, B64);
}

/* Prints the compact JWS over the header and payload bytes as they stand. */
static void
print_token(const char *header, const char *payload, size_t payload_len)
{
	unsigned char signature[crypto_sign_BYTES];
	size_t		size = B64_SIZE(strlen(header)) + B64_SIZE(payload_len) + B64_SIZE(sizeof(signature)) + 2;
	char	   *token = allocate(size);

	token[0] = '\0';
	append_b64(token, header, strlen(header));
	strcat(token, ".");
	append_b64(token, payload, payload_len);
	crypto_sign_detached(signature, NULL, (const unsigned char *) token, strlen(token), key->sk);
	strcat(token, ".");
	append_b64(token, signature, sizeof(signature));
	print_line(token);
	free(token);
}


/* ---- commands ---- */

/* The lock on the folder makes two that add to one JWKS file wait for each other. */
void
command_new_token_key(const Given *opt)
{
	const char *jwks = opt[OPT_JWKS].values[0];
	const char *private = opt[OPT_PRIVATE].values[0];
	const char *kid = opt[OPT_KID].values[0];
	int			folder;
	const char *old;
	const char *end;

	if (strcmp(jwks, private) == 0)
		usage_error("new", "--jwks and --private name the same file");
	if (kid)
		check_kid(kid);
	key = allocate_secret(sizeof(Key));
	folder = open_folder(jwks);
	if (flock(folder, LOCK_EX) != 0)
		fail(jwks, "could not lock its folder: %s", strerror(errno));
	make_key(kid);
	old = read_jwks(jwks);
	end = old[0] ? end_of_keys(jwks, old, key->kid) : old;
	write_key(private);
	write_jwks(jwks, old, end);
	sync_folder(folder, jwks);
	print_line(key->kid);
}

void
command_mint(const Given *opt)
{
	char		header[KID_MAX + 64];
	const char *given_header = opt[OPT_HEADER].values[0];
	const char *payload = opt[OPT_PAYLOAD].values[0];
	char	   *input = NULL;
	size_t		len = strlen(payload);

	key = allocate_secret(sizeof(Key));
	read_key(opt[OPT_PRIVATE].values[0]);
	if (strcmp(payload, "-") == 0)
	{
		payload = input = allocate(PAYLOAD_MAX + 1);
		len = read_all(STDIN_FILENO, "standard input", input, PAYLOAD_MAX + 1);
	}
	snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"JWT\"}", key->kid);
	print_token(given_header ? given_header : header, payload, len);
	free(input);
}
