/*
 * epoch.c - key epochs: which one is a tenant's current one, and wrapping under their keys.
 *
 * Called by seal, which keeps data keys wrapped.  The truth is in toms.key_epoch; a key
 * whose fingerprint is not the one that stands there is not used.  Up to 64 keys and the
 * current epochs of tenants are cached per backend.  A change of toms.key_epoch, committed
 * by anybody, or of the keyring's settings wipes all of it at once: no pointer to a key may
 * be kept while a table is read.
 */
#include "keyring/keyring_int.h"

#include "base/compat.h"
#include "base/reason.h"
#include "base/relcache.h"
#include "base/secret.h"
#include "catalog/catalog.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define SLOTS 64
#define KEY_PREFIX "epoch-"

/* The columns of toms.key_epoch that are read here, by position. */
enum
{
	EPOCH_ID = 1,
	EPOCH_TENANT,
	EPOCH_NUMBER,
	EPOCH_FINGERPRINT,
	EPOCH_CREATED_AT,
	EPOCH_RETIRED_AT,
	EPOCH_DESTROYED_AT
};

typedef struct EpochRow
{
	char	   *tenant;			/* NULL: there is no such epoch */
	int32		number;
	bool		destroyed;
	uint8		fingerprint[TOMS_FINGERPRINT_BYTES];
} EpochRow;

/* A pool's connection may serve any number of tenants, one after the other. */
#define MOST_CURRENT 1000

typedef struct CurrentEntry
{
	char		tenant[256];	/* hash key */
	TomsEpoch	epoch;
} CurrentEntry;

typedef struct Slot
{
	pg_uuid_t	epoch;
	uint64		used;			/* greater is later; 0: empty */
} Slot;

static Slot slots[SLOTS];
static uint8 (*keys)[TOMS_KEY_BYTES] = NULL;	/* of the slots, in locked memory */
static uint64 uses = 0;
static HTAB *current_epochs = NULL;
static Oid	epoch_table = InvalidOid;	/* from which the above was read */
static uint64 changes = 0;

void
toms_epoch_forget(void)
{
	changes++;
	epoch_table = InvalidOid;
	memset(slots, 0, sizeof(slots));
	if (keys)
		toms_secret_wipe(keys, SLOTS * TOMS_KEY_BYTES);
	if (current_epochs)
		hash_destroy(current_epochs);
	current_epochs = NULL;
}

static void
relcache_callback(Oid relid)
{
	if (!OidIsValid(relid) || relid == epoch_table)
		toms_epoch_forget();
}

void
toms_epoch_init(void)
{
	toms_on_relation_change(relcache_callback);
}

char *
toms_epoch_key_name(const pg_uuid_t *epoch)
{
	return psprintf(KEY_PREFIX "%s", DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(epoch))));
}

/* BLAKE2b with the key as its key: the text keeps this digest apart from all others. */
void
toms_epoch_fingerprint(uint8 fingerprint[TOMS_FINGERPRINT_BYTES], const uint8 key[TOMS_KEY_BYTES])
{
	static const char purpose[] = "toms key epoch fingerprint";
	uint8		digest[TOMS_DIGEST_BYTES];

	toms_crypto_digest(digest, purpose, strlen(purpose), key, TOMS_KEY_BYTES);
	memcpy(fingerprint, digest, TOMS_FINGERPRINT_BYTES);
}

static void
scan(TomsConfigTable index, Datum key, TomsConfigRow row, void *answer)
{
	epoch_table = toms_config_table(index);
	toms_config_scan(index, key, row, answer);
}

/* The current epoch is the newest that has not been retired. */
static void
take_current(const Datum *values, const bool *nulls, void *answer)
{
	TomsEpoch  *epoch = answer;
	int32		number = DatumGetInt32(values[EPOCH_NUMBER - 1]);

	if (nulls[EPOCH_RETIRED_AT - 1] && nulls[EPOCH_DESTROYED_AT - 1] && number > epoch->number)
	{
		epoch->id = *DatumGetUUIDP(values[EPOCH_ID - 1]);
		epoch->number = number;
	}
}

static TomsEpoch
read_current(const char *tenant)
{
	TomsEpoch	epoch = {.number = 0};

	scan(TOMS_CONFIG_KEY_EPOCHS_OF_TENANT, CStringGetTextDatum(tenant), take_current, &epoch);
	if (epoch.number == 0)
	{
		TomsRefusal refusal = {.reason = TOMS_EPOCH_MISSING,
			.detail = psprintf("Tenant \"%s\" has no current key epoch.", tenant),
		.hint = psprintf("SELECT toms.rotate_keys(%s);", quote_literal_cstr(tenant))};

		toms_refuse(&refusal);
	}
	return epoch;
}

TomsEpoch
toms_keyring_current_epoch(const char *tenant)
{
	HASHCTL		control = {.keysize = sizeof(((CurrentEntry *) 0)->tenant),.entrysize = sizeof(CurrentEntry)};
	CurrentEntry *entry;
	TomsEpoch	epoch;
	uint64		before;

	if (current_epochs && hash_get_num_entries(current_epochs) >= MOST_CURRENT)
	{
		hash_destroy(current_epochs);
		current_epochs = NULL;
	}
	if (current_epochs == NULL)
		current_epochs = hash_create("toms current epochs", 32, &control, HASH_ELEM | HASH_STRINGS);
	entry = hash_search(current_epochs, tenant, HASH_FIND, NULL);
	if (entry)
		return entry->epoch;

	before = changes;
	epoch = read_current(tenant);
	if (before == changes)
	{
		entry = hash_search(current_epochs, tenant, HASH_ENTER, NULL);
		entry->epoch = epoch;
	}
	return epoch;
}

