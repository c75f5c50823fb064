/*
 * row.c - the triggers that take every change of a protected table into the trail.
 *
 * toms.audit_row() stands AFTER each row, toms.audit_truncate() after TRUNCATE, both ENABLE ALWAYS,
 * on every protected table.  An entry is of the person whose row it is; a row that is given to
 * another person or tenant is an entry of both.  Values are told of only where the controller has
 * consented, and are sealed under that person's key.
 *
 * Looking up a key can throw away what the catalogue has cached: what is needed of it is copied
 * first.
 */
#include "audit/audit_int.h"
#include "audit/tally_int.h"

#include "base/compat.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "context/context.h"
#include "guard/guard.h"
#include "mb/pg_wchar.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Of longer values the trail holds the beginning, in bytes. */
#define LONGEST_VALUE 65536

PG_FUNCTION_INFO_V1(toms_audit_row);
PG_FUNCTION_INFO_V1(toms_audit_truncate);

/* What the catalogue says of the table. */
typedef struct Audited
{
	Relation	rel;
	Oid			root;
	AttrNumber	tenant;			/* 0: the parent's */
	AttrNumber	subject;		/* 0: rows are about nobody */
	Oid			tenant_type;
	Oid			subject_type;
	int			nconsents;
	TomsConsent *consents;
} Audited;

typedef struct Owner
{
	bool		has_tenant;
	char		tenant[TOMS_IDENTIFIER_BYTES];
	char		subject[TOMS_IDENTIFIER_BYTES]; /* "": nobody */
} Owner;

typedef struct Change
{
	TomsEntryVerb verb;
	TupleTableSlot *old;		/* NULL: an insertion */
	TupleTableSlot *new;		/* NULL: a deletion */
	TomsBytes	columns;		/* of an update: those that it changed */
} Change;

static bool
find_audited(Relation rel, Audited *audited)
{
	const TomsRelation *relation = toms_catalog_relation(RelationGetRelid(rel));

	if (relation == NULL || relation->mode != TOMS_MODE_ENFORCE)
		return false;
	audited->rel = rel;
	audited->root = relation->root;
	audited->tenant = relation->tenant;
	audited->subject = relation->subject;
	audited->tenant_type = relation->tenant_type;
	audited->subject_type = relation->subject_type;
	audited->nconsents = relation->nconsents;
	audited->consents = NULL;
	if (relation->nconsents == 0)
		return true;
	audited->consents = palloc(relation->nconsents * sizeof(TomsConsent));
	for (int i = 0; i < relation->nconsents; i++)
		audited->consents[i] = (TomsConsent) {pstrdup(relation->consents[i].tenant), relation->consents[i].until};
	return true;
}

static bool
identifier(TupleTableSlot *row, AttrNumber column, Oid type, char *text)
{
	bool		isnull;
	Datum		value = slot_getattr(row, column, &isnull);

	return !isnull && toms_identifier_text(type, value, text);
}

static Owner
owner_of(const Audited *audited, TupleTableSlot *row)
{
	Owner		owner;
	const TomsContext *context;

	owner.subject[0] = '\0';
	if (audited->subject && !identifier(row, audited->subject, audited->subject_type, owner.subject))
		owner.subject[0] = '\0';
	if (audited->tenant)
	{
		owner.has_tenant = identifier(row, audited->tenant, audited->tenant_type, owner.tenant);
		return owner;
	}
	context = toms_context_get();
	owner.has_tenant = context != NULL;
	strlcpy(owner.tenant, context ? context->tenant : "", sizeof(owner.tenant));
	return owner;
}

static bool
is_same_owner(const Owner *one, const Owner *other)
{
	return one->has_tenant == other->has_tenant && strcmp(one->subject, other->subject) == 0 &&
		(!one->has_tenant || strcmp(one->tenant, other->tenant) == 0);
}

/* columns ----------------------------------------------------------------------------- */

