/*
 * purpose.c - what is registered about a purpose.
 *
 * Called by context when it finds who is asking, and by policy: an answer costs one hash
 * look-up.  The cache is thrown away with every change of the configuration.
 */
#include "catalog/catalog_int.h"

#include "base/change.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

/* The columns of toms.purpose that are read here, by position. */
enum
{
	PURPOSE_EXCLUDED = 2,
	PURPOSE_AGGREGATE
};

typedef struct PurposeEntry
{
	char		name[NAMEDATALEN];	/* hash key */
	TomsPurpose purpose;
} PurposeEntry;

static HTAB *purposes = NULL;

static void
take_purpose(const Datum *values, const bool *nulls, void *answer)
{
	TomsPurpose *purpose = answer;

	purpose->is_registered = true;
	purpose->is_excluded = DatumGetBool(values[PURPOSE_EXCLUDED - 1]);
	purpose->is_aggregate = DatumGetBool(values[PURPOSE_AGGREGATE - 1]);
}

static void
forget_purposes(void)
{
	HASH_SEQ_STATUS scan;
	PurposeEntry *entry;

	hash_seq_init(&scan, purposes);
	while ((entry = hash_seq_search(&scan)) != NULL)
		hash_search(purposes, entry->name, HASH_REMOVE, NULL);
}

void
toms_purposes_init(void)
{
	HASHCTL		control = {.keysize = NAMEDATALEN,.entrysize = sizeof(PurposeEntry)};

	purposes = hash_create("toms purposes", 32, &control, HASH_ELEM | HASH_STRINGS);
}

TomsPurpose
toms_catalog_purpose(const char *name)
{
	static uint64 known_configuration = 0;
	TomsPurpose answer = {0};
	PurposeEntry *entry;

	if (strlen(name) >= NAMEDATALEN)
		return answer;
	if (known_configuration != toms_configuration_count)
		forget_purposes();
	known_configuration = toms_configuration_count;
	entry = hash_search(purposes, name, HASH_FIND, NULL);
	if (entry)
		return entry->purpose;
	toms_config_scan(TOMS_CONFIG_PURPOSE, CStringGetTextDatum(name), take_purpose, &answer);
	if (known_configuration == toms_configuration_count)
	{
		entry = hash_search(purposes, name, HASH_ENTER, NULL);
		entry->purpose = answer;
	}
	return answer;
}
