/*
 * key_file.c - the key files of a keyring: NAME.key, one line, "KIND <32 bytes in base64url>".
 *
 * Called by escrow.c and escrow_file.c.  The server writes these files and reads them; see
 * src/keyring/provider_file.c.  A key that is there is never overwritten.
 */
#include "escrow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX			".key"
#define KEY_BYTES		32

static const char *const kinds[] = {"ed25519 ", "epoch "};


/* ---- names, lines, sets ---- */

bool
is_key_name(const char *name)
{
	size_t		len = strlen(name);

	return len > 0 && len < NAME_SIZE && strspn(name, WORD_CHARS) == len && name[0] != '.' && name[0] != '-';
}

bool
take_line(const char **at, char line[LINE_SIZE])
{
	const char *start = *at;
	char		word[B64_SIZE(KEY_BYTES)];
	unsigned char bytes[KEY_BYTES];
	bool		good = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !good; i++)
		good = skip(at, kinds[i]);
	good = good && take(at, word, sizeof(word)) && decode(word, bytes, sizeof(bytes)) && skip(at, "\n");
	if (good)
		snprintf(line, LINE_SIZE, "%.*s", (int) (*at - start), start);
	sodium_memzero(word, sizeof(word));
	sodium_memzero(bytes, sizeof(bytes));
	return good;
}

void
fingerprint(char print[FINGERPRINT_SIZE], const char *text, size_t size)
{
	unsigned char hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *) text, size, NULL, 0);
	sodium_bin2hex(print, FINGERPRINT_SIZE, hash, sizeof(hash));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const KeyFile *) a)->name, ((const KeyFile *) b)->name);
}

const KeyFile *
find_key(const KeySet *set, const char *name)
{
	KeyFile		sought;

	if (!is_key_name(name))
		return NULL;
	snprintf(sought.name, sizeof(sought.name), "%s", name);
	return bsearch(&sought, set->keys, set->count, sizeof(KeyFile), compare_names);
}

bool
wanted(const Given *only, const char *name)
{
	for (int i = 0; i < only->count; i++)
	{
		if (strcmp(only->values[i], name) == 0)
			return true;
	}
	return only->count == 0;
}

void
check_only(const Given *only, const KeySet *set, const char *where)
{
	for (int i = 0; i < only->count; i++)
	{
		if (find_key(set, only->values[i]) == NULL)
			fail(where, "holds no key \"%s\"", only->values[i]);
	}
}


/* ---- the folder ---- */

static char *
path_of(const char *folder, const char *name)
{
	size_t		size = strlen(folder) + strlen(name) + sizeof("/" SUFFIX);
	char	   *path = allocate(size);

	snprintf(path, size, "%s/%s" SUFFIX, folder, name);
	return path;
}

static struct stat
stat_keyring(const char *folder)
{
	struct stat st;

	if (stat(folder, &st) != 0)
		fail(folder, "could not stat: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		fail(folder, "not a folder");
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		fail(folder, "group or others have access: chmod 0700, and think of new keys");
	return st;
}

/* The files that are left must be the server's: it refuses keys of another user. */
void
check_keyring(const char *folder)
{
	if (stat_keyring(folder).st_uid != geteuid())
		fail(folder, "belongs to another user: run this as its owner, the server's user");
}

/* Reads NAME.key; the server follows no link, so that neither does this. */
static void
read_key_file(const char *folder, KeyFile *key)
{
	char	   *path = path_of(folder, key->name);
	const char *at = key->line;
	char		line[LINE_SIZE];
	struct stat st;
	size_t		len;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		fail(path, "a symbolic link, and the server takes none");
	len = read_private(path, key->line, sizeof(key->line));
	if (!take_line(&at, line) || at != key->line + len)
		fail(path, "not a key file of toms");
	sodium_memzero(line, sizeof(line));
	fingerprint(key->fingerprint, key->line, len);
	free(path);
}

/* The name if the file is a key's: what ends otherwise is none, what is misnamed is told. */
static bool
take_name(const char *folder, const char *file, char name[NAME_SIZE])
{
	size_t		len = strlen(file);
	size_t		suffix = strlen(SUFFIX);

	if (len < suffix || strcmp(file + len - suffix, SUFFIX) != 0)
		return false;
	if (len - suffix < NAME_SIZE)
		snprintf(name, NAME_SIZE, "%.*s", (int) (len - suffix), file);
	if (len - suffix >= NAME_SIZE || !is_key_name(name))
		fail(folder, "\"%s\" is not the name of a key: take it out of the keyring", file);
	return true;
}

/* Copies the names, or counts them if there is no set yet. */
static int
list_names(const char *folder, const Given *only, KeySet *set)
{
	DIR		   *dir = opendir(folder);
	struct dirent *entry;
	char		name[NAME_SIZE];
	int			count = 0;

	if (dir == NULL)
		fail(folder, "could not open: %s", strerror(errno));
	while (errno = 0, (entry = readdir(dir)) != NULL)
	{
		if (!take_name(folder, entry->d_name, name) || !wanted(only, name))
			continue;
		if (set != NULL && count < set->count)
			memcpy(set->keys[count].name, name, NAME_SIZE);
		if (++count > KEYS_MAX)
			fail(folder, "holds more than %d keys", KEYS_MAX);
	}
	if (errno != 0)
		fail(folder, "could not read: %s", strerror(errno));
	closedir(dir);
	return count;
}

KeySet
read_keyring(const char *folder, const Given *only)
{
	KeySet		set;

	stat_keyring(folder);
	set.count = list_names(folder, only, NULL);
	set.keys = allocate_secret((set.count + 1) * sizeof(KeyFile));
	if (list_names(folder, only, &set) != set.count)
		fail(folder, "changed meanwhile: try again");
	qsort(set.keys, set.count, sizeof(KeyFile), compare_names);
	check_only(only, &set, folder);
	if (set.count == 0)
		fail(folder, "holds no key");
	for (int i = 0; i < set.count; i++)
		read_key_file(folder, &set.keys[i]);
	return set;
}

bool
has_key(const char *folder, const KeyFile *key)
{
	KeyFile    *there;
	char	   *path = path_of(folder, key->name);
	struct stat st;
	bool		exists = lstat(path, &st) == 0;

	if (!exists && errno != ENOENT)
		fail(path, "could not stat: %s", strerror(errno));
	if (exists)
	{
		there = allocate_secret(sizeof(KeyFile));
		*there = *key;
		read_key_file(folder, there);
		if (strcmp(there->fingerprint, key->fingerprint) != 0)
			fail(path, "exists with another key, and is never overwritten: nothing was restored");
	}
	free(path);
	return exists;
}

/* Under another name first, so that the server sees no key or a whole one. */
void
restore_key(const char *folder, const KeyFile *key)
{
	char	   *path = path_of(folder, key->name);
	size_t		size = strlen(path) + sizeof(".XXXXXX");
	char	   *temp = allocate(size);
	int			fd;

	snprintf(temp, size, "%s.XXXXXX", path);
	fd = mkstemp(temp);
	if (fd < 0)
		fail(path, "could not create a file beside it: %s", strerror(errno));
	unfinished(temp);
	if (fchmod(fd, 0600) != 0)
		fail(temp, "could not chmod: %s", strerror(errno));
	write_all(fd, temp, key->line);
	if (link(temp, path) != 0)
		fail(path, "could not create: %s", strerror(errno));
	if (unlink(temp) != 0)
		fail(temp, "could not remove: %s", strerror(errno));
	finished();
	free(temp);
	free(path);
}
