/*
 * provider_file.c - keys as files of a directory.
 *
 * A key file <name>.key holds one line, "ed25519 <seed in base64url>", mode 0600, owned
 * by the server's user.  It is written under another name, flushed, then linked to its
 * own, so that a crash leaves either no key or a whole one and nobody overwrites a key.
 * What others could read or write is not a key any more and is refused, never repaired.
 */
#include "keyring/keyring_int.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/debug_point.h"
#include "base/reason.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "storage/fd.h"

#define KEY_PREFIX "ed25519 "
#define KEY_FILE_BYTES 128

static void
refuse_path(const char *path, const char *problem)
{
	TomsRefusal refusal = {.reason = TOMS_KEYRING,.detail = psprintf("\"%s\": %s", path, problem),
	.hint = "The keyring is a directory of the server's user with mode 0700 outside the data directory, its files have mode 0600."};

	toms_refuse(&refusal);
}

static bool
lies_below(const char *path, const char *directory)
{
	size_t		length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Owner and mode of what must be the server's alone. */
static const char *
not_private(const struct stat *st)
{
	if (st->st_uid != geteuid())
		return "it belongs to another user than the server's";
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return "others than its owner have access to it";
	return NULL;
}

static void
check_directory(const char *directory)
{
	char		keyring[PATH_MAX];
	char		data[PATH_MAX];
	struct stat st;

	if (directory[0] != '/')
		refuse_path(directory, "the path is not absolute");
	if (realpath(directory, keyring) == NULL || stat(keyring, &st) < 0)
		refuse_path(directory, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		refuse_path(directory, "it is not a directory");
	if (not_private(&st))
		refuse_path(directory, not_private(&st));
	if (realpath(DataDir, data) != NULL && lies_below(keyring, data))
		refuse_path(directory, "it lies inside the data directory");
}

/* Reads the whole file into locked memory; NULL if there is none. */
static char *
read_file(const char *path, size_t *length)
{
	char	   *text = toms_secret_alloc(CurrentMemoryContext, KEY_FILE_BYTES);
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | PG_BINARY);
	struct stat st;
	ssize_t		got;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		refuse_path(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		refuse_path(path, "it is not a regular file");
	if (not_private(&st))
		refuse_path(path, not_private(&st));
	got = read(fd, text, KEY_FILE_BYTES);
	if (got < 0)
		refuse_path(path, strerror(errno));
	CloseTransientFile(fd);
	*length = got;
	return text;
}

const uint8 *
toms_keyring_file_seed(const char *directory, const char *name)
{
	char	   *path = psprintf("%s/%s.key", directory, name);
	size_t		prefix = strlen(KEY_PREFIX);
	size_t		length;
	size_t		written;
	uint8	   *seed;
	char	   *text;

	check_directory(directory);
	text = read_file(path, &length);
	if (text == NULL)
		return NULL;
	seed = toms_secret_alloc(CurrentMemoryContext, TOMS_SEED_BYTES);
	if (length <= prefix + 1 || length == KEY_FILE_BYTES || text[length - 1] != '\n' ||
		memcmp(text, KEY_PREFIX, prefix) != 0 ||
		!toms_base64url_decode(text + prefix, length - prefix - 1, seed, TOMS_SEED_BYTES, &written) ||
		written != TOMS_SEED_BYTES)
		refuse_path(path, "it is not a key file of toms");
	return seed;
}

static void
write_file(const char *path, const char *text)
{
	int			fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY,
										   S_IRUSR | S_IWUSR);

	if (fd < 0)
		refuse_path(path, strerror(errno));
	errno = 0;
	if ( write(fd, text, strlen(text)) != (ssize_t) strlen(text) ||
		pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
	{
		int			save_errno = errno ? errno : ENOSPC;	/* a short write sets none */

		unlink(path);
		refuse_path(path, strerror(save_errno));
	}
}

void
toms_keyring_file_create(const char *directory, const char *name)
{
	char	   *path = psprintf("%s/%s.key", directory, name);
	char	   *temporary = psprintf("%s/%s.%d.new", directory, name, MyProcPid);
	uint8	   *seed = toms_secret_alloc(CurrentMemoryContext, TOMS_SEED_BYTES);
	char	   *line = toms_secret_alloc(CurrentMemoryContext, KEY_FILE_BYTES);
	char	   *encoded;

	check_directory(directory);
	if (access(path, F_OK) == 0)
		return;
	toms_crypto_random(seed, TOMS_SEED_BYTES);
	encoded = toms_base64url_encode(seed, TOMS_SEED_BYTES);
	snprintf(line, KEY_FILE_BYTES, KEY_PREFIX "%s\n", encoded);
	toms_secret_wipe(encoded, strlen(encoded));

	unlink(temporary);
	write_file(temporary, line);
	TOMS_DEBUG_POINT("keyring-before-link");
	if (link(temporary, path) < 0 && errno != EEXIST)
	{
		int			save_errno = errno;

		unlink(temporary);
		refuse_path(path, strerror(save_errno));
	}
	unlink(temporary);
	if (fsync_fname_ext(directory, true, false, LOG) != 0)
		refuse_path(directory, strerror(errno));
}
