/*
 * keyring.c - where keys come from: settings, the choice of a provider, the form of a key.
 *
 * Called by epoch.c, and for keys that are used by their names by context, audit and rights.
 * Keys are read when they are needed and wiped with the caller's memory context; only epoch.c
 * caches any.  A key of a name is durable, and where toms.keyring_sync_command brings it, before
 * it is used.
 */
#include "keyring/keyring_int.h"

#include "access/xlog.h"
#include "base/debug_point.h"
#include "base/reason.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "utils/guc.h"

static char *keyring_directory = NULL;
static char *keyring_command = NULL;

static const char *const kind_names[] = {
	[TOMS_KEY_SIGNING] = "ed25519",
	[TOMS_KEY_EPOCH] = "epoch",
};

/* Keys of the former place must not be used any more. */
static void
assign_place(const char *newval, void *extra)
{
	toms_epoch_forget();
}

/* Says at the server's start what will be refused from then on. */
static void
warn_of_problem(void)
{
	char	   *problem = toms_keyring_configured() ? toms_keyring_problem(false) : NULL;

	if (problem)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the keyring of toms cannot be used: %s", problem),
				 errdetail("What is sealed stays closed, and toms.enter() is refused."),
				 errhint("SELECT * FROM toms.check_keyring(); tells what is missing.")));
}

void
toms_keyring_init(void)
{
	DefineCustomStringVariable("toms.keyring",
							   "Directory that holds the keys of toms.",
							   "Outside the data directory, owned by the server's user, mode 0700.",
							   &keyring_directory, "", PGC_SIGHUP, 0,
							   NULL, assign_place, NULL);
	DefineCustomStringVariable("toms.keyring_command",
							   "Program that keeps the keys of toms, instead of a directory.",
							   "An absolute path; it is run without a shell as PROGRAM get, create or destroy, and the key's name.",
							   &keyring_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, assign_place, NULL);
	toms_key_program_init();
	toms_keyring_sync_init();
	toms_epoch_init();
	toms_epoch_destroy_init();
	warn_of_problem();
}

static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

bool
toms_keyring_configured(void)
{
	return is_set(keyring_directory) || is_set(keyring_command);
}

/* The provider that the settings name and its location; or NULL, and what is wrong with them. */
static const TomsKeyProvider *
choose(const char **location, char **problem)
{
	*problem = NULL;
	if (is_set(keyring_directory) && is_set(keyring_command))
		*problem = pstrdup("toms.keyring and toms.keyring_command are both set.");
	else if (!toms_keyring_configured())
		*problem = pstrdup("toms.keyring is not set.");
	if (*problem)
		return NULL;
	*location = is_set(keyring_command) ? keyring_command : keyring_directory;
	return is_set(keyring_command) ? &toms_key_program : &toms_key_directory;
}

/* What to do about a problem of the settings, else of the provider. */
static const char *
problem_hint(void)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);

	if (provider)
		return provider->hint;
	if (toms_keyring_configured())
		return "ALTER SYSTEM RESET toms.keyring; or RESET toms.keyring_command; then SELECT pg_reload_conf();";
	return "ALTER SYSTEM SET toms.keyring = '/path/outside/the/data/directory'; SELECT pg_reload_conf();";
}

void
toms_keyring_refuse(const char *problem)
{
	TomsRefusal refusal = {.reason = TOMS_KEYRING,.detail = problem,.hint = problem_hint()};

	toms_refuse(&refusal);
}

char *
toms_keyring_problem(bool writing)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);

	return provider ? provider->problem(location, writing) : problem;
}

/* False if the line is not that of a key of this kind. */
static bool
parse_line(const char *line, TomsKeyKind kind, uint8 key[TOMS_KEY_BYTES])
{
	size_t		prefix = strlen(kind_names[kind]);
	size_t		length = strlen(line);
	size_t		written;

	return length > prefix + 2 && line[length - 1] == '\n' &&
		memcmp(line, kind_names[kind], prefix) == 0 && line[prefix] == ' ' &&
		toms_base64url_decode(line + prefix + 1, length - prefix - 2, key, TOMS_KEY_BYTES, &written) &&
		written == TOMS_KEY_BYTES;
}

const uint8 *
toms_key_read(const char *name, TomsKeyKind kind, char **problem)
{
	const char *location;
	const TomsKeyProvider *provider = choose(&location, problem);
	char	   *line = provider ? provider->read(location, name, problem) : NULL;
	uint8	   *key;

	if (line == NULL)
		return NULL;
	key = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_BYTES);
	if (!parse_line(line, kind, key))
	{
		*problem = psprintf("\"%s\": it is not a key of toms", provider->place(location, name));
		return NULL;
	}
	return key;
}

