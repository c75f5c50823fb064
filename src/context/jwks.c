/*
 * jwks.c - the key set of toms.jwks_file (RFC 7517), one for all backends.
 *
 * Called by token.c for every token.  The set lies in shared memory under TOMS_LOCK_JWKS.
 * Each backend looks at the file (stat) once in each second of the clock, when the
 * configuration is read again, and before it says that there is no such key; it is read
 * again when it has changed.  A file that is broken, gone or writable by others keeps the
 * former keys, says so in the log once, and shows in toms.status.  Keys of other kinds are
 * passed over, as the RFC demands; a private key in the file makes it a broken one.
 */
#include "context/context_int.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "base/json.h"
#include "base/lock.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define MAX_KEYS 64
#define MAX_FILE_BYTES 65536

typedef struct FileStamp
{
	uint64		path;			/* hash of its name */
	uint64		path_set;		/* 0: toms.jwks_file is empty */
	ino_t		inode;
	off_t		size;
	struct timespec modified;
	struct timespec changed;
} FileStamp;

typedef struct Key
{
	char		kid[128];
	uint8		bytes[TOMS_PUBLIC_KEY_BYTES];
} Key;

typedef struct KeySet
{
	FileStamp	stamp;			/* of the file looked at last, good or broken */
	TimestampTz loaded_at;		/* 0: never */
	char		problem[128];	/* of the file looked at last; empty: none */
	int			nkeys;
	Key			keys[MAX_KEYS];
} KeySet;

typedef struct SetWalk
{
	KeySet	   *set;
	char		kty[16];
	char		crv[16];
	char		kid[128];
	char		x[64];
	bool		private_part;
	bool		bad_kid;		/* not a string, or too long */
	bool		seen_keys;
	const char *problem;
} SetWalk;

static KeySet *shared = NULL;
static time_t looked_at = 0;	/* by this backend, at the file */

PG_FUNCTION_INFO_V1(toms_jwks_state);

Size
toms_jwks_shmem_size(void)
{
	return MAXALIGN(sizeof(KeySet));
}

void
toms_jwks_shmem_init(bool found, void *area)
{
	shared = area;
	if (!found)
		memset(shared, 0, sizeof(KeySet));
}

/* One object of "keys" is complete: take it, pass over it, or find it broken. */
static const char *
take_key(SetWalk *walk)
{
	KeySet	   *set = walk->set;
	Key		   *key = &set->keys[set->nkeys];
	size_t		written;

	if (strcmp(walk->kty, "OKP") != 0 || strcmp(walk->crv, "Ed25519") != 0)
		return NULL;
	if (walk->private_part)
		return "it holds a private key";
	if (walk->bad_kid || walk->kid[0] == '\0')
		return "a key has no \"kid\" of at most 127 bytes";
	if (strcmp(walk->kid, TOMS_ENTER_KID) == 0)
		return "a key has the reserved \"kid\" " TOMS_ENTER_KID;
	for (int i = 0; i < set->nkeys; i++)
	{
		if (strcmp(set->keys[i].kid, walk->kid) == 0)
			return "two keys have the same \"kid\"";
	}
	if (set->nkeys == MAX_KEYS)
		return "it holds too many keys";
	if (!toms_base64url_decode(walk->x, strlen(walk->x), key->bytes, sizeof(key->bytes), &written) ||
		written != sizeof(key->bytes))
		return "the \"x\" of a key is not 32 bytes of base64url";
	strlcpy(key->kid, walk->kid, sizeof(key->kid));
	set->nkeys++;
	return NULL;
}

static bool
copy_member(char *to, size_t size, const TomsJsonItem *item)
{
	return item->event == TOMS_JSON_STRING && strlcpy(to, item->text, size) < size;
}

/* {"keys": [{…}, …]}: depth 2 is a key, depth 3 its members. */
static bool
visit_set(void *arg, const TomsJsonItem *item)
{
	SetWalk    *walk = arg;
	const char *name = item->names[item->depth];

	if (strcmp(item->names[1], "keys") != 0)
		return true;
	if (item->depth == 1 && item->event == TOMS_JSON_ARRAY_START)
		walk->seen_keys = true;
	else if (item->depth == 2 && item->event == TOMS_JSON_OBJECT_START)
	{
		walk->kty[0] = walk->crv[0] = walk->kid[0] = walk->x[0] = '\0';
		walk->private_part = walk->bad_kid = false;
	}
	else if (item->depth == 2 && item->event == TOMS_JSON_OBJECT_END)
		walk->problem = take_key(walk);
	else if (item->depth == 3 && name && strcmp(name, "kty") == 0)
		(void) copy_member(walk->kty, sizeof(walk->kty), item);
	else if (item->depth == 3 && name && strcmp(name, "crv") == 0)
		(void) copy_member(walk->crv, sizeof(walk->crv), item);
	else if (item->depth == 3 && name && strcmp(name, "kid") == 0)
		walk->bad_kid = !copy_member(walk->kid, sizeof(walk->kid), item);
	else if (item->depth == 3 && name && strcmp(name, "x") == 0)
		(void) copy_member(walk->x, sizeof(walk->x), item);
	else if (item->depth == 3 && name && strcmp(name, "d") == 0)
		walk->private_part = true;
	return walk->problem == NULL;
}

