/*
 * toms-keys.c
 *		Makes the Ed25519 keys that sign tokens for toms, and signs with them.
 *
 * Run by the administrator ("new": a private JWK for the application's back end,
 * its public half into the JWKS file that toms.jwks_file names) and by tests and
 * shell jobs ("mint").  Formats: RFC 7517 (JWK), RFC 8037 (Ed25519), RFC 7638
 * (thumbprint), RFC 7515 (compact JWS).
 *
 * It never overwrites a private key, never changes a JWKS file of another origin,
 * never takes key material from the command line, never prints any, and reads
 * only private files that it wrote itself: hence the strict scan by template in
 * place of a JSON parser.  It needs libsodium and no PostgreSQL.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TOMS_VERSION
#define TOMS_VERSION "unknown"
#endif

#define B64				sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define B64_SIZE(n)		sodium_base64_ENCODED_LEN(n, B64)	/* with the final NUL */

#define KID_CHARS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:"
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

/* Everything that is secret; lives in sodium_malloc memory only. */
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

typedef struct Options
{
	const char *jwks;
	const char *private;
	const char *kid;
	const char *payload;
	const char *header;
} Options;

static Key *key = NULL;

/* Files that a failure must take away again. */
static const char *unfinished_private = NULL;
static const char *unfinished_jwks = NULL;

static const char *const help =
"toms-keys makes and uses the Ed25519 keys that sign tokens for toms.\n"
"\n"
"  toms-keys new --jwks FILE --private FILE [--kid KID]\n"
"      make a key pair: the private JWK into a new file (mode 0600), the public one\n"
"      into the JWKS file, beside the keys that are there; prints the kid\n"
"  toms-keys mint --private FILE --payload JSON|- [--header JSON]\n"
"      sign the payload as it stands (-: standard input); prints the token\n"
"  toms-keys --version | --help\n";


/* ---- leaving ---- */

/* Runs at every exit: wipes the key, removes what was left half done. */
static void
clean_up(void)
{
	sodium_free(key);
	if (unfinished_private)
		unlink(unfinished_private);
	if (unfinished_jwks)
		unlink(unfinished_jwks);
}

/* Ends with exit code 1 and "toms-keys: FILE: reason". */
static void fail(const char *file, const char *reason,...)
			__attribute__((noreturn, format(printf, 2, 3)));

