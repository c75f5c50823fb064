/*
 * who.c - the entry that says who acts, to which the entries of what he does refer.
 *
 * Called by row.c for every row.  A session writes one for each actor, purpose, access function
 * and so on that it sees, and one in each month, since entries are deleted by months; what it
 * has written it remembers, as long as the entries are not rolled back.
 */
#include "audit/audit_int.h"

#include "base/change.h"
#include "base/compat.h"
#include "context/context.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"

#define MOST_REMEMBERED 1000

typedef struct Remembered
{
	uint8		digest[TOMS_DIGEST_BYTES];	/* of all that the entry says, and the month */
	int64		entry;
} Remembered;

static HTAB *remembered = NULL;
static uint64 known_losses = 0;

/* The answer to the last question, and all that it depended on. */
static struct
{
	int64		entry;			/* 0: none */
	uint64		changes;
	Oid			user;
	Oid			session_user;
	int32		month;
	char		application[NAMEDATALEN];
}			last;

static void
forget(void)
{
	if (remembered)
		hash_destroy(remembered);
	remembered = NULL;
	last.entry = 0;
}

static bool
is_as_before(int32 month)
{
	return last.entry != 0 && known_losses == toms_record_losses() && last.changes == toms_change_count && last.user == GetUserId() &&
		last.session_user == GetSessionUserId() && last.month == month && strncmp(last.application, application_name, NAMEDATALEN) == 0;
}

static void
keep_as_last(int64 entry, int32 month)
{
	last.entry = entry;
	last.changes = toms_change_count;
	last.user = GetUserId();
	last.session_user = GetSessionUserId();
	last.month = month;
	strlcpy(last.application, application_name, NAMEDATALEN);
}

/* words ------------------------------------------------------------------------------- */

static void
say(StringInfo text, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	appendStringInfo(text, "%s\"%s\":", text->len > 1 ? "," : "", name);
	escape_json(text, value);
}

static const char *
client_address(void)
{
	if (MyProcPort == NULL)
		return NULL;
	return MyProcPort->raddr.addr.ss_family == AF_UNIX ? "local" : MyProcPort->remote_host;
}

/* "context" is NULL for an administrator, and for what no client has asked for. */
static StringInfoData
describe(const TomsContext *context)
{
	StringInfoData text;
	Oid			function = toms_context_function();

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	if (context)
	{
		say(&text, "actor", context->actor);
		say(&text, "role", context->role);
		say(&text, "purpose", toms_context_purpose());
		say(&text, "function", OidIsValid(function) ? format_procedure_qualified(function) : NULL);
	}
	else
		say(&text, "reason", toms_context_stated_reason());
	say(&text, "login", GetUserNameFromId(GetSessionUserId(), true));
	if (GetUserId() != GetSessionUserId())
		say(&text, "user", GetUserNameFromId(GetUserId(), true));
	say(&text, "address", client_address());
	say(&text, "application", application_name);
	if (MyBackendType != B_BACKEND)
		say(&text, "process", GetBackendTypeDesc(MyBackendType));
	appendStringInfoChar(&text, '}');
	toms_payload_to_utf8(&text);
	return text;
}

/* entries ----------------------------------------------------------------------------- */

static int64
write_entry(const TomsContext *context, const StringInfoData *text)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_WHO,.verb = TOMS_VERB_NONE};
	char	   *actor = context ? pstrdup(context->actor) : NULL;	/* looking up tables and keys may end the context's memory */

	entry.tenant = context ? pstrdup(context->tenant) : NULL;
	toms_record_begin(&entry);
	if (actor)
		toms_payload_seal(&entry, actor, text);
	else
		entry.payload = (TomsBytes) {text->data, text->len};
	toms_record_add(&entry);
	return entry.id;
}

static Remembered *
remember(const uint8 *digest, bool *found)
{
	if (remembered && hash_get_num_entries(remembered) >= MOST_REMEMBERED)
		forget();
	if (remembered == NULL)
	{
		HASHCTL		control = {.keysize = TOMS_DIGEST_BYTES,.entrysize = sizeof(Remembered),.hcxt = TopMemoryContext};

		remembered = hash_create("toms audit who", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		known_losses = toms_record_losses();
	}
	return hash_search(remembered, digest, HASH_ENTER, found);
}

static int64
find_or_write(int32 month)
{
	const TomsContext *context = toms_context_get();
	StringInfoData text = describe(context);
	uint8		digest[TOMS_DIGEST_BYTES];
	Remembered *who;
	bool		found;
	int			length;
	int64		entry;

	context = toms_context_get();	/* describing it has looked up names */
	length = text.len;
	appendBinaryStringInfo(&text, (char *) &month, sizeof(month));
	if (context)
		appendStringInfoString(&text, context->tenant);
	toms_crypto_digest(digest, text.data, text.len, NULL, 0);
	text.len = length;
	who = remember(digest, &found);
	if (found)
		entry = who->entry;
	else
	{
		/* if writing fails, nothing is remembered */
		(void) hash_search(remembered, digest, HASH_REMOVE, NULL);
		entry = write_entry(context, &text);
		remember(digest, &found)->entry = entry;
	}
	pfree(text.data);
	return entry;
}

int64
toms_who(TimestampTz at)
{
	int32		month = toms_record_month(at);

	(void) toms_context_check();	/* settles the count */
	if (known_losses != toms_record_losses())
		forget();
	if (!is_as_before(month))
		keep_as_last(find_or_write(month), month);
	return last.entry;
}
