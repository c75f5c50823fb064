/*
 * observe.c - what tables in observe mode would have refused.
 *
 * Called by check.c.  A shared hash table of fixed size under TOMS_LOCK_OBSERVED counts
 * equal findings; the first of a kind is also written to the server log, so that a
 * restart or a full table loses no kind of finding.  Read by the view toms.would_refuse.
 */
#include "guard/guard_int.h"

#include "base/compat.h"
#include "base/lock.h"
#include "context/context.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/shmem.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define OBSERVED_ENTRIES 2048

typedef struct ObservedKey
{
	Oid			database;
	Oid			relid;
	Oid			login;
	AclMode		verbs;
	TomsReason	reason;
	uint64		query;			/* as in pg_stat_statements */
	char		role[NAMEDATALEN];	/* of the context; empty: none */
	char		purpose[NAMEDATALEN];
} ObservedKey;

typedef struct Observed
{
	ObservedKey key;
	int64		count;
	TimestampTz first_seen;
	TimestampTz last_seen;
	char		detail[256];
	char		remedy[512];
} Observed;

static HTAB *observed = NULL;
bool		toms_observe_has_query_ids = false;
static bool others_need_query_ids = false;	/* who had asked for them before */
static bool *is_observing = NULL;	/* shared; set once, by whoever first meets an observed table */

PG_FUNCTION_INFO_V1(toms_would_refuse);
PG_FUNCTION_INFO_V1(toms_reset_would_refuse);

Size
toms_observe_shmem_size(void)
{
	return add_size(hash_estimate_size(OBSERVED_ENTRIES, sizeof(Observed)), MAXALIGN(sizeof(bool)));
}

void
toms_observe_shmem_init(void)
{
	HASHCTL		control = {.keysize = sizeof(ObservedKey),.entrysize = sizeof(Observed)};
	bool		found;

	observed = toms_shmem_hash("toms would refuse", OBSERVED_ENTRIES, &control, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	is_observing = ShmemInitStruct("toms is observing", sizeof(bool), &found);
	if (!found)
		*is_observing = false;
}

void
toms_observe_enable_query_ids(bool observing)
{
	if (observing)
		*is_observing = true;
	if (*is_observing)
	{
		others_need_query_ids |= !toms_observe_has_query_ids && query_id_enabled;
		EnableQueryId();
		toms_observe_has_query_ids = true;
	}
}

bool
toms_others_need_query_ids(void)
{
	return compute_query_id == COMPUTE_QUERY_ID_ON || others_need_query_ids || (query_id_enabled && !toms_observe_has_query_ids);
}

int
toms_observe_count(void)
{
	HASH_SEQ_STATUS scan;
	Observed   *entry;
	int			count = 0;

	LWLockAcquire(toms_lock(TOMS_LOCK_OBSERVED), LW_SHARED);
	hash_seq_init(&scan, observed);
	while ((entry = hash_seq_search(&scan)) != NULL)
		count += entry->key.database == MyDatabaseId;
	LWLockRelease(toms_lock(TOMS_LOCK_OBSERVED));
	return count;
}

static void
fill_key(ObservedKey *key, const TomsAccess *access, const TomsFinding *finding)
{
	const TomsContext *context = toms_context_get();

	memset(key, 0, sizeof(*key));	/* padding is hashed too */
	key->database = MyDatabaseId;
	key->relid = access->relation->relid;
	key->login = GetSessionUserId();
	key->verbs = access->verbs;
	key->reason = finding->reason;
	key->query = pgstat_get_my_query_id();
	strlcpy(key->role, context ? context->role : "", NAMEDATALEN);
	strlcpy(key->purpose, context && toms_context_purpose() ? toms_context_purpose() : "", NAMEDATALEN);
}

void
toms_observe_note(const TomsAccess *access, const TomsFinding *finding)
{
	ObservedKey key;
	Observed   *entry;
	TimestampTz now = GetCurrentTimestamp();
	bool		found;

	fill_key(&key, access, finding);
	LWLockAcquire(toms_lock(TOMS_LOCK_OBSERVED), LW_EXCLUSIVE);
	entry = hash_search(observed, &key, HASH_ENTER_NULL, &found);
	if (entry && !found)
	{
		entry->count = 0;
		entry->first_seen = now;
		strlcpy(entry->detail, finding->detail ? finding->detail : "", sizeof(entry->detail));
		strlcpy(entry->remedy, finding->hint ? finding->hint : "", sizeof(entry->remedy));
	}
	if (entry)
	{
		entry->count++;
		entry->last_seen = now;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_OBSERVED));

	if (entry == NULL || !found)
	{
		TomsRefusal refusal = {.reason = finding->reason,.relid = key.relid,.who = toms_context_who(),
		.verbs = key.verbs ? toms_verb_text(key.verbs) : NULL};

		toms_record_refusal(&refusal, "would refuse");
	}
}

/* toms.reset_would_refuse(): forget those of this database. */
Datum
toms_reset_would_refuse(PG_FUNCTION_ARGS)
{
	HASH_SEQ_STATUS scan;
	Observed   *entry;

	LWLockAcquire(toms_lock(TOMS_LOCK_OBSERVED), LW_EXCLUSIVE);
	hash_seq_init(&scan, observed);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId)
			hash_search(observed, &entry->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_OBSERVED));
	PG_RETURN_VOID();
}

static Datum
text_or_missing(const char *text, bool *isnull)
{
	*isnull = text[0] == '\0';
	return *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
put_row(ReturnSetInfo *result, const Observed *entry)
{
	Datum		values[12];
	bool		nulls[12] = {false};

	values[0] = ObjectIdGetDatum(entry->key.relid);
	values[1] = CStringGetTextDatum(toms_verb_text(entry->key.verbs));
	values[2] = ObjectIdGetDatum(entry->key.login);
	values[3] = text_or_missing(entry->key.role, &nulls[3]);
	values[4] = text_or_missing(entry->key.purpose, &nulls[4]);
	values[5] = CStringGetTextDatum(toms_reason_code(entry->key.reason));
	values[6] = text_or_missing(entry->detail, &nulls[6]);
	values[7] = text_or_missing(entry->remedy, &nulls[7]);
	values[8] = Int64GetDatum((int64) entry->key.query);
	values[9] = Int64GetDatum(entry->count);
	values[10] = TimestampTzGetDatum(entry->first_seen);
	values[11] = TimestampTzGetDatum(entry->last_seen);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* toms.would_refuse_entries(): those of this database. */
Datum
toms_would_refuse(PG_FUNCTION_ARGS)
{
	Observed   *copies = palloc(OBSERVED_ENTRIES * sizeof(Observed));
	HASH_SEQ_STATUS scan;
	Observed   *entry;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(toms_lock(TOMS_LOCK_OBSERVED), LW_SHARED);
	hash_seq_init(&scan, observed);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && n < OBSERVED_ENTRIES)
			copies[n++] = *entry;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_OBSERVED));
	for (int i = 0; i < n; i++)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, &copies[i]);
	return (Datum) 0;
}
