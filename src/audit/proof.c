/*
 * proof.c - toms.audit_proof(), for controllers who do not want to believe the database, and the
 * public key that belongs to it.
 *
 * Called by SQL.  The trail is read as the bootstrap superuser, since nobody has privileges on it;
 * toms.audit_reader() looks at who called, whoever is the current user.  The proof's form is in
 * doc/trail-format.md.
 */
#include "audit/proof.h"

#include "audit/dataset.h"
#include "base/system_settings.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(toms_audit_proof);
PG_FUNCTION_INFO_V1(toms_audit_key_text);

/* The entry, who and object; what it does not refer to, or was pruned, is not there. */
enum
{
	ITSELF,
	WHO,
	OBJECT,
	PATHS
};

/* The tenant whose entries the caller may read, NULL for all; an error if there is none. */
static char *
reader(void)
{
	if (SPI_execute("SELECT tenant FROM toms.audit_reader()", true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "toms.audit_reader() did not answer");
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* False if there is none; the entry refers to memory of SPI's. */
static bool
read_entry(int64 id, char kind, TomsEntry *entry)
{
	Datum		values[TOMS_ENTRY_NATTS];
	bool		nulls[TOMS_ENTRY_NATTS];

	if (SPI_execute_with_args("SELECT id, at, xid, who, object, key, kind, verb, tenant, columns, payload FROM toms.audit_entry "
							  "WHERE id = $1 AND ($2 IS NULL OR kind = $2)",
							  2, (Oid[]) {INT8OID, CHAROID}, (Datum[]) {Int64GetDatum(id), CharGetDatum(kind)}, kind ? NULL : " n", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_entry");
	if (SPI_processed == 0)
		return false;
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	*entry = toms_entry_of_row(values, nulls);
	return true;
}

/* Of another tenant's entry no more is said than of one that does not exist. */
static void
refuse_entry(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no entry " INT64_FORMAT " in the audit trail", id),
			 errdetail("Entries whose period has ended are deleted, and cannot be proved any more.")));
}

/* json ------------------------------------------------------------------------------------ */

static void
append_bytes(StringInfo json, const char *name, const void *bytes, size_t length)
{
	appendStringInfo(json, "\"%s\":\"%s\"", name, toms_base64url_encode(bytes, length));
}

/* Without the brace that closes it. */
static void
append_proof(StringInfo json, const TomsPath *path)
{
	TomsBytes	entry = toms_entry_encode(&path->entry);
	uint8		salt[TOMS_SALT_BYTES];

	toms_entry_salt(salt, path->block->secret, path->entry.id);
	appendStringInfoString(json, "{\"version\":1,");
	append_bytes(json, "entry", entry.bytes, entry.length);
	appendStringInfoChar(json, ',');
	append_bytes(json, "salt", salt, sizeof(salt));
	appendStringInfo(json, ",\"index\":" INT64_FORMAT ",\"size\":" INT64_FORMAT ",\"path\":[", path->index, path->block->size);
	for (int i = 0; i < path->length; i++)
		appendStringInfo(json, "%s\"%s\"", i > 0 ? "," : "", toms_base64url_encode(path->hashes[i], TOMS_HASH_BYTES));
	appendStringInfoString(json, "],");
	append_bytes(json, "header", path->block->header.bytes, path->block->header.length);
	appendStringInfoChar(json, ',');
	append_bytes(json, "signature", path->block->signature.bytes, path->block->signature.length);
	appendStringInfoChar(json, ',');
	append_bytes(json, "key", path->block->key.bytes, path->block->key.length);
}

static text *
proof_of(int64 id, const char *tenant)
{
	TomsPath   *paths = palloc0(sizeof(TomsPath) * PATHS);
	TomsEntry	entry;
	int			at[PATHS] = {0, 0, 0};
	int			count = 1;
	StringInfoData json;

	if (!read_entry(id, '\0', &entry) || (tenant && (entry.tenant == NULL || strcmp(entry.tenant, tenant) != 0)))
		refuse_entry(id);
	paths[ITSELF].entry = entry;
	if (entry.who != 0 && read_entry(entry.who, TOMS_ENTRY_WHO, &paths[count].entry))
		at[WHO] = count++;
	if (entry.object != 0 && entry.kind != TOMS_ENTRY_OBJECT && read_entry(entry.object, TOMS_ENTRY_OBJECT, &paths[count].entry))
		at[OBJECT] = count++;
	toms_paths_find(paths, count);
	initStringInfo(&json);
	append_proof(&json, &paths[ITSELF]);
	for (int i = WHO; i < PATHS; i++)
	{
		if (at[i] == 0)
			continue;
		appendStringInfoString(&json, i == WHO ? ",\"who\":" : ",\"object\":");
		append_proof(&json, &paths[at[i]]);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, '}');
	return cstring_to_text_with_len(json.data, json.len);
}

Datum
toms_audit_proof(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	int			level = toms_use_system_settings();
	Oid			user;
	int			security;
	text	   *proof;
	Datum		result;

	SPI_connect();
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	proof = proof_of(id, reader());
	SetUserIdAndSecContext(user, security);
	result = SPI_datumTransfer(PointerGetDatum(proof), false, -1);
	SPI_finish();
	AtEOXact_GUC(true, level);
	return result;
}

/* toms.audit_key(): with which blocks are signed from now on. */
Datum
toms_audit_key_text(PG_FUNCTION_ARGS)
{
	uint8		key[TOMS_PUBLIC_KEY_BYTES];

	if (!toms_audit_key(key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the keyring has no key \"audit\""),
				 errhint("It is made when the audit trail is sealed for the first time: SELECT toms.seal_audit();")));
	PG_RETURN_TEXT_P(cstring_to_text(toms_base64url_encode(key, sizeof(key))));
}
