/*
 * proof.c - toms.audit_proof(), for controllers who do not want to believe the database, and the
 * public key that belongs to it.
 *
 * Called by SQL.  The trail is read as the bootstrap superuser, since nobody has privileges on it;
 * toms.audit_reader() looks at who called, whoever is the current user.  The proof's form is in
 * doc/trail-format.md.
 */
#include "audit/proof.h"

#include "audit/block.h"
#include "audit/dataset.h"
#include "audit/reader.h"
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

/* The place of an entry in a block's manifest; -1: it is not in it. */
static int64
index_in(struct varlena *manifest, int64 id)
{
	TomsManifestItem item = toms_manifest_start((TomsBytes) {VARDATA_ANY(manifest), VARSIZE_ANY_EXHDR(manifest)});
	int64		index = 0;

	for (; toms_manifest_next(&item); index++)
	{
		if (item.id == id)
			return index;
	}
	return -1;
}

static bool
is_pruned(int64 block, int64 index)
{
	if (SPI_execute_with_args("SELECT FROM toms.audit_pruned WHERE block = $1 AND start <= $2 AND start + size > $2",
							  2, (Oid[]) {INT8OID, INT8OID}, (Datum[]) {Int64GetDatum(block), Int64GetDatum(index)}, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_pruned");
	return SPI_processed > 0;
}

/* The block from which an entry was pruned; 0: none. */
static int64
pruned_from(int64 id)
{
	Portal		portal = SPI_cursor_open_with_args(NULL, "SELECT number, manifest FROM toms.audit_block b WHERE manifest IS NOT NULL AND "
												   "EXISTS (SELECT FROM toms.audit_pruned p WHERE p.block = b.number)",
												   0, NULL, NULL, NULL, true, 0);
	int64		block = 0;

	for (SPI_cursor_fetch(portal, true, 1); block == 0 && SPI_processed > 0; SPI_cursor_fetch(portal, true, 1))
	{
		SPITupleTable *rows = SPI_tuptable;
		bool		isnull;
		int64		number = DatumGetInt64(SPI_getbinval(rows->vals[0], rows->tupdesc, 1, &isnull));
		struct varlena *manifest = PG_DETOAST_DATUM_COPY(SPI_getbinval(rows->vals[0], rows->tupdesc, 2, &isnull));
		int64		index = index_in(manifest, id);

		if (index >= 0 && is_pruned(number, index))
			block = number;
		pfree(manifest);
		SPI_freetuptable(rows);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	return block;
}

/* Of another tenant's entry, or one that was pruned, a tenant is told no more than of one that never was. */
static void
refuse_entry(int64 id, const char *tenant)
{
	int64		block = tenant ? 0 : pruned_from(id);

	if (block > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("entry " INT64_FORMAT " of the audit trail was deleted when its period ended", id),
				 errdetail("Block " INT64_FORMAT " has a hash in its place, which proves nothing without the entry.", block),
				 errhint("If it was archived, the archive proves it: see toms.audit_pruning, and toms-verify archive.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no entry " INT64_FORMAT " in the audit trail", id),
			 tenant ? errdetail("Entries whose period has ended are deleted, and cannot be proved any more.") : 0));
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
		refuse_entry(id, tenant);
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
	char	   *tenant;
	text	   *proof;
	Datum		result;

	SPI_connect();
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	tenant = reader();
	toms_reading_note(TOMS_ENTRY_READ, TOMS_VERB_TRAIL, psprintf("\"by\":\"audit_proof\",\"entry\":" INT64_FORMAT, id));
	proof = proof_of(id, tenant);
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