static void
take_row(const Datum *values, const bool *nulls, void *answer)
{
	EpochRow   *row = answer;
	bytea	   *fingerprint = DatumGetByteaPP(values[EPOCH_FINGERPRINT - 1]);

	row->tenant = TextDatumGetCString(values[EPOCH_TENANT - 1]);
	row->number = DatumGetInt32(values[EPOCH_NUMBER - 1]);
	row->destroyed = !nulls[EPOCH_DESTROYED_AT - 1];
	if (VARSIZE_ANY_EXHDR(fingerprint) == TOMS_FINGERPRINT_BYTES)
		memcpy(row->fingerprint, VARDATA_ANY(fingerprint), TOMS_FINGERPRINT_BYTES);
}

static void refuse_epoch(TomsReason reason, const EpochRow *row, const char *detail)
			__attribute__((noreturn));

/* The detail is about "… of epoch N of tenant "x"". */
static void
refuse_epoch(TomsReason reason, const EpochRow *row, const char *detail)
{
	TomsRefusal refusal = {.reason = reason,
		.detail = psprintf("%s epoch %d of tenant \"%s\".", detail, row->number, row->tenant),
	.hint = "SELECT * FROM toms.check_keyring(); tells what to do."};

	toms_refuse(&refusal);
}

bool
toms_epoch_is_destroyed(const pg_uuid_t *epoch)
{
	EpochRow	row = {.tenant = NULL};

	scan(TOMS_CONFIG_KEY_EPOCH, UUIDPGetDatum(epoch), take_row, &row);
	return row.destroyed;
}

/* The row of an epoch that can be used. */
static EpochRow
require_row(const pg_uuid_t *epoch)
{
	EpochRow	row = {.tenant = NULL};

	scan(TOMS_CONFIG_KEY_EPOCH, UUIDPGetDatum(epoch), take_row, &row);
	if (row.tenant == NULL)
	{
		TomsRefusal refusal = {.reason = TOMS_EPOCH_MISSING,
			.detail = psprintf("There is no key \"%s\" in toms.key_epoch.", toms_epoch_key_name(epoch)),
		.hint = "Was the value sealed in another database?"};

		toms_refuse(&refusal);
	}
	if (row.destroyed)
	{
		TomsRefusal refusal = {.reason = TOMS_EPOCH_DESTROYED,
		.detail = psprintf("The key of epoch %d of tenant \"%s\" was destroyed; nothing brings it back.", row.number, row.tenant)};

		toms_refuse(&refusal);
	}
	return row;
}

/* The key of an epoch in use, checked, in locked memory of the current context. */
static const uint8 *
read_key(const pg_uuid_t *epoch)
{
	EpochRow	row = require_row(epoch);
	uint8		fingerprint[TOMS_FINGERPRINT_BYTES];
	char	   *problem;
	const uint8 *key = toms_key_read(toms_epoch_key_name(epoch), TOMS_KEY_EPOCH, &problem);

	if (problem)
		toms_keyring_refuse(problem);
	if (key == NULL)
		refuse_epoch(TOMS_EPOCH_MISSING, &row, "This server does not hold the key of");
	toms_epoch_fingerprint(fingerprint, key);
	if (memcmp(fingerprint, row.fingerprint, TOMS_FINGERPRINT_BYTES) != 0)
		refuse_epoch(TOMS_EPOCH_WRONG, &row, "What the keyring holds under its name is not the key of");
	return key;
}

/* -1: its key is not cached. */
static int
find_slot(const pg_uuid_t *epoch)
{
	for (int i = 0; i < SLOTS; i++)
	{
		if (slots[i].used && memcmp(&slots[i].epoch, epoch, UUID_LEN) == 0)
			return i;
	}
	return -1;
}

/* An empty one, or the one whose last use is longest ago. */
static int
oldest_slot(void)
{
	int			oldest = 0;

	for (int i = 1; i < SLOTS; i++)
	{
		if (slots[i].used < slots[oldest].used)
			oldest = i;
	}
	return oldest;
}

/* Read a key and put it into the place of the oldest one. */
static int
fill_slot(const pg_uuid_t *epoch)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms key", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	uint64		before;
	const uint8 *key;
	int			slot;

	do
	{
		before = changes;
		key = read_key(epoch);
	} while (before != changes);

	if (keys == NULL)
		keys = toms_secret_alloc(TopMemoryContext, SLOTS * TOMS_KEY_BYTES);
	slot = oldest_slot();
	memcpy(keys[slot], key, TOMS_KEY_BYTES);
	slots[slot].epoch = *epoch;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return slot;
}

/* Good until the next table is read. */
static const uint8 *
key_of(const pg_uuid_t *epoch)
{
	int			slot = find_slot(epoch);

	if (slot < 0)
		slot = fill_slot(epoch);
	slots[slot].used = ++uses;
	return keys[slot];
}

void
toms_keyring_wrap(const pg_uuid_t *epoch, TomsBytes data, TomsBytes secret, uint8 *wrapped)
{
	toms_crypto_random(wrapped, TOMS_NONCE_BYTES);
	toms_crypto_seal(wrapped + TOMS_NONCE_BYTES, secret, data, wrapped, key_of(epoch));
}

bool
toms_keyring_unwrap(const pg_uuid_t *epoch, TomsBytes data, TomsBytes wrapped, uint8 *secret)
{
	TomsBytes	sealed = {(const uint8 *) wrapped.bytes + TOMS_NONCE_BYTES, wrapped.length - TOMS_NONCE_BYTES};

	return wrapped.length >= TOMS_WRAP_BYTES &&
		toms_crypto_open(secret, sealed, data, wrapped.bytes, key_of(epoch));
}
