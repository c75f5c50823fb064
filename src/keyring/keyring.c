/*
 * keyring.c - where keys come from.
 *
 * Called by context for the key of toms.enter().  Keys are read when they are needed and
 * wiped with the caller's memory context; nothing is cached.
 */
#include "keyring/keyring_int.h"

#include "base/reason.h"
#include "utils/guc.h"

static char *keyring_directory = NULL;

void
toms_keyring_init(void)
{
	DefineCustomStringVariable("toms.keyring",
							   "Directory that holds the keys of toms.",
							   "Outside the data directory, owned by the server's user, mode 0700.",
							   &keyring_directory, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
}

bool
toms_keyring_configured(void)
{
	return keyring_directory != NULL && keyring_directory[0] != '\0';
}

static void
require_configured(void)
{
	if (!toms_keyring_configured())
	{
		TomsRefusal refusal = {.reason = TOMS_KEYRING,.detail = "toms.keyring is not set.",
		.hint = "ALTER SYSTEM SET toms.keyring = '/path/outside/the/data/directory'; SELECT pg_reload_conf();"};

		toms_refuse(&refusal);
	}
}

const uint8 *
toms_keyring_seed(const char *name)
{
	require_configured();
	return toms_keyring_file_seed(keyring_directory, name);
}

void
toms_keyring_create(const char *name)
{
	require_configured();
	toms_keyring_file_create(keyring_directory, name);
}