static void
fail(const char *file, const char *reason,...)
{
	va_list		args;

	fprintf(stderr, "toms-keys: %s: ", file);
	va_start(args, reason);
	vfprintf(stderr, reason, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Ends with exit code 2: the command line cannot be carried out. */
static void usage_error(const char *what, const char *reason) __attribute__((noreturn));

static void
usage_error(const char *what, const char *reason)
{
	fprintf(stderr, "toms-keys: %s: %s\ntry \"toms-keys --help\"\n", what, reason);
	exit(2);
}

static void *
allocate(size_t size)
{
	void	   *memory = malloc(size);

	if (memory == NULL)
		fail("memory", "%s", strerror(errno));
	return memory;
}


/* ---- files ---- */

/* Reads to the end of the file and adds a NUL; returns the length without it. */
static size_t
read_all(int fd, const char *file, char *buf, size_t size)
{
	size_t		len = 0;
	ssize_t		got;

	while ((got = read(fd, buf + len, size - len)) != 0)
	{
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail(file, "could not read: %s", strerror(errno));
		len += got;
		if (len == size)
			fail(file, "larger than %zu bytes", size - 1);
	}
	buf[len] = '\0';
	return len;
}

/* Writes the text, makes it durable and closes the file; by write(2), since stdio would keep a copy. */
static void
write_all(int fd, const char *file, const char *text)
{
	size_t		left = strlen(text);

	while (left > 0)
	{
		ssize_t		done = write(fd, text, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			fail(file, "could not write: %s", strerror(errno));
		text += done;
		left -= done;
	}
	if (fsync(fd) != 0)
		fail(file, "could not fsync: %s", strerror(errno));
	if (close(fd) != 0)
		fail(file, "could not close: %s", strerror(errno));
}

/* Opens the folder that holds the file. */
static int
open_folder(const char *file)
{
	char	   *copy = allocate(strlen(file) + 1);
	int			fd;

	strcpy(copy, file);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(file, "could not open its folder: %s", strerror(errno));
	free(copy);
	return fd;
}

static void
sync_folder(int fd, const char *file)
{
	if (fsync(fd) != 0)
		fail(file, "could not fsync its folder: %s", strerror(errno));
	close(fd);
}


/* ---- scanning what this tool wrote ---- */

/* Steps over the text given; false, and no step, if something else stands there. */
static bool
skip(const char **at, const char *text)
{
	size_t		len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Copies a value (x, d or kid: their letters need no escapes); false if there is none or it is too long. */
static bool
take(const char **at, char *into, size_t size)
{
	size_t		len = strspn(*at, KID_CHARS);

	if (len == 0 || len >= size)
		return false;
	memcpy(into, *at, len);
	into[len] = '\0';
	*at += len;
	return true;
}

/* True if the value is the base64url form of 32 bytes, which it leaves in "into". */
static bool
decode_32(const char *value, unsigned char *into)
{
	size_t		len;

	return sodium_base642bin(into, 32, value, strlen(value), NULL, &len, NULL, B64) == 0 && len == 32;
}


/* ---- keys ---- */

/* Checks a kid given by hand: it is printed into JSON unescaped. */
static void
check_kid(const char *kid)
{
	size_t		len = strlen(kid);

	if (len == 0 || len > KID_MAX || strspn(kid, KID_CHARS) != len)
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

/* Writes the private half into a file that did not exist; makes it durable. */
static void
write_private(const char *file)
{
	int			folder = open_folder(file);
	int			fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		fail(file, "exists, and a private key is never overwritten");
	if (fd < 0)
		fail(file, "could not create: %s", strerror(errno));
	unfinished_private = file;
	if (fchmod(fd, 0600) != 0)	/* a narrow umask may have taken the owner's bits */
		fail(file, "could not chmod: %s", strerror(errno));
	snprintf(key->text, sizeof(key->text), JWK_X "%s" JWK_D "%s" JWK_KID "%s" JWK_END "\n",
			 key->x, key->d, key->kid);
	write_all(fd, file, key->text);
	sync_folder(folder, file);
}

/* Opens a private file; one that others could read or change is refused. */
static int
open_private(const char *file)
{
	struct stat st;
	int			fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(file, "could not open: %s", strerror(errno));
	if (fstat(fd, &st) != 0)
		fail(file, "could not stat: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		fail(file, "not a regular file");
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		fail(file, "group or others have access: chmod 0600, and think of a new key");
	return fd;
}

/* Fills the key from a private file, which must be as write_private() left it. */
static void
read_private(const char *file)
{
	int			fd = open_private(file);
	size_t		len = read_all(fd, file, key->text, sizeof(key->text));
	const char *at = key->text;

	close(fd);
	if (!skip(&at, JWK_X) || !take(&at, key->x, sizeof(key->x)) ||
		!skip(&at, JWK_D) || !take(&at, key->d, sizeof(key->d)) ||
		!skip(&at, JWK_KID) || !take(&at, key->kid, sizeof(key->kid)) ||
		!skip(&at, JWK_END "\n") || at != key->text + len ||
		!decode_32(key->d, key->seed))
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

/* Puts the text in the place of the file in one step: readers see the old or the new set. */
static void
replace_file(const char *file, const char *text)
{
	size_t		size = strlen(file) + sizeof(".XXXXXX");
	char	   *temp = allocate(size);
	int			fd;

	snprintf(temp, size, "%s.XXXXXX", file);
	fd = mkstemp(temp);
	if (fd < 0)
		fail(file, "could not create a file beside it: %s", strerror(errno));
	unfinished_jwks = temp;
	if (fchmod(fd, 0644) != 0)
		fail(temp, "could not chmod: %s", strerror(errno));
	write_all(fd, temp, text);
	if (rename(temp, file) != 0)
		fail(file, "could not replace: %s", strerror(errno));
	unfinished_jwks = unfinished_private = NULL;
	free(temp);
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
	replace_file(file, text);
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
	if (puts(token) < 0 || fflush(stdout) != 0)
		fail("standard output", "could not write: %s", strerror(errno));
	free(token);
}


/* ---- commands ---- */

/* The lock on the folder makes two that add to one JWKS file wait for each other. */
static void
command_new(const Options *opt)
{
	int			folder;
	const char *old;
	const char *end;

	if (!opt->jwks || !opt->private)
		usage_error("new", "needs --jwks and --private");
	if (opt->payload || opt->header)
		usage_error("new", "takes no --payload and no --header");
	if (strcmp(opt->jwks, opt->private) == 0)
		usage_error("new", "--jwks and --private name the same file");
	if (opt->kid)
		check_kid(opt->kid);
	folder = open_folder(opt->jwks);
	if (flock(folder, LOCK_EX) != 0)
		fail(opt->jwks, "could not lock its folder: %s", strerror(errno));
	make_key(opt->kid);
	old = read_jwks(opt->jwks);
	end = old[0] ? end_of_keys(opt->jwks, old, key->kid) : old;
	write_private(opt->private);
	write_jwks(opt->jwks, old, end);
	sync_folder(folder, opt->jwks);
	if (puts(key->kid) < 0 || fflush(stdout) != 0)
		fail("standard output", "could not write: %s", strerror(errno));
}

static void
command_mint(const Options *opt)
{
	char		header[KID_MAX + 64];
	char	   *input = NULL;
	const char *payload = opt->payload;
	size_t		len;

	if (!opt->private || !payload)
		usage_error("mint", "needs --private and --payload");
	if (opt->jwks || opt->kid)
		usage_error("mint", "takes no --jwks and no --kid");
	read_private(opt->private);
	len = strlen(payload);
	if (strcmp(payload, "-") == 0)
	{
		payload = input = allocate(PAYLOAD_MAX + 1);
		len = read_all(STDIN_FILENO, "standard input", input, PAYLOAD_MAX + 1);
	}
	snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"JWT\"}", key->kid);
	print_token(opt->header ? opt->header : header, payload, len);
	free(input);
}

/* Reads the options that follow the command; each has a value and stands once at most. */
static Options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"jwks", required_argument, NULL, 0},
		{"private", required_argument, NULL, 0},
		{"kid", required_argument, NULL, 0},
		{"payload", required_argument, NULL, 0},
		{"header", required_argument, NULL, 0},
		{NULL, 0, NULL, 0}
	};
	Options		opt = {0};
	const char **values[] = {&opt.jwks, &opt.private, &opt.kid, &opt.payload, &opt.header};
	int			which = 0;
	int			found;

	opterr = 0;
	while ((found = getopt_long(argc, argv, "+", names, &which)) != -1)
	{
		if (found != 0)
			usage_error(argv[optind - 1], "unknown option, or its value is missing");
		if (*values[which])
			usage_error(names[which].name, "given twice");
		*values[which] = optarg;
	}
	if (optind < argc)
		usage_error(argv[optind], "an argument too many");
	return opt;
}

int
main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	bool		is_new = strcmp(command, "new") == 0;
	Options		opt;

	if (strcmp(command, "--help") == 0)
		return fputs(help, stdout) < 0;
	if (strcmp(command, "--version") == 0)
		return puts("toms-keys " TOMS_VERSION) < 0;
	if (!is_new && strcmp(command, "mint") != 0)
		usage_error(argc > 1 ? command : "no command", "must be new or mint");
	opt = read_options(argc - 1, argv + 1);
	if (sodium_init() < 0 || (key = sodium_malloc(sizeof(Key))) == NULL)
		fail("libsodium", "could not be set up: %s", strerror(errno));
	if (atexit(clean_up) != 0)
		fail("memory", "%s", strerror(errno));
	if (is_new)
		command_new(&opt);
	else
		command_mint(&opt);
	return 0;
}
