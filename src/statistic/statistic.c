/*
 * statistic.c - toms.statistic(): what an aggregate purpose is told.
 *
 * Called by applications.  Whoever asks needs a token that holds the statistic's purpose and, for
 * every protected table below it, a permission to select the tenant's rows for that purpose.  What
 * is declared and what has been published is read as the bootstrap superuser; rows are read as
 * the caller, in a frame of the purpose, through the same policies and guard as by any statement,
 * and once only: what has been published is the answer from then on.
 *
 * Nothing outlives the call but what publish.c has committed.  The query is planned without
 * parallel workers, since a frame of a statistic is the leader's alone, and has memory enough to
 * put no plain value into a temporary file.
 */
#include "statistic/statistic_int.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/system_settings.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "trail/trail.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_statistic);

typedef struct Statistic
{
	int64		id;
	const char *name;
	const char *purpose;
	const char *tenant;
	int			min_group;
	bool		sums;
	int			ntables;
	Oid		   *tables;			/* protected, that it reads */
} Statistic;

/* One published group. */
typedef struct Cell
{
	int64		subjects;
	Datum		value;			/* numeric */
} Cell;

/* asking ------------------------------------------------------------------------------- */

/* As the bootstrap superuser, of what is committed now; rows are in SPI_tuptable. */
static void
ask_toms(const char *query)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask for a statistic");
	PopActiveSnapshot();
	SetUserIdAndSecContext(user, security);
}

static const char *
text_at(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static Datum
datum_at(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static Statistic
find_statistic(const char *name)
{
	Statistic	statistic = {.name = name};
	bool		isnull;
	Datum	   *tables;

	ask_toms(psprintf("SELECT id, purpose, min_group, sums, tables FROM toms.find_statistic(%s)", quote_literal_cstr(name)));
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no statistic \"%s\"", name),
				 errhint("SELECT toms.add_statistic(…); by an officer.")));
	statistic.id = DatumGetInt64(datum_at(0, 1, &isnull));
	statistic.purpose = text_at(0, 2);
	statistic.min_group = DatumGetInt32(datum_at(0, 3, &isnull));
	statistic.sums = DatumGetBool(datum_at(0, 4, &isnull));
	deconstruct_array(DatumGetArrayTypeP(datum_at(0, 5, &isnull)), OIDOID, sizeof(Oid), true, TYPALIGN_INT,
					  &tables, NULL, &statistic.ntables);
	statistic.tables = (Oid *) palloc(sizeof(Oid) * Max(statistic.ntables, 1));
	for (int i = 0; i < statistic.ntables; i++)
		statistic.tables[i] = DatumGetObjectId(tables[i]);
	return statistic;
}

/* may they? ---------------------------------------------------------------------------- */

static void
refuse_context(TomsReason reason, const char *purpose)
{
	TomsRefusal refusal = {.reason = reason,.who = toms_context_who(),
		.detail = toms_context_detail(reason),.hint = toms_context_hint(reason)};

	if (reason == TOMS_PURPOSE_NOT_IN_TOKEN)
	{
		refusal.detail = psprintf("The statistic answers for purpose \"%s\".", purpose);
		refusal.hint = "Mint a token that holds it.";
	}
	toms_refuse(&refusal);
}

static void
refuse_table(Oid relid, TomsReason reason, const char *detail, const char *hint)
{
	TomsRefusal refusal = {.reason = reason,.relid = relid,.who = toms_context_who(),.detail = detail,.hint = hint};

	toms_refuse(&refusal);
}

/* In scope own the answer would be about the actor alone. */
static void
check_category(Oid relid, TomsRelation *relation, const char *category)
{
	TomsDecision decision = toms_policy_decide(relation, ACL_SELECT, category);

	if (decision.reason != TOMS_OK)
		refuse_table(relid, decision.reason, toms_policy_detail(relation, &decision), toms_policy_hint(relation, &decision));
	if (!decision.scope_tenant)
		refuse_table(relid, TOMS_ROW_OTHER_SUBJECT, "A statistic needs a permission for all rows of the tenant.",
					 "SELECT toms.permit(…, scope => 'tenant');");
}

/* Every category, as reveal() asks: a group would lack the rows of one that is not permitted. */
static void
check_table(Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);

	if (relation == NULL || relation->mode != TOMS_MODE_ENFORCE)
		refuse_table(relid, TOMS_PROTECTION_INCOMPLETE, "A statistic reads tables whose protection is enforced.",
					 psprintf("SELECT toms.enforce(%s);", quote_literal_cstr(toms_relation_name(relid))));
	check_category(relid, relation, relation->category);
	relation = toms_catalog_relation(relid);
	for (int i = 0; relation && i < relation->nrow_labels; i++)
		check_category(relid, relation, pstrdup(relation->row_labels[i].category));
}