static bool
is_changed(const Change *change, int column, const FormData_pg_attribute *attribute)
{
	bool		was_null = change->old->tts_isnull[column - 1];

	if (attribute->attisdropped || (was_null && change->new->tts_isnull[column - 1]))
		return false;
	return was_null != change->new->tts_isnull[column - 1] ||
		!datumIsEqual(change->old->tts_values[column - 1], change->new->tts_values[column - 1], attribute->attbyval, attribute->attlen);
}

/* As few bytes as hold the last one. */
static TomsBytes
changed_columns(const Audited *audited, const Change *change)
{
	TupleDesc	desc = RelationGetDescr(audited->rel);
	uint8	   *columns = palloc0(desc->natts / 8 + 1);
	int			length = 0;

	slot_getallattrs(change->old);
	slot_getallattrs(change->new);
	for (int column = 1; column <= desc->natts; column++)
	{
		if (!is_changed(change, column, TupleDescAttr(desc, column - 1)))
			continue;
		columns[(column - 1) / 8] |= 1 << (column - 1) % 8;
		length = (column - 1) / 8 + 1;
	}
	return (TomsBytes) {columns, length};
}

static bool
has_column(TomsBytes columns, AttrNumber column)
{
	size_t		byte = (column - 1) / 8;

	return byte < columns.length && (((const uint8 *) columns.bytes)[byte] & 1 << (column - 1) % 8) != 0;
}

/* payload ----------------------------------------------------------------------------- */

/* An entry that holds too much could not be read, nor perhaps be written. */
static void
say_text(StringInfo text, char *value)
{
	size_t		length = strlen(value);

	if (length > LONGEST_VALUE)
		strcpy(value + pg_mbcliplen(value, (int) Min(length, 2 * LONGEST_VALUE), LONGEST_VALUE - 3), "...");
	escape_json(text, value);
}

/* Dates do not depend on the session's DateStyle. */
static void
say_output(StringInfo text, Oid type, Datum value)
{
	char		date[MAXDATELEN + 1];
	Oid			output;
	bool		is_varlena;

	switch (type)
	{
		case INT4OID:
			appendStringInfo(text, "\"%d\"", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(text, "\"" INT64_FORMAT "\"", DatumGetInt64(value));
			break;
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			escape_json(text, JsonEncodeDateTime(date, value, type, NULL));
			break;
		default:
			getTypeOutputInfo(type, &output, &is_varlena);
			say_text(text, OidOutputFunctionCall(output, value));
	}
}

static void
say_value(StringInfo text, TupleTableSlot *row, AttrNumber column)
{
	const FormData_pg_attribute *attribute = TupleDescAttr(row->tts_tupleDescriptor, column - 1);
	bool		isnull;
	Datum		value = slot_getattr(row, column, &isnull);

	escape_json(text, NameStr(attribute->attname));
	appendStringInfoChar(text, ':');
	if (isnull)
		appendStringInfoString(text, "null");
	else
		say_output(text, attribute->atttypid, value);
}

static void
say_key(StringInfo text, const char *name, const TomsObject *object, TupleTableSlot *row)
{
	appendStringInfo(text, "\"%s\":{", name);
	for (int i = 0; i < object->nkeys; i++)
	{
		appendStringInfoString(text, i > 0 ? "," : "");
		say_value(text, row, object->keys[i]);
	}
	appendStringInfoChar(text, '}');
}

/* All columns, or those that were changed. */
static void
say_values(StringInfo text, const char *name, const Change *change, TupleTableSlot *row)
{
	TupleDesc	desc = row->tts_tupleDescriptor;
	bool		first = true;

	appendStringInfo(text, ",\"%s\":{", name);
	for (int column = 1; column <= desc->natts; column++)
	{
		if (TupleDescAttr(desc, column - 1)->attisdropped || (change->columns.bytes && !has_column(change->columns, column)))
			continue;
		appendStringInfoString(text, first ? "" : ",");
		say_value(text, row, column);
		first = false;
	}
	appendStringInfoChar(text, '}');
}

static bool
changes_key(const TomsObject *object, const Change *change)
{
	for (int i = 0; change->columns.bytes && i < object->nkeys; i++)
	{
		if (has_column(change->columns, object->keys[i]))
			return true;
	}
	return false;
}

/* Of a row that goes from one owner to another each is told his own side. */
static void
describe(StringInfo text, const TomsObject *object, const Change *change, bool with_values)
{
	appendStringInfoChar(text, '{');
	say_key(text, "key", object, change->old ? change->old : change->new);
	if (change->new && changes_key(object, change))
	{
		appendStringInfoChar(text, ',');
		say_key(text, "new_key", object, change->new);
	}
	if (with_values && change->old)
		say_values(text, "old", change, change->old);
	if (with_values && change->new)
		say_values(text, "new", change, change->new);
	appendStringInfoChar(text, '}');
}

static bool
is_consented(const Audited *audited, const Owner *owner, TimestampTz at)
{
	for (int i = 0; i < audited->nconsents; i++)
	{
		if (owner->has_tenant && strcmp(audited->consents[i].tenant, owner->tenant) == 0 && at < audited->consents[i].until)
			return true;
	}
	return false;
}

/* entries ----------------------------------------------------------------------------- */

static void
add_entry(const Audited *audited, const Change *change, const Owner *owner)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_CHANGE,.verb = change->verb,.columns = change->columns};
	const TomsObject *object;
	StringInfoData text;

	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	object = toms_object(audited->rel, audited->root, entry.at);
	entry.object = object->entry;
	initStringInfo(&text);
	describe(&text, object, change, is_consented(audited, owner, entry.at));
	toms_payload_to_utf8(&text);
	entry.tenant = owner->has_tenant ? owner->tenant : NULL;
	toms_payload_seal(&entry, owner->subject, &text);
	toms_record_add(&entry);
}

