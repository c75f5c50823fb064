/*
 * who.c - the entry that says who acts, to which the entries of what he does refer.
 *
 * Called by row.c for every row, and by writer.c for every event.  A session, or the writer, adds one for each
 * actor, purpose, access function and so on that it sees, and one in each month, since entries are deleted by
 * months; what it has added it remembers, as long as the entries are not rolled back.
 */
#include "audit/audit_int.h"

#include "context/context.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define MOST_REMEMBERED 20000

typedef struct Key
{
	uint8		digest[TOMS_DIGEST_BYTES];	/* of all that the entry says */
	int32		month;
} Key;

typedef struct Remembered
{
	Key			key;
	int64		entry;
} Remembered;

static HTAB *remembered = NULL;
static uint64 known_losses = 0;

/* The answer to a session's last question. */
static struct
{
	int64		entry;			/* 0: none */
	uint64		number;			/* of the words */
	int32		month;
}			last;

static void
forget(void)
{
	if (remembered)
		hash_destroy(remembered);
	remembered = NULL;
	last.entry = 0;
}

static int64
write_entry(const TomsWho *who)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_WHO,.verb = TOMS_VERB_NONE,.tenant = who->tenant};
	StringInfoData text = {.data = unconstify(char *, who->text),.len = (int) who->length};

	toms_record_begin(&entry);
	if (who->actor)
		toms_payload_seal(&entry, who->actor, &text);
	else
		entry.payload = (TomsBytes) {text.data, text.len};
	toms_record_add(&entry);
	return entry.id;
}

static Remembered *
remember(const Key *key, bool *found)
{
	if (remembered && hash_get_num_entries(remembered) >= MOST_REMEMBERED)
		forget();
	if (remembered == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Key),.entrysize = sizeof(Remembered),.hcxt = TopMemoryContext};

		remembered = hash_create("toms audit who", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		known_losses = toms_record_losses();
	}
	return hash_search(remembered, key, HASH_ENTER, found);
}

int64
toms_who_entry(const TomsWho *who, TimestampTz at)
{
	Key			key = {.month = toms_record_month(at)};
	Remembered *known;
	bool		found;
	int64		entry;

	memcpy(key.digest, who->digest, TOMS_DIGEST_BYTES);
	if (known_losses != toms_record_losses())
		forget();
	known = remember(&key, &found);
	if (found)
		return known->entry;
	/* if writing fails, nothing is remembered */
	(void) hash_search(remembered, &key, HASH_REMOVE, NULL);
	entry = write_entry(who);
	remember(&key, &found)->entry = entry;
	return entry;
}

/* Looking up tables and keys may end the memory of the words. */
static TomsWho
copy_of(const TomsWho *who)
{
	TomsWho		copy = *who;

	copy.tenant = who->tenant ? pstrdup(who->tenant) : NULL;
	copy.actor = who->actor ? pstrdup(who->actor) : NULL;
	copy.text = pnstrdup(who->text, who->length);
	return copy;
}

int64
toms_who(TimestampTz at)
{
	const TomsWho *words = toms_context_words();
	int32		month = toms_record_month(at);
	TomsWho		who;

	if (known_losses == toms_record_losses() && last.entry != 0 && last.number == words->number && last.month == month)
		return last.entry;
	who = copy_of(words);
	last.entry = toms_who_entry(&who, at);
	last.number = who.number;
	last.month = month;
	return last.entry;
}
