/*
 * findings.c - pseudonyms of those who did something unusual, the release of their names, and findings of toms itself.
 *
 * Called by toms.findings, toms.release_actor() and the check.  A pseudonym is the first half of a keyed BLAKE2b-256 under a
 * key that is drawn from the seed of the trail's signatures, so that it is there for log-ins of no
 * tenant, too.
 */
#include "audit/audit_int.h"

#include "base/secret.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "utils/builtins.h"
#include "utils/date.h"

PG_FUNCTION_INFO_V1(toms_audit_pseudonym);
PG_FUNCTION_INFO_V1(toms_put_actor_release);
PG_FUNCTION_INFO_V1(toms_put_finding);

#define PSEUDONYM_BYTES 16

/* Lengths keep different names from giving the same bytes. */
static void
append_name(StringInfo message, bool is_null, Datum name)
{
	text	   *value = is_null ? NULL : DatumGetTextPP(name);

	appendStringInfo(message, "%d:", value ? (int) VARSIZE_ANY_EXHDR(value) : -1);
	if (value)
		appendBinaryStringInfo(message, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* toms.audit_pseudonym(tenant, name, month); null: there is no name, or no keyring. */
Datum
toms_audit_pseudonym(PG_FUNCTION_ARGS)
{
	static const char what[] = "toms findings 1";
	uint8		key[TOMS_DIGEST_BYTES];
	uint8		digest[TOMS_DIGEST_BYTES];
	char		hex[2 * PSEUDONYM_BYTES + 1];
	const uint8 *seed;
	StringInfoData message;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (!toms_keyring_configured())
		PG_RETURN_NULL();
	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_digest(key, what, strlen(what), seed, TOMS_KEY_BYTES);
	initStringInfo(&message);
	append_name(&message, PG_ARGISNULL(0), PG_GETARG_DATUM(0));
	append_name(&message, false, PG_GETARG_DATUM(1));
	appendStringInfo(&message, "%d", PG_GETARG_DATEADT(2));
	toms_crypto_digest(digest, message.data, message.len, key, sizeof(key));
	toms_secret_wipe(key, sizeof(key));
	hex_encode((const char *) digest, PSEUDONYM_BYTES, hex);
	hex[2 * PSEUDONYM_BYTES] = '\0';
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}

static const char request[] =
"INSERT INTO toms.actor_release (entry, requested_by, requested_at, reason) VALUES ($1, $2, pg_catalog.clock_timestamp(), $3)";
static const char approval[] =
"UPDATE toms.actor_release SET approved_by = $2, approved_at = pg_catalog.clock_timestamp(), approval_reason = $3 WHERE entry = $1 AND approved_by IS NULL";

/* toms.put_actor_release(entry, by, reason, approves) */
Datum
toms_put_actor_release(PG_FUNCTION_ARGS)
{
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	bool		approves = PG_GETARG_BOOL(3);

	toms_guard_trail_work(true);
	SPI_connect();
	if (SPI_execute_with_args(approves ? approval : request, 3, (Oid[]) {INT8OID, TEXTOID, TEXTOID}, values, NULL, false, 0) < 0 || SPI_processed != 1)
		elog(ERROR, "could not record the release of an actor");
	SPI_finish();
	toms_guard_trail_work(false);
	PG_RETURN_VOID();
}

/* Within a string the quote before the colon would be escaped. */
void
toms_finding_tell(const TomsEntry *entry, const char *details)
{
	if (strstr(details, "\"finding\":") == NULL)
		return;
	Async_Notify("toms_findings", psprintf(INT64_FORMAT, entry->id));
	ereport(LOG,
			(errmsg("toms has found something unusual"),
			 errhint("SELECT * FROM toms.findings WHERE entry = " INT64_FORMAT ";", entry->id)));
}

/* toms.put_finding(details): with this transaction */
Datum
toms_put_finding(PG_FUNCTION_ARGS)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_FINDING};
	StringInfoData said;

	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	initStringInfo(&said);
	appendStringInfoString(&said, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	toms_payload_to_utf8(&said);
	entry.payload = (TomsBytes) {said.data, said.len};
	toms_record_add(&entry);
	toms_finding_tell(&entry, said.data);
	PG_RETURN_VOID();
}