static void
add_change(const Audited *audited, const Change *change)
{
	TupleTableSlot *row = change->new ? change->new : change->old;
	Owner		owner;
	Owner		former;

	Assert(row != NULL);
	owner = owner_of(audited, row);
	if (change->old == NULL || change->new == NULL)
	{
		add_entry(audited, change, &owner);
		return;
	}
	former = owner_of(audited, change->old);
	if (is_same_owner(&former, &owner))
		add_entry(audited, change, &owner);
	else
	{
		Change		lost = *change;
		Change		gained = *change;

		lost.new = NULL;
		gained.old = NULL;
		add_entry(audited, &lost, &former);
		add_entry(audited, &gained, &owner);
	}
}

Datum
toms_audit_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Audited		audited;
	Change		change;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.audit_row() is a trigger after each row")));
	/* one that somebody has put beside ours tells of the same change once more */
	if (toms_guard_is_restoring() || strcmp(trigger->tg_trigger->tgname, TOMS_AUDIT_TRIGGER) != 0)
		return PointerGetDatum(NULL);
	if (!find_audited(trigger->tg_relation, &audited))
		return PointerGetDatum(NULL);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		toms_policy_keep_held(trigger->tg_relation, trigger->tg_trigslot, TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : NULL);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && toms_tally_is_asked())
	{
		toms_tally_add(trigger->tg_relation, trigger->tg_trigslot);
		return PointerGetDatum(NULL);
	}
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		change = (Change) {.verb = TOMS_VERB_INSERT,.new = trigger->tg_trigslot};
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		change = (Change) {.verb = TOMS_VERB_DELETE,.old = trigger->tg_trigslot};
	else
	{
		change = (Change) {.verb = TOMS_VERB_UPDATE,.old = trigger->tg_trigslot,.new = trigger->tg_newslot};
		change.columns = changed_columns(&audited, &change);
	}
	add_change(&audited, &change);
	return PointerGetDatum(NULL);
}

Datum
toms_audit_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TomsEntry	entry = {.kind = TOMS_ENTRY_CHANGE,.verb = TOMS_VERB_TRUNCATE};
	Audited		audited;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.audit_truncate() is a trigger of TRUNCATE")));
	if (!find_audited(trigger->tg_relation, &audited))
		return PointerGetDatum(NULL);
	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	entry.object = toms_object(audited.rel, audited.root, entry.at)->entry;
	toms_record_add(&entry);
	return PointerGetDatum(NULL);
}
