/*
 * ledger_line.c - what the erasure ledger writes into the log outside of the database.
 *
 * Called by ledger.c before something is destroyed; what becomes of it settle.sql tells.  Nobody's name is in a line:
 * tenant and data subject are hashes under a key of the keyring, which the log's readers need not have.
 */
#include "rights/ledger_int.h"

#include "audit/audit.h"
#include "base/compat.h"
#include "base/secret.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(toms_ledger_hash_of);

/* Lengths come first, so that no two pairs are one text.  The key is there. */
void
toms_ledger_hash(uint8 hash[TOMS_DIGEST_BYTES], const char *tenant, const char *subject)
{
	StringInfoData text;
	const uint8 *key;
	char	   *utf8;

	initStringInfo(&text);
	appendStringInfo(&text, "toms erasure %zu %s", strlen(tenant), tenant);
	if (subject)
		appendStringInfo(&text, " %zu %s", strlen(subject), subject);
	utf8 = pg_server_to_any(text.data, text.len, PG_UTF8);
	key = toms_keyring_seed(TOMS_LEDGER_KEY);
	toms_crypto_digest(hash, utf8, strlen(utf8), key, TOMS_SEED_BYTES);
}

void
toms_ledger_refuse_without_key(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the keyring has no key \"%s\", with which the erasure ledger was written", TOMS_LEDGER_KEY),
			 errhint("Bring the keyring back as it was last; it is not to be restored with the data.")));
}

/*
 * toms.ledger_hash(tenant, subject): the former may be empty, the latter null.  Asked for what a line tells of, so the
 * key has been made: with a new one nobody would be found, and what came back would pass for not being there.
 */
Datum
toms_ledger_hash_of(PG_FUNCTION_ARGS)
{
	bytea	   *hash = palloc(VARHDRSZ + TOMS_DIGEST_BYTES);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (toms_keyring_seed(TOMS_LEDGER_KEY) == NULL)
		toms_ledger_refuse_without_key();
	SET_VARSIZE(hash, VARHDRSZ + TOMS_DIGEST_BYTES);
	toms_ledger_hash((uint8 *) VARDATA(hash), text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_BYTEA_P(hash);
}

static char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

char *
toms_ledger_intent_members(const TomsLedgerIntent *intent)
{
	StringInfoData members;

	initStringInfo(&members);
	appendStringInfo(&members, "\"id\":\"%s\",\"erasure\":" INT64_FORMAT ",\"kind\":\"%s\",\"check\":\"%s\",\"tenant\":\"%s\"", uuid_text(&intent->id), intent->erasure,
					 intent->kind, toms_base64url_encode(intent->check, sizeof(intent->check)), toms_base64url_encode(intent->tenant, sizeof(intent->tenant)));
	if (intent->has_subject)
		appendStringInfo(&members, ",\"subject\":\"%s\"", toms_base64url_encode(intent->subject, sizeof(intent->subject)));
	if (intent->category[0])
	{
		appendStringInfoString(&members, ",\"category\":");
		escape_json(&members, pg_server_to_any(intent->category, strlen(intent->category), PG_UTF8));
	}
	if (intent->again[0])
		appendStringInfo(&members, ",\"again\":\"%s\"", intent->again);
	appendStringInfo(&members, ",\"system\":\"" UINT64_FORMAT "\",\"database\":%u,\"timeline\":%d,\"xid\":\"" UINT64_FORMAT "\",\"at\":\"%s\"",
					 intent->system, MyDatabaseId, intent->timeline, intent->xid, toms_iso_time(GetCurrentTimestamp()));
	return members.data;
}