/* A random key of its kind, as the line that a provider keeps. */
static char *
random_line(TomsKeyKind kind)
{
	uint8	   *key = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_BYTES);
	char	   *line = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_LINE_BYTES);
	char	   *encoded;

	toms_crypto_random(key, TOMS_KEY_BYTES);
	encoded = toms_base64url_encode(key, TOMS_KEY_BYTES);
	snprintf(line, TOMS_KEY_LINE_BYTES, "%s %s\n", kind_names[kind], encoded);
	toms_secret_wipe(encoded, strlen(encoded));
	return line;
}

bool		(*toms_keyring_is_foreign) (void) = NULL;

static void
refuse_foreign(void)
{
	if (toms_keyring_is_foreign && toms_keyring_is_foreign())
		toms_keyring_refuse("This node is not one of those that work with this data: it makes and destroys no keys.");
}

/* Not used yet: it may not be durable, and the command has not brought it elsewhere. */
static void
make_key(const char *name, TomsKeyKind kind)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);

	refuse_foreign();
	if (provider == NULL)
		toms_keyring_refuse(problem);
	problem = provider->problem(location, true);
	if (problem == NULL && kind == TOMS_KEY_SIGNING)
		problem = toms_keyring_mark_unsynced(name);
	if (problem == NULL)
		problem = provider->create(location, name, random_line(kind));
	if (problem)
		toms_keyring_refuse(problem);
	TOMS_DEBUG_POINT("keyring-before-sync");
}

/* See that a key stays, and bring it to where it is needed too; returns what went wrong. */
static char *
sync_key(const char *name)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);
	bool		is_file = provider == &toms_key_directory;

	if (provider)
		problem = provider->keep(location);
	if (problem)
		return problem;
	return toms_keyring_sync(is_file ? provider->place(location, name) : NULL,
							 is_file ? psprintf("%s.key", name) : name);
}

static void refuse_unsynced(const char *problem, const char *hint) __attribute__((noreturn));

static void
refuse_unsynced(const char *problem, const char *hint)
{
	TomsRefusal refusal = {.reason = TOMS_KEYRING,.detail = problem,.hint = hint};

	toms_refuse(&refusal);
}

/* One that could not be destroyed does no harm: nothing was sealed with it. */
static void
discard_key(const char *name)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);

	if (provider)
		provider->destroy(location, name);
}

/* Its row is written afterwards: whatever ends this before, nobody uses the key. */
void
toms_key_create_epoch(const char *name)
{
	char	   *problem;

	make_key(name, TOMS_KEY_EPOCH);
	PG_TRY();
	{
		problem = sync_key(name);
	}
	PG_CATCH();
	{
		discard_key(name);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (problem)
	{
		discard_key(name);
		refuse_unsynced(problem, "The new key was destroyed again; what toms.keyring_sync_command said is in the server's log.");
	}
}

void
toms_key_destroy(const char *name)
{
	const char *location;
	char	   *problem;
	const TomsKeyProvider *provider = choose(&location, &problem);

	refuse_foreign();
	if (provider == NULL)
		toms_keyring_refuse(problem);
	problem = provider->destroy(location, name);
	if (problem)
		toms_keyring_refuse(problem);
}

/* What was begun with a new key, by a server that was killed for instance, is finished before the key is used. */
static void
sync_if_marked(const char *name)
{
	char	   *problem;

	if (!toms_keyring_is_marked_unsynced(name) || RecoveryInProgress() || (toms_keyring_is_foreign && toms_keyring_is_foreign()))
		return;
	problem = sync_key(name);
	if (problem)
		refuse_unsynced(problem, "The key is not used before this succeeds, which is tried again whenever it is needed; what toms.keyring_sync_command said is in the server's log.");
	toms_keyring_mark_synced(name);
}

const uint8 *
toms_keyring_seed(const char *name)
{
	char	   *problem;
	const uint8 *seed = toms_key_read(name, TOMS_KEY_SIGNING, &problem);

	if (problem)
		toms_keyring_refuse(problem);
	if (seed)
		sync_if_marked(name);
	return seed;
}

void
toms_keyring_create(const char *name)
{
	if (toms_keyring_seed(name))
		return;
	make_key(name, TOMS_KEY_SIGNING);
	TOMS_DEBUG_POINT("keyring-before-use");
	sync_if_marked(name);
}
