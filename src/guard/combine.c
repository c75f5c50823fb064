/*
 * combine.c - what must not meet in one statement.
 *
 * Called by check.c when the accesses of a statement have passed one by one: tables that an
 * officer keeps separate, and data of a special category (Art. 9 GDPR) beside a table that is
 * written and not protected, into which it would be copied.  A statement includes the
 * functions that it calls: what the statements around it do counts, as long as they run.
 * What a client or a variable carries from one statement to the next is not seen.
 */
#include "guard/guard_int.h"

#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "context/context.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

static bool
names_purpose(const TomsSeparation *separation, const char *purpose)
{
	for (int i = 0; purpose && i < separation->npurposes; i++)
	{
		if (strcmp(separation->purposes[i], purpose) == 0)
			return true;
	}
	return false;
}

/* What a statement, or those around it, do beside the access that is looked at. */
typedef struct Company
{
	List	   *roots;			/* tables that are separate from others */
	const char *purpose;		/* for which they are reached */
	Oid			special;		/* what it reads and may hand on, of a special category; or InvalidOid */
	bool		writes_open;	/* writes a table that is not protected, or makes one */
	Oid			open;			/* which; InvalidOid: one that is being made */
} Company;

/* One relation of a range table as an access; false if it is none that is decided by a context. */
static bool
access_of(RangeTblEntry *rte, List *rtable, List *perminfos, TomsAccess *access)
{
	TomsRtePerms perms;

	if (rte->rtekind != RTE_RELATION)
		return false;
	perms = toms_rte_perms(rte, perminfos);
	memset(access, 0, sizeof(*access));
	access->verbs = perms.required & TOMS_VERBS;
	access->user = OidIsValid(perms.check_as_user) ? perms.check_as_user : GetUserId();
	if (access->verbs == 0 || toms_guard_is_lookup(perms.check_as_user, rtable))
		return false;
	access->relation = toms_catalog_relation(rte->relid);
	return access->relation && toms_guard_examine(access).passage != TOMS_PASS_ADMINISTRATOR;
}

static bool
reads_special(const TomsAccess *access)
{
	return access->relation->is_special && (access->verbs & ACL_SELECT) != 0;
}

bool
toms_guard_can_be_open(const RangeTblEntry *rte)
{
	return rte->relid >= FirstNormalObjectId && rte->relkind != RELKIND_VIEW;
}

int
toms_guard_trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

static void
add_statement(Company *company, List *rtable, List *perminfos)
{
	ListCell   *cell;

	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);
		TomsAccess	access;

		if (access_of(rte, rtable, perminfos, &access))
		{
			if (access.relation->nseparations > 0)
				company->roots = list_append_unique_oid(company->roots, access.relation->root);
			/* what an INSERT returns is what it brought itself */
			if (reads_special(&access) && (access.verbs & ACL_INSERT) == 0)
				company->special = access.relation->relid;
		}
		else if (rte->rtekind == RTE_RELATION && toms_rte_perms(rte, perminfos).writes &&
				 toms_guard_can_be_open(rte) && toms_catalog_relation(rte->relid) == NULL)
		{
			company->writes_open = true;
			company->open = rte->relid;
		}
	}
}

bool
toms_guard_makes_table(const QueryDesc *query)
{
	return query->dest && (query->dest->mydest == DestIntoRel || query->dest->mydest == DestTransientRel);
}

static Company
company_of(const TomsRunning *running)
{
	PlannedStmt *stmt = running->query->plannedstmt;
	Company		company = {.purpose = running->purpose};

	add_statement(&company, stmt->rtable, toms_stmt_perminfos(stmt));
	company.writes_open |= toms_guard_makes_table(running->query);
	return company;
}

static void
refuse_or_note(const TomsAccess *access, bool observed, const TomsFinding *finding)
{
	TomsRefusal refusal = {.reason = finding->reason,.relid = access->relation->relid,
		.who = toms_context_who(),.detail = finding->detail,.hint = finding->hint};

	if (observed || access->relation->mode == TOMS_MODE_OBSERVE)
		toms_observe_note(access, finding);
	else
		toms_refuse(&refusal);
}

