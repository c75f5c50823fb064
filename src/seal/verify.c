/*
 * verify.c - looks at every sealed value of a table: does it belong there, which keys are in use?
 *
 * Called by toms.verify_sealed() and toms.destroy_unused_keys().  A value is opened to see
 * whether it can be; nothing of it, and nobody's name, gets out.  An epoch whose key is not at
 * hand is an error, since then nothing can be said about the values.
 */
#include "seal/seal_int.h"

#include "base/secret.h"
#include "funcapi.h"
#include "policy/policy.h"
#include "seal/stored.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"

/* What is known about the rows of a table, and where problems go. */
typedef struct Verification
{
	Oid			root;
	AttrNumber	tenant;			/* 0: not in the row */
	AttrNumber	subject;
	Oid			tenant_type;
	Oid			subject_type;
	ReturnSetInfo *result;
} Verification;

PG_FUNCTION_INFO_V1(toms_verify_table);
PG_FUNCTION_INFO_V1(toms_carried_keys);

/* Whether the column of the row holds this identifier. */
static bool
holds(TupleTableSlot *row, AttrNumber column, Oid type, const char *identifier)
{
	char		text[TOMS_IDENTIFIER_BYTES];
	bool		isnull;
	Datum		value = slot_getattr(row, column, &isnull);

	return !isnull && toms_identifier_text(type, value, text) && strcmp(text, identifier) == 0;
}

/* NULL: the value belongs where it stands. */
static const char *
problem_of(const Verification *table, const TomsStored *stored)
{
	TomsEnvelope envelope;
	const TomsDataKey *key;

	if (!toms_envelope_read(PG_DETOAST_DATUM_PACKED(stored->value), &envelope) || envelope.type != stored->column->type)
		return "it is damaged, or of another type";
	if (envelope.key_id == 0)
		return "it was never bound to a row";
	if (envelope.column_id != stored->column->id)
		return "it was sealed for another column";
	key = toms_data_key_find(envelope.key_id);
	if (key == NULL)
		return "its key is missing";
	if (key->bytes == NULL)
		return "its key has been destroyed";
	if (key->relid != table->root)
		return "it was sealed for another table";
	if (table->tenant && !holds(stored->row, table->tenant, table->tenant_type, key->tenant))
		return "it was sealed for another tenant";
	if (!table->subject || !holds(stored->row, table->subject, table->subject_type, key->subject))
		return "it was sealed for another data subject";
	return toms_envelope_opens(&envelope, key->bytes) ? NULL : "it has been changed";
}

static bool
verify_value(const TomsStored *stored, void *arg)
{
	const Verification *table = arg;
	ReturnSetInfo *result = table->result;
	const char *problem = problem_of(table, stored);
	Datum		values[3];
	bool		nulls[3] = {false};

	if (problem == NULL)
		return true;
	values[0] = PointerGetDatum(&stored->row->tts_tid);
	values[1] = Int16GetDatum(stored->column->column);
	values[2] = CStringGetTextDatum(problem);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return true;
}

/* toms.verify_table(part): tid, number of the column and problem of each value that does not belong. */
Datum
toms_verify_table(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	const TomsRelation *relation = toms_catalog_relation(relid);
	Verification table = {.result = (ReturnSetInfo *) fcinfo->resultinfo};

	InitMaterializedSRF(fcinfo, 0);
	if (relation == NULL)
		return (Datum) 0;
	table.root = relation->root;
	table.tenant = relation->tenant;
	table.subject = relation->subject;
	table.tenant_type = relation->tenant_type;
	table.subject_type = relation->subject_type;
	toms_stored_scan(relid, verify_value, &table);
	return (Datum) 0;
}

/* The header of an envelope is enough, so that long values stay where they are. */
static bool
note_key(const TomsStored *stored, void *arg)
{
	struct varlena *header = PG_DETOAST_DATUM_SLICE(stored->value, 0, TOMS_HEADER_BYTES);
	int64		id = toms_envelope_key_id(header);

	(void) hash_search(arg, &id, HASH_ENTER, NULL);
	return true;
}

/* toms.carried_keys(part): the keys of which the table holds values. */
Datum
toms_carried_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(int64),.hcxt = CurrentMemoryContext};
	HTAB	   *keys = hash_create("toms carried keys", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	HASH_SEQ_STATUS status;
	int64	   *id;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	toms_stored_scan(PG_GETARG_OID(0), note_key, keys);
	hash_seq_init(&status, keys);
	while ((id = hash_seq_search(&status)) != NULL)
	{
		Datum		value = Int64GetDatum(*id);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