static void
take_stamp(const char *path, FileStamp *stamp, struct stat *st)
{
	memset(stamp, 0, sizeof(*stamp));
	stamp->path_set = path[0] != '\0';
	stamp->path = hash_bytes_extended((const unsigned char *) path, strlen(path), 0);
	if (st)
	{
		stamp->inode = st->st_ino;
		stamp->size = st->st_size;
		stamp->modified = st->st_mtim;
		stamp->changed = st->st_ctim;
	}
}

/*
 * Read and parse into "set"; returns what is wrong with the file, or NULL.  "transient":
 * what is wrong is this server's moment (too many open files), not the file.
 */
static const char *
read_key_set(const char *path, KeySet *set, bool *transient)
{
	SetWalk    *walk = palloc0(sizeof(SetWalk));
	char	   *text = palloc(MAX_FILE_BYTES + 1);
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat st;
	ssize_t		length;
	const char *problem;

	*transient = fd < 0 && errno != ENOENT && errno != EACCES;
	if (fd < 0 || fstat(fd, &st) < 0)
		return psprintf("it cannot be read: %s", strerror(errno));
	length = S_ISREG(st.st_mode) ? read(fd, text, MAX_FILE_BYTES + 1) : -1;
	CloseTransientFile(fd);
	if (length < 0)
		return "it cannot be read";
	if (length > MAX_FILE_BYTES)
		return "it is too large";
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return "others than root and the server's user can change it";
	walk->set = set;
	problem = toms_json_walk(text, length, visit_set, walk);
	if (problem == NULL && !walk->seen_keys)
		problem = "it has no list \"keys\"";
	return walk->problem ? walk->problem : problem;
}

/* Replace the shared set, or keep its keys and note what is wrong with the new file. */
static void
install(const FileStamp *stamp, const KeySet *fresh, const char *problem)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_JWKS), LW_EXCLUSIVE);
	if (problem == NULL)
	{
		shared->nkeys = fresh->nkeys;
		memcpy(shared->keys, fresh->keys, sizeof(fresh->keys));
		shared->loaded_at = stamp->path_set ? GetCurrentTimestamp() : 0;
	}
	strlcpy(shared->problem, problem ? problem : "", sizeof(shared->problem));
	shared->stamp = *stamp;
	LWLockRelease(toms_lock(TOMS_LOCK_JWKS));
}

static bool
is_current(const FileStamp *stamp)
{
	bool		current;

	LWLockAcquire(toms_lock(TOMS_LOCK_JWKS), LW_SHARED);
	current = memcmp(&shared->stamp, stamp, sizeof(FileStamp)) == 0;
	LWLockRelease(toms_lock(TOMS_LOCK_JWKS));
	return current;
}

static void
refresh(void)
{
	const char *path = toms_settings_jwks_file();
	struct stat st;
	FileStamp	stamp;
	KeySet	   *fresh;
	const char *problem = NULL;
	bool		transient = false;
	MemoryContext work;
	MemoryContext old;

	looked_at = time(NULL);
	take_stamp(path, &stamp, path[0] && stat(path, &st) == 0 ? &st : NULL);
	if (is_current(&stamp))
		return;

	work = AllocSetContextCreate(CurrentMemoryContext, "toms key set", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	fresh = palloc0(sizeof(KeySet));
	if (path[0])
		problem = read_key_set(path, fresh, &transient);
	if (problem)
		ereport(LOG_SERVER_ONLY,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("toms.jwks_file \"%s\" is not used: %s; the keys read before stay in force", path, problem),
				 errhidestmt(true)));
	if (!transient)
		install(&stamp, fresh, problem);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

void
toms_jwks_look_again(void)
{
	looked_at = 0;
}

static TomsKeyLookup
look_up(const char *kid, uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	TomsKeyLookup result;

	LWLockAcquire(toms_lock(TOMS_LOCK_JWKS), LW_SHARED);
	result = shared->nkeys == 0 ? TOMS_KEY_NONE_CONFIGURED :
		kid == NULL && shared->nkeys > 1 ? TOMS_KEY_AMBIGUOUS : TOMS_KEY_NOT_FOUND;
	for (int i = 0; i < shared->nkeys && result == TOMS_KEY_NOT_FOUND; i++)
	{
		if (kid == NULL || strcmp(shared->keys[i].kid, kid) == 0)
		{
			memcpy(key, shared->keys[i].bytes, TOMS_PUBLIC_KEY_BYTES);
			result = TOMS_KEY_FOUND;
		}
	}
	LWLockRelease(toms_lock(TOMS_LOCK_JWKS));
	return result;
}

TomsKeyLookup
toms_jwks_find(const char *kid, uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	TomsKeyLookup result = time(NULL) != looked_at ? TOMS_KEY_NOT_FOUND : look_up(kid, key);

	if (result != TOMS_KEY_FOUND)
	{
		refresh();
		result = look_up(kid, key);
	}
	return result;
}

/* toms.jwks_state(): number of keys, when they were read, what is wrong with the file. */
Datum
toms_jwks_state(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	char		problem[sizeof(shared->problem)];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	refresh();
	LWLockAcquire(toms_lock(TOMS_LOCK_JWKS), LW_SHARED);
	values[0] = Int32GetDatum(shared->nkeys);
	values[1] = TimestampTzGetDatum(shared->loaded_at);
	nulls[1] = shared->loaded_at == 0;
	strlcpy(problem, shared->problem, sizeof(problem));
	LWLockRelease(toms_lock(TOMS_LOCK_JWKS));
	values[2] = CStringGetTextDatum(problem);
	nulls[2] = problem[0] == '\0';
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
