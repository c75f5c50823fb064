/*
 * enabled.c - which tenants have enabled which optional categories.
 *
 * Called by policy/qual.c for rows that are to be written, once for each call site and change:
 * an answer costs one hash look-up.  Answers are thrown away together, with everything else that
 * cache.c holds; one that was overtaken by a change while it was read is not kept.
 */
#include "catalog/catalog_int.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"

typedef struct EnabledKey
{
	char		tenant[256];
	char		category[NAMEDATALEN];
} EnabledKey;

typedef struct EnabledEntry
{
	EnabledKey	key;			/* hash key, the rest of both texts zeros */
	bool		enabled;
} EnabledEntry;

/* The columns of toms.enabled_category that are read here, by position. */
enum
{
	ENABLED_CATEGORY = 3,
	ENABLED_DISABLED_AT
};

static HTAB *answers = NULL;
static uint64 forgotten = 1;	/* how often */

void
toms_enabled_forget(void)
{
	forgotten++;
}

static void
take_category(const Datum *values, const bool *nulls, void *answer)
{
	EnabledEntry *entry = answer;

	if (nulls[ENABLED_DISABLED_AT - 1] &&
		strcmp(TextDatumGetCString(values[ENABLED_CATEGORY - 1]), entry->key.category) == 0)
		entry->enabled = true;
}

static void
begin_anew(void)
{
	HASHCTL		control = {.keysize = sizeof(EnabledKey),.entrysize = sizeof(EnabledEntry)};

	if (answers)
		hash_destroy(answers);
	answers = NULL;
	answers = hash_create("toms enabled categories", 64, &control, HASH_ELEM | HASH_BLOBS);
}

bool
toms_catalog_enabled(const char *tenant, const char *category)
{
	static uint64 known = 0;
	EnabledEntry answer = {.enabled = false};
	EnabledEntry *entry;

	if (known != forgotten)
		begin_anew();
	known = forgotten;
	if (strlen(tenant) >= sizeof(answer.key.tenant) || strlen(category) >= NAMEDATALEN)
		return false;
	strlcpy(answer.key.tenant, tenant, sizeof(answer.key.tenant));
	strlcpy(answer.key.category, category, NAMEDATALEN);
	entry = hash_search(answers, &answer.key, HASH_FIND, NULL);
	if (entry)
		return entry->enabled;
	toms_config_scan(TOMS_CONFIG_ENABLED_CATEGORY, CStringGetTextDatum(tenant), take_category, &answer);
	if (known == forgotten)
	{
		entry = hash_search(answers, &answer.key, HASH_ENTER, NULL);
		entry->enabled = answer.enabled;
	}
	return answer.enabled;
}
