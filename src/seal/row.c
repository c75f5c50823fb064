/*
 * row.c - the trigger that seals values for the row they are written to.
 *
 * toms.seal_row() stands on protected tables with sealed columns as the last BEFORE trigger of
 * each row, ENABLE ALWAYS.  A pending value is sealed anew, so that two rows never share a
 * ciphertext.  A stored one is kept if it was sealed for the row's tenant, subject, table and
 * column, and refused otherwise; if the statement gives the row to another subject, it is sealed
 * anew for that one, where the context may open it.
 *
 * Two kinds of writers bring values whose keys may not be here yet, and are trusted with them:
 * replication, and who bypasses row security; toms.verify_sealed() looks at such rows later.
 */
#include "seal/seal_int.h"

#include "base/secret.h"
#include "commands/trigger.h"
#include "access/htup_details.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "port/pg_bswap.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(toms_seal_row);

/* Whose row it is. */
typedef struct Owner
{
	Oid			relid;			/* the protected table: never a partition */
	char		tenant[TOMS_IDENTIFIER_BYTES];
	char		subject[TOMS_IDENTIFIER_BYTES];
} Owner;

/* What a column held before an UPDATE. */
typedef struct Former
{
	bool		exists;
	bool		same_owner;
	Datum		value;
} Former;

/* While a conversion rewrites rows of a table without a tenant column: whose they are. */
static Oid	given_root = InvalidOid;
static const char *given_tenant;

void
toms_row_give_tenant(Oid root, const char *tenant)
{
	given_root = root;
	given_tenant = tenant;
}

static void
refuse_nobody(Oid relid)
{
	TomsRefusal refusal = {.reason = TOMS_SEALED_NOBODY,.relid = relid,
		.detail = "Values are sealed under a key of the row's data subject.",
	.hint = "Write tenant and subject columns with the row; they may not be null."};

	toms_refuse(&refusal);
}

static void
refuse_elsewhere(Oid relid)
{
	TomsRefusal refusal = {.reason = TOMS_SEALED_ELSEWHERE,.relid = relid,
		.detail = "It was sealed for another tenant, data subject, table or column, or it has been changed.",
	.hint = "Write the plain value: INSERT … SELECT toms.reveal(value) …"};

	toms_refuse(&refusal);
}

static void
refuse_tenant(Oid relid)
{
	TomsRefusal refusal = {.reason = TOMS_ROW_OTHER_TENANT,.relid = relid,.who = toms_context_who(),
	.detail = "A row can be written for the tenant of the context only."};

	toms_refuse(&refusal);
}

/* As the policies would, but before a key is looked up, which would tell whether there is such a tenant. */
static void
require_tenant(const Owner *owner)
{
	const TomsContext *context = toms_context_get();

	if ((context == NULL || strcmp(context->tenant, owner->tenant) != 0) &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA && !has_bypassrls_privilege(GetUserId()))
		refuse_tenant(owner->relid);
}

static bool
identifier(HeapTuple tuple, TupleDesc desc, AttrNumber column, Oid type, char *text)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return !isnull && toms_identifier_text(type, value, text);
}

/*
 * A row without a tenant column is its parent's tenant's, who must be the context's.  Who is
 * trusted with values has no context perhaps: then the tenant is empty, and nothing is sealed.
 */
static bool
read_owner(const TomsRelation *relation, HeapTuple tuple, TupleDesc desc, Owner *owner)
{
	const TomsContext *context;

	owner->relid = relation->root;
	if (relation->subject == 0 || !identifier(tuple, desc, relation->subject, relation->subject_type, owner->subject))
		return false;
	if (relation->tenant)
		return identifier(tuple, desc, relation->tenant, relation->tenant_type, owner->tenant);
	context = toms_context_get();
	if (relation->root == given_root)
		strlcpy(owner->tenant, given_tenant, sizeof(owner->tenant));
	else
		strlcpy(owner->tenant, context ? context->tenant : "", sizeof(owner->tenant));
	return true;
}

/*
 * Not every way into a row goes through the coercion to the column's catalogue: a code that no
 * catalogue was asked about is still a word, and one of another catalogue none of the column's.
 */
static bool
is_code_of(const TomsSealedColumn *column, const uint8 *plain, int length)
{
	uint16		catalogue;

	if (length != TOMS_CODE_BYTES)
		return false;
	memcpy(&catalogue, plain, sizeof(catalogue));
	return pg_ntoh16(catalogue) == column->modifier;
}

/* Open with the key of "id", or of the server's life if 0, and seal for the owner. */
static Datum
seal_anew(const TomsSealedColumn *column, const TomsEnvelope *envelope, const uint8 *key, const Owner *owner)
{
	uint8	   *plain = palloc(envelope->plain_length);
	bool		opened = key ? toms_envelope_open(envelope, key, plain) : toms_pending_open(envelope, plain);
	const TomsDataKey *mine;
	struct varlena *value;

	if (owner->tenant[0] == '\0')
		refuse_nobody(owner->relid);
	if (!opened || (envelope->type == TOMS_HEALTH_CODE && !is_code_of(column, plain, envelope->plain_length)))
		refuse_elsewhere(owner->relid);
	mine = toms_data_key_for(owner->relid, owner->tenant, owner->subject);
	value = toms_envelope_seal(column, mine->id, mine->bytes, plain, envelope->plain_length);
	toms_secret_wipe(plain, envelope->plain_length);
	pfree(plain);
	return PointerGetDatum(value);
}

