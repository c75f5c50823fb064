/*
 * reveal_event.c - whose values were opened, for the audit trail.
 *
 * Called by reveal.c before a value is opened.  Each data subject of a table is told once for a transaction and who
 * acts in it.  What has been told stays so when a subtransaction is rolled back.  What is kept is
 * looked up by data key first, and by data subject where he has keys of several months; it
 * belongs to the top transaction.
 */
#include "seal/seal_int.h"

#include "trail/trail.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Of a transaction that opens more than so many a data subject may be told again. */
#define MOST_TOLD 100000

#define SHORT_DIGEST_BYTES 16

typedef struct Told
{
	int64		id;				/* data key; of a data subject the table's OID, negative */
	uint8		subject[SHORT_DIGEST_BYTES];	/* of a data subject */
	uint8		who[SHORT_DIGEST_BYTES];
} Told;

static HTAB *told = NULL;

static void
forget(void *arg)
{
	told = NULL;
}

static HTAB *
table(void)
{
	HASHCTL		control = {.keysize = sizeof(Told),.entrysize = sizeof(Told),.hcxt = TopTransactionContext};
	MemoryContextCallback *end;

	if (told && hash_get_num_entries(told) >= MOST_TOLD)
	{
		hash_destroy(told);
		told = NULL;
	}
	if (told)
		return told;
	end = MemoryContextAllocZero(TopTransactionContext, sizeof(MemoryContextCallback));
	end->func = forget;
	MemoryContextRegisterResetCallback(TopTransactionContext, end);
	told = hash_create("toms revealed", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return told;
}

static Told
of_key(int64 id)
{
	Told		question = {.id = id};

	memcpy(question.who, toms_context_words()->digest, SHORT_DIGEST_BYTES);
	return question;
}

static Told
of_subject(Oid relid, const char *subject)
{
	Told		question = of_key(-(int64) relid);
	uint8		digest[TOMS_DIGEST_BYTES];

	toms_crypto_digest(digest, subject, strlen(subject), NULL, 0);
	memcpy(question.subject, digest, SHORT_DIGEST_BYTES);
	return question;
}

bool
toms_reveal_is_told(int64 id)
{
	Told		question;

	if (told == NULL)
		return false;
	question = of_key(id);
	return hash_search(told, &question, HASH_FIND, NULL) != NULL;
}

/* Where a table is strict its reads are durable before anything comes of them. */
static bool
is_strict(Oid relid)
{
	const TomsRelation *relation = toms_catalog_relation(relid);

	return relation == NULL || relation->reads_strictly;
}

void
toms_reveal_tell(const TomsDataKey *key)
{
	int64		id = key->id;
	char	   *subject = pstrdup(key->subject);
	TomsEvent	event = {.kind = TOMS_ENTRY_READ,.verb = TOMS_VERB_REVEAL,.relid = key->relid,.subject = subject[0] ? subject : NULL};
	Told		whose = of_subject(event.relid, subject);
	Told		which = of_key(id);

	event.strict = is_strict(event.relid);
	if (hash_search(table(), &whose, HASH_FIND, NULL) == NULL)
		(void) toms_event_add(&event);
	(void) hash_search(table(), &whose, HASH_ENTER, NULL);
	(void) hash_search(table(), &which, HASH_ENTER, NULL);
	pfree(subject);
}
