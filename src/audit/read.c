/*
 * read.c - opens entries of the trail for toms.audit_trail() and its kin.
 *
 * Payloads open with the data key that the entry names.  A key that was destroyed opens nothing
 * and does not say whose it was: the entry stays.  Who and object entries are looked up by
 * their ids once in a statement and kept with the call site.
 */
#include "audit/audit_int.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "seal/seal.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(toms_audit_payload);
PG_FUNCTION_INFO_V1(toms_audit_referred);

/* open ------------------------------------------------------------------------------ */

typedef struct Opened
{
	Datum		payload;		/* jsonb; 0: none */
	char	   *subject;		/* NULL: nobody, or it is not known */
	bool		erased;
} Opened;

static Datum
json_of(const void *bytes, size_t length)
{
	char	   *text = pnstrdup(bytes, length);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pg_any_to_server(text, length, PG_UTF8)));
}

static Datum
unseal(const TomsEntry *entry, const uint8 *key)
{
	uint8		nonce[TOMS_NONCE_BYTES];
	size_t		length = entry->payload.length - TOMS_TAG_BYTES;
	char	   *plain = palloc(length + 1);

	toms_entry_nonce(entry, nonce);
	if (entry->payload.length < TOMS_TAG_BYTES || !toms_crypto_open(plain, entry->payload, (TomsBytes) {NULL, 0}, nonce, key))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entry " INT64_FORMAT " of the audit trail is damaged", entry->id),
				 errdetail("Its key does not open it."),
				 errhint("SELECT * FROM toms.verify_audit();")));
	return json_of(plain, length);
}

static Opened
open_entry(const TomsEntry *entry)
{
	Opened		opened = {0};
	const TomsDataKey *key;

	if (entry->key == 0)
	{
		if (entry->payload.bytes)
			opened.payload = json_of(entry->payload.bytes, entry->payload.length);
		return opened;
	}
	key = toms_data_key_find(entry->key);
	if (key == NULL || key->bytes == NULL)
	{
		opened.erased = true;
		return opened;
	}
	if (key->subject[0] != '\0')
		opened.subject = pstrdup(key->subject);
	if (entry->payload.bytes)
		opened.payload = unseal(entry, key->bytes);
	return opened;
}

static TomsEntry
entry_of(HeapTuple tuple, TupleDesc desc)
{
	Datum		values[TOMS_ENTRY_NATTS];
	bool		nulls[TOMS_ENTRY_NATTS];

	heap_deform_tuple(tuple, desc, values, nulls);
	return toms_entry_of_row(values, nulls);
}

/* toms.audit_payload(entry, OUT payload, OUT subject, OUT erased) */
Datum
toms_audit_payload(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	TomsEntry	entry = entry_of(&tuple, desc);
	Opened		opened;
	TupleDesc	result;
	Datum		values[3] = {0};
	bool		nulls[3] = {false};

	ReleaseTupleDesc(desc);
	if (get_call_result_type(fcinfo, NULL, &result) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	opened = open_entry(&entry);
	values[0] = opened.payload;
	nulls[0] = opened.payload == 0;
	nulls[1] = opened.subject == NULL;
	if (opened.subject)
		values[1] = CStringGetTextDatum(opened.subject);
	values[2] = BoolGetDatum(opened.erased);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(result), values, nulls));
}

/* what entries refer to --------------------------------------------------------------- */

typedef struct Referred
{
	int64		id;
	bool		found;
	Datum		payload;		/* in the context of the call site; 0: none */
} Referred;

/* An entry that others refer to is of their month; it was written after the first of them. */
static const char lookup[] =
"SELECT e.* FROM toms.audit_entry e WHERE e.kind = $1 AND e.id = $2"
" AND e.at >= $3 - interval '31 days' AND e.at <= $3 + interval '1 day' LIMIT 1";

static SPIPlanPtr
lookup_plan(void)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		Oid			types[] = {CHAROID, INT8OID, TIMESTAMPTZOID};
		SPIPlanPtr	made = SPI_prepare(lookup, lengthof(types), types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare a query on the audit trail");
		plan = made;
	}
	return plan;
}

static void
look_up(Referred *referred, Datum kind, Datum at, MemoryContext memory)
{
	Datum		arguments[] = {kind, Int64GetDatum(referred->id), at};

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_plan(lookup_plan(), arguments, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the audit trail");
	if (SPI_processed > 0)
	{
		TomsEntry	entry = entry_of(SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
		Opened		opened = open_entry(&entry);
		MemoryContext old = MemoryContextSwitchTo(memory);

		referred->found = true;
		if (opened.erased)
			referred->payload = json_of("{\"erased\":true}", 15);
		else if (opened.payload)
			referred->payload = PointerGetDatum(PG_DETOAST_DATUM_COPY(opened.payload));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

static HTAB *
kept_by(FunctionCallInfo fcinfo)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(Referred),.hcxt = fcinfo->flinfo->fn_mcxt};

	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = hash_create("toms audit references", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return fcinfo->flinfo->fn_extra;
}

/* toms.audit_referred(kind, id, at): what the entry says; {"erased":true} where its key is gone. */
Datum
toms_audit_referred(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(1);
	HTAB	   *kept = kept_by(fcinfo);
	Referred   *known = hash_search(kept, &id, HASH_FIND, NULL);

	if (known == NULL)
	{
		Referred	fresh = {.id = id};

		look_up(&fresh, PG_GETARG_DATUM(0), PG_GETARG_DATUM(2), fcinfo->flinfo->fn_mcxt);
		known = hash_search(kept, &id, HASH_ENTER, NULL);
		*known = fresh;
	}
	if (known->payload == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(known->payload);
}