static bool
is_observed(Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);

	return relation && relation->mode == TOMS_MODE_OBSERVE;
}

/* Both the access and what is around it must be for a purpose that needs both. */
static void
check_separation(const TomsAccess *access, const char *purpose, const Company *company)
{
	const TomsRelation *relation = access->relation;

	for (int i = 0; i < relation->nseparations; i++)
	{
		const TomsSeparation *separation = &relation->separations[i];
		TomsFinding finding = {.passage = TOMS_PASS_REFUSED,.reason = TOMS_SEPARATED,
		.hint = "Run it for a purpose that may bring them together; for officers: SELECT * FROM toms.separations;"};

		if (!list_member_oid(company->roots, separation->other) ||
			(names_purpose(separation, purpose) && names_purpose(separation, company->purpose)))
			continue;
		finding.detail = psprintf("It reaches %s and %s.", toms_relation_name(relation->root), toms_relation_name(separation->other));
		refuse_or_note(access, is_observed(separation->other), &finding);
	}
}

static void
check_copy(const TomsAccess *access, const Company *company)
{
	TomsFinding finding = {.passage = TOMS_PASS_REFUSED,.reason = TOMS_UNPROTECTED_COPY};

	if (!company->writes_open || !reads_special(access) || toms_context_in_statistic())
		return;
	if (OidIsValid(company->open))
	{
		finding.detail = psprintf("It reads %s and writes %s.", toms_relation_name(access->relation->root), toms_relation_name(company->open));
		finding.hint = psprintf("SELECT toms.protect(%s, …);", quote_literal_cstr(toms_relation_name(company->open)));
	}
	else
	{
		finding.detail = psprintf("It reads %s and makes a table of it.", toms_relation_name(access->relation->root));
		finding.hint = "CREATE TABLE first, SELECT toms.protect('…', …); then INSERT … SELECT.";
	}
	refuse_or_note(access, false, &finding);
}

/*
 * A function writes what the statement that calls it has read.  Triggers belong to whoever owns
 * the table: what they write is not held against the statement that fired them.
 */
static void
check_writing(const Company *statement, const Company *around, int trigger_depth)
{
	TomsAccess	access = {.verbs = ACL_SELECT,.user = GetUserId()};
	TomsFinding finding = {.passage = TOMS_PASS_REFUSED,.reason = TOMS_UNPROTECTED_COPY,
	.detail = "A function that it calls writes a table that is not protected."};

	if (!OidIsValid(around->special) || !statement->writes_open || toms_guard_trigger_depth() > trigger_depth)
		return;
	if (OidIsValid(statement->open))
		finding.hint = psprintf("SELECT toms.protect(%s, …);", quote_literal_cstr(toms_relation_name(statement->open)));
	access.relation = toms_catalog_relation(around->special);
	if (access.relation)
		refuse_or_note(&access, false, &finding);
}

static void
check_accesses(List *rtable, List *perminfos, const char *purpose, const Company *company)
{
	ListCell   *cell;

	foreach(cell, rtable)
	{
		TomsAccess	access;

		if (!access_of(lfirst_node(RangeTblEntry, cell), rtable, perminfos, &access))
			continue;
		check_separation(&access, purpose, company);
		check_copy(&access, company);
	}
}

void
toms_guard_check_company(List *rtable, List *perminfos, bool makes_table, List *running)
{
	Company		statement = {.writes_open = makes_table};
	TomsAsker	asker;
	ListCell   *cell;

	(void) toms_context_ask(&asker);
	statement.purpose = asker.purpose;
	add_statement(&statement, rtable, perminfos);
	check_accesses(rtable, perminfos, asker.purpose, &statement);
	foreach(cell, running)
	{
		Company		around = company_of(lfirst(cell));

		check_writing(&statement, &around, ((TomsRunning *) lfirst(cell))->trigger_depth);
		check_accesses(rtable, perminfos, asker.purpose, &around);
	}
}