/*
 * Whether a stored value was sealed for this row's owner and this column.  Whose a value was that
 * has been erased is not known any more: nobody opens it, wherever in the table it is.
 */
static bool
belongs(const TomsSealedColumn *column, const TomsEnvelope *envelope, const TomsDataKey *key, const Owner *owner)
{
	if (key->relid != owner->relid || envelope->column_id != column->id ||
		(owner->tenant[0] && strcmp(key->tenant, owner->tenant) != 0))
		return false;
	if (key->bytes == NULL)
		return true;
	return strcmp(key->subject, owner->subject) == 0 && toms_envelope_opens(envelope, key->bytes);
}

static Datum
stored_value(const TomsSealedColumn *column, Datum value, const TomsEnvelope *envelope, const Owner *owner, bool was_there)
{
	const TomsDataKey *key;

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return value;
	key = toms_data_key_find(envelope->key_id);
	if (key == NULL ? has_bypassrls_privilege(GetUserId()) : belongs(column, envelope, key, owner))
		return value;
	if (!was_there || key == NULL)
		refuse_elsewhere(owner->relid);
	return seal_anew(column, envelope, toms_reveal_key(envelope->key_id)->bytes, owner);
}

static Datum
bound_value(const TomsSealedColumn *column, Datum value, const Owner *owner, const Former *former)
{
	TomsEnvelope envelope;
	bool		was_there = former->exists && datumIsEqual(value, former->value, false, -1);

	if (was_there && former->same_owner)
		return value;
	if (!toms_envelope_read(PG_DETOAST_DATUM_PACKED(value), &envelope) || envelope.type != column->type)
		refuse_elsewhere(owner->relid);
	if (envelope.key_id == 0 && was_there)
		refuse_elsewhere(owner->relid);
	if (envelope.key_id == 0)
		return seal_anew(column, &envelope, NULL, owner);
	return stored_value(column, value, &envelope, owner, was_there);
}

static bool
same_owner(const TomsRelation *relation, HeapTuple old, TupleDesc desc, const Owner *owner)
{
	Owner		former;

	return read_owner(relation, old, desc, &former) && strcmp(former.tenant, owner->tenant) == 0 &&
		strcmp(former.subject, owner->subject) == 0;
}

/* A pending value and what it is sealed to are of one length: then the copy of the row has room for it. */
static void
replace_value(HeapTuple *row, bool *is_copy, TupleDesc desc, AttrNumber column, Datum value)
{
	struct varlena *new = (struct varlena *) DatumGetPointer(value);
	struct varlena *old;
	bool		isnull;
	int			attnum = column;

	if (!*is_copy)
		*row = heap_copytuple(*row);
	*is_copy = true;
	old = (struct varlena *) DatumGetPointer(heap_getattr(*row, column, desc, &isnull));
	if (!VARATT_IS_EXTERNAL(old) && !VARATT_IS_COMPRESSED(old) && VARSIZE_ANY_EXHDR(old) == VARSIZE_ANY_EXHDR(new))
		memcpy(VARDATA_ANY(old), VARDATA_ANY(new), VARSIZE_ANY_EXHDR(new));
	else
		*row = heap_modify_tuple_by_cols(*row, desc, 1, &attnum, &value, &isnull);
}

/* Binding can look up anything, so nothing of "relation" is used once it has begun. */
static HeapTuple
bind_row(const TomsRelation *relation, TupleDesc desc, HeapTuple new, HeapTuple old)
{
	int			ncolumns = relation->nsealed;
	TomsSealedColumn *columns = memcpy(palloc(ncolumns * sizeof(*columns)), relation->sealed, ncolumns * sizeof(*columns));
	HeapTuple	row = new;
	bool		is_copy = false;
	bool		has_owner;
	Owner		owner;
	Former		former = {.exists = false};

	has_owner = read_owner(relation, new, desc, &owner);
	former.same_owner = has_owner && old && same_owner(relation, old, desc, &owner);
	for (int i = 0; i < ncolumns; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(new, columns[i].column, desc, &isnull);
		Datum		bound;

		if (isnull)
			continue;
		if (!has_owner)
			refuse_nobody(owner.relid);
		require_tenant(&owner);
		if (old)
			former.value = heap_getattr(old, columns[i].column, desc, &isnull);
		former.exists = old && !isnull;
		bound = bound_value(&columns[i], value, &owner, &former);
		if (bound != value)
			replace_value(&row, &is_copy, desc, columns[i].column, bound);
	}
	return row;
}

Datum
toms_seal_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const TomsRelation *relation;
	bool		is_update;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.seal_row() is a trigger before each row")));
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	relation = toms_catalog_relation(RelationGetRelid(trigger->tg_relation));
	if (relation == NULL || relation->nsealed == 0)
		return PointerGetDatum(is_update ? trigger->tg_newtuple : trigger->tg_trigtuple);
	return PointerGetDatum(bind_row(relation, RelationGetDescr(trigger->tg_relation),
									is_update ? trigger->tg_newtuple : trigger->tg_trigtuple,
									is_update ? trigger->tg_trigtuple : NULL));
}
