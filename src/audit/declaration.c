/*
 * declaration.c - what toms enforces is declared in tables of its own: their changes go into the trail.
 *
 * A trigger on each of these tables, AFTER each row; the entry lives and dies with the change.  What is
 * declared is not personal, but for columns that say in free text what may be: the trigger's arguments name them, and
 * of these is told only that they are there.
 */
#include "audit/audit_int.h"

#include "access/htup_details.h"
#include "base/system_settings.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(toms_audit_declaration);

#define LONGEST_VALUE 1000

/* A row of the table before and after; one of them may be missing. */
typedef struct Declaration
{
	TriggerData *trigger;
	TupleDesc	desc;
	HeapTuple	old;
	HeapTuple	new;
} Declaration;

static bool
is_left_out(const Declaration *declaration, const char *column)
{
	const Trigger *trigger = declaration->trigger->tg_trigger;

	for (int i = 0; i < trigger->tgnargs; i++)
	{
		if (strcmp(trigger->tgargs[i], column) == 0)
			return true;
	}
	return false;
}

static bool
is_changed(const Declaration *declaration, int column)
{
	const FormData_pg_attribute *attribute = TupleDescAttr(declaration->desc, column - 1);
	bool		was_null;
	bool		isnull;
	Datum		was;
	Datum		is;

	if (declaration->old == NULL || declaration->new == NULL)
		return true;
	was = heap_getattr(declaration->old, column, declaration->desc, &was_null);
	is = heap_getattr(declaration->new, column, declaration->desc, &isnull);
	return was_null != isnull || (!isnull && !datumIsEqual(was, is, attribute->attbyval, attribute->attlen));
}

static char *
text_of(const Declaration *declaration, HeapTuple row, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column, declaration->desc, &isnull);
	Oid			output;
	bool		is_varlena;
	char	   *text;

	if (isnull)
		return NULL;
	getTypeOutputInfo(TupleDescAttr(declaration->desc, column - 1)->atttypid, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	text[pg_mbcliplen(text, strlen(text), LONGEST_VALUE)] = '\0';
	return text;
}

static void
say_value(StringInfo text, const Declaration *declaration, HeapTuple row, int column)
{
	const char *name = NameStr(TupleDescAttr(declaration->desc, column - 1)->attname);
	char	   *value = text_of(declaration, row, column);

	escape_json(text, name);
	appendStringInfoChar(text, ':');
	if (value == NULL)
		appendStringInfoString(text, "null");
	else
		escape_json(text, is_left_out(declaration, name) ? "(not told)" : value);
}

/* The first column says which row it is. */
static void
say_row(StringInfo text, const char *which, const Declaration *declaration, HeapTuple row)
{
	bool		first = true;

	appendStringInfo(text, ",\"%s\":{", which);
	for (int column = 1; column <= declaration->desc->natts; column++)
	{
		if (TupleDescAttr(declaration->desc, column - 1)->attisdropped || (column > 1 && !is_changed(declaration, column)))
			continue;
		appendStringInfoString(text, first ? "" : ",");
		say_value(text, declaration, row, column);
		first = false;
	}
	appendStringInfoChar(text, '}');
}

static const char *
verb_of(const Declaration *declaration)
{
	if (declaration->old && declaration->new)
		return "update";
	return declaration->new ? "insert" : declaration->old ? "delete" : "truncate";
}

static const char *
tenant_of(const Declaration *declaration)
{
	HeapTuple	row = declaration->new ? declaration->new : declaration->old;
	int			column = row ? SPI_fnumber(declaration->desc, "tenant") : 0;

	/* in toms.protection_history it is the name of a column */
	return column > 0 && TupleDescAttr(declaration->desc, column - 1)->atttypid == TEXTOID ? text_of(declaration, row, column) : NULL;
}

static void
add_entry(const Declaration *declaration)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_DECLARATION,.tenant = tenant_of(declaration)};
	StringInfoData text;
	int			level;

	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	initStringInfo(&text);
	/* times, and names of tables, as everybody reads them */
	level = toms_use_system_settings();
	appendStringInfoString(&text, "{\"table\":");
	escape_json(&text, RelationGetRelationName(declaration->trigger->tg_relation));
	appendStringInfo(&text, ",\"verb\":\"%s\"", verb_of(declaration));
	if (declaration->old)
		say_row(&text, "old", declaration, declaration->old);
	if (declaration->new)
		say_row(&text, "new", declaration, declaration->new);
	appendStringInfoChar(&text, '}');
	AtEOXact_GUC(true, level);
	toms_payload_to_utf8(&text);
	entry.payload = (TomsBytes) {text.data, text.len};
	toms_record_add(&entry);
}

/*
 * What a dump or the extension's script brings was declared before, elsewhere: a dump as COPY, or as statements of a superuser that no
 * function of toms runs, into a trail that is not in use.
 */
static bool
is_brought(void)
{
	return IsBinaryUpgrade || creating_extension || toms_guard_is_restoring() ||
		(!InLocalUserIdChange() && superuser_arg(GetSessionUserId()) && !toms_guard_trail_is_used());
}

Datum
toms_audit_declaration(PG_FUNCTION_ARGS)
{
	Declaration declaration = {.trigger = (TriggerData *) fcinfo->context};
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(declaration.trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.audit_declaration() is a trigger of tables of toms")));
	event = declaration.trigger->tg_event;
	if (is_brought())
		return PointerGetDatum(NULL);
	declaration.desc = RelationGetDescr(declaration.trigger->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(event))
		declaration.new = declaration.trigger->tg_trigtuple;
	else if (TRIGGER_FIRED_BY_DELETE(event))
		declaration.old = declaration.trigger->tg_trigtuple;
	else if (TRIGGER_FIRED_BY_UPDATE(event))
	{
		declaration.old = declaration.trigger->tg_trigtuple;
		declaration.new = declaration.trigger->tg_newtuple;
	}
	add_entry(&declaration);
	return PointerGetDatum(NULL);
}