static void
check_asker(Statistic *statistic)
{
	TomsReason	reason = toms_context_check();

	if (reason == TOMS_OK && toms_context_expired_now())
		reason = TOMS_CONTEXT_EXPIRED;
	if (reason != TOMS_OK)
		refuse_context(reason, statistic->purpose);
	statistic->tenant = pstrdup(toms_context_get()->tenant);
	if (statistic->ntables == 0)
		refuse_table(InvalidOid, TOMS_PROTECTION_INCOMPLETE, "What the statistic read is gone, or not protected any more.",
					 psprintf("SELECT toms.drop_statistic(%s, reason => '…');", quote_literal_cstr(statistic->name)));
	for (int i = 0; i < statistic->ntables; i++)
		check_table(statistic->tables[i]);
	if (has_bypassrls_privilege(GetUserId()))
		refuse_table(statistic->tables[0], TOMS_POLICY_BYPASSED,
					 psprintf("User \"%s\" bypasses row security.", GetUserNameFromId(GetUserId(), false)),
					 "Ask as a log-in of the application.");
}

/* publishing ----------------------------------------------------------------------------- */

/*
 * What an error of the query says may hold a value.  Refusals hold none, nor does what concerns
 * privileges or resources.
 */
static void
hide_values(void)
{
	ErrorData  *error;
	int			category;

	MemoryContextSwitchTo(CurTransactionContext);
	error = CopyErrorData();
	category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
	if ((error->constraint_name && strncmp(error->constraint_name, "toms_", 5) == 0) ||
		(category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION && category != ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION)))
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("the statistic cannot be computed from what the rows hold"),
			 errhint("SELECT from its view for another purpose, as somebody who may, shows the error."),
			 errhidestmt(true), errhidecontext(true)));
}

/* Rows in SPI_tuptable: period, path, value and contribution of each subject in each period. */
static void
read_people(const char *query)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("TimeZone", "UTC", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("work_mem", "1073741824", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	PG_TRY();
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(query, 0, NULL, 0);

		if (plan == NULL || SPI_execute_plan(plan, NULL, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not compute a statistic");
	}
	PG_CATCH();
	{
		hide_values();
	}
	PG_END_TRY();
	AtEOXact_GUC(true, level);
}

static TomsPerson
read_person(int row, int depth)
{
	TomsPerson	person = {.index = row};
	bool		isnull;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(datum_at(row, 2, &isnull)), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	person.path = palloc(sizeof(char *) * Max(depth, 1));
	for (int i = 0; i < depth; i++)
		person.path[i] = nulls[i] ? NULL : TextDatumGetCString(values[i]);
	person.contribution = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum_at(row, 4, &isnull)));
	return person;
}

static void
append_path(StringInfo json, const TomsGroup *group)
{
	appendStringInfoString(json, "\"path\":[");
	for (int i = 0; i < group->length; i++)
	{
		const char *value = group->merged && i == group->length - 1 ? "other" : group->path[i];

		if (i > 0)
			appendStringInfoChar(json, ',');
		if (value)
			escape_json(json, value);
		else
			appendStringInfoString(json, "null");
	}
	appendStringInfoChar(json, ']');
}

static void
append_cells(StringInfo json, const TomsPopulation *population, const char *period)
{
	Cell	   *cells = palloc0(sizeof(Cell) * Max(population->ngroups, 1));

	for (int i = 0; i < population->count; i++)
	{
		const TomsPerson *person = &population->people[i];
		Cell	   *cell;
		Datum		value;
		bool		isnull;

		if (person->group < 0)
			continue;
		cell = &cells[person->group];
		value = datum_at(person->index, 3, &isnull);
		cell->value = cell->subjects++ == 0 ? value : DirectFunctionCall2(numeric_add, cell->value, value);
	}
	for (int i = 0; i < population->ngroups; i++)
	{
		appendStringInfo(json, "%s{\"period\":%s,\"merged\":%s,\"subjects\":" INT64_FORMAT ",\"value\":\"%s\",",
						 json->data[json->len - 1] == '[' ? "" : ",", period, population->groups[i].merged ? "true" : "false",
						 cells[i].subjects, DatumGetCString(DirectFunctionCall1(numeric_out, cells[i].value)));
		append_path(json, &population->groups[i]);
		appendStringInfoChar(json, '}');
	}
	if (population->ngroups == 0)
		appendStringInfo(json, "%s{\"period\":%s,\"path\":[],\"merged\":false}", json->data[json->len - 1] == '[' ? "" : ",", period);
}

/* The cells of all periods that the rows are of, as jsonb. */
static char *
compute_cells(const Statistic *statistic, int depth)
{
	StringInfoData json;
	uint64		until;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (uint64 from = 0; from < SPI_processed; from = until)
	{
		const char *period = text_at(from, 1);
		TomsPopulation population = {.depth = depth,.min_group = statistic->min_group,.sums = statistic->sums};

		population.people = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TomsPerson) * (SPI_processed - from));
		for (until = from; until < SPI_processed; until++)
		{
			const char *of = text_at(until, 1);

			if ((period == NULL) != (of == NULL) || (period && strcmp(period, of) != 0))
				break;
			population.people[population.count++] = read_person(until, depth);
		}
		toms_merge_groups(&population);
		append_cells(&json, &population, period ? psprintf("\"%s\"", period) : "null");
		pfree(population.people);
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* Rows that this transaction has written could be rolled back when they have been counted. */
static void
check_transaction(void)
{
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a statistic is not published by a transaction that has written"),
				 errhint("COMMIT; and ask in a transaction that only reads.")));
}

static void
publish_what_is_due(const Statistic *statistic)
{
	const char *query;
	const char *from;
	const char *until;
	bool		isnull;
	int			depth;

	ask_toms(psprintf("SELECT query, since, until, depth FROM toms.due_statistic(" INT64_FORMAT ", %s)",
					  statistic->id, quote_literal_cstr(statistic->tenant)));
	if (SPI_processed == 0 || RecoveryInProgress())
		return;
	check_transaction();
	query = text_at(0, 1);
	from = text_at(0, 2);
	until = text_at(0, 3);
	depth = DatumGetInt32(datum_at(0, 4, &isnull));
	/* a view may have another owner by now */
	ask_toms(psprintf("SELECT toms.check_statistic_relation(d.relation) FROM toms.statistic_definition d WHERE d.id = " INT64_FORMAT, statistic->id));
	read_people(query);
	toms_publish(psprintf("SELECT toms.store_statistic(" INT64_FORMAT ", %s, '%s', '%s', %s)", statistic->id,
						  quote_literal_cstr(statistic->tenant), from, until,
						  quote_literal_cstr(compute_cells(statistic, depth))));
}

/* answering ---------------------------------------------------------------------------------- */

static void
answer(const Statistic *statistic, ReturnSetInfo *result)
{
	ask_toms(psprintf("SELECT dimensions, period, subjects, value, merged, suppressed, published_at"
					  " FROM toms.published_cells(" INT64_FORMAT ", %s)", statistic->id, quote_literal_cstr(statistic->tenant)));
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	if (SPI_processed > 0)
		return;
	ask_toms(psprintf("SELECT toms.next_publication(" INT64_FORMAT ")", statistic->id));
	if (SPI_processed > 0 && text_at(0, 1))
		ereport(NOTICE,
				(errmsg("no period of statistic \"%s\" with groups is over", statistic->name),
				 errhint("The one of today can be asked for from %s on.", text_at(0, 1))));
}

/* In the trail; rows that are read to publish groups are told of by the guard as well. */
static void
record_question(const Statistic *statistic)
{
	StringInfoData details;
	TomsEvent	event = {.kind = TOMS_ENTRY_READ,.verb = TOMS_VERB_SELECT};

	initStringInfo(&details);
	toms_event_say(&details, "statistic", statistic->name);
	event.details = details.data;
	(void) toms_event_add(&event);
}

/* toms.statistic(name) */
Datum
toms_statistic(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			level = toms_use_system_settings();
	Statistic	statistic;
	TomsFrame  *frame;

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	statistic = find_statistic(name);
	if (!toms_context_holds_purpose(statistic.purpose))
	{
		TomsReason	reason = toms_context_check();

		refuse_context(reason == TOMS_OK ? TOMS_PURPOSE_NOT_IN_TOKEN : reason, statistic.purpose);
	}
	frame = toms_context_enter_frame(statistic.purpose, InvalidOid);
	PG_TRY();
	{
		check_asker(&statistic);
		record_question(&statistic);
		publish_what_is_due(&statistic);
	}
	PG_FINALLY();
	{
		toms_context_leave_frame(frame);
	}
	PG_END_TRY();
	answer(&statistic, (ReturnSetInfo *) fcinfo->resultinfo);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	AtEOXact_GUC(true, level);
	return (Datum) 0;
}
