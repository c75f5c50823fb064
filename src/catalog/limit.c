/*
 * limit.c - restrictions and objections that are in force, cached in each backend.
 *
 * Called by policy: once for each call site of a policy's function, and where the tenant has limits for each row.
 * A tenant's are read together, sorted by person, and thrown away with everything else that cache.c holds.  Whether any can
 * concern a table's rows is asked of one of each kind, so that it costs as much with a thousand objections to a purpose.
 */
#include "catalog/catalog_int.h"

#include "catalog/limit.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* The columns that are read here, by position. */
enum
{
	RESTRICTION_SUBJECT = 3,
	RESTRICTION_RELATION,
	RESTRICTION_PURPOSES
};
enum
{
	OBJECTION_SUBJECT = 3,
	OBJECTION_CATEGORY,
	OBJECTION_PURPOSE
};

typedef struct Limit
{
	char	   *subject;
	TomsLimit	kind;
	Oid			relation;		/* InvalidOid: every table */
	char	   *word;			/* the purpose or category that was objected to */
	int			npurposes;		/* that reach restricted rows */
	char	  **purposes;
} Limit;

typedef struct TenantLimits
{
	char		tenant[256];	/* hash key */
	int			nlimits;
	Limit	   *limits;			/* by subject */
	int			nkinds;
	const Limit **kinds;		/* one of each, whoever it is on: many persons have the same */
} TenantLimits;

static MemoryContext context = NULL;
static HTAB *tenants = NULL;	/* in the context */
static uint64 forgotten = 1;	/* how often */

void
toms_limits_forget(void)
{
	forgotten++;
}

bool
toms_limits_exist(void)
{
	static uint64 known = 0;
	static bool exist;

	while (known != forgotten)
	{
		uint64		before = forgotten;

		exist = toms_config_any(TOMS_CONFIG_RESTRICTION) || toms_config_any(TOMS_CONFIG_OBJECTION);
		known = before;
	}
	return exist;
}

/* reading -------------------------------------------------------------------------------- */

static Limit *
add_limit(TenantLimits *answer, const Datum *values, int subject)
{
	Limit	   *limit;

	answer->limits = toms_grow(answer->limits, answer->nlimits, sizeof(Limit));
	limit = &answer->limits[answer->nlimits++];
	memset(limit, 0, sizeof(*limit));
	limit->subject = TextDatumGetCString(values[subject - 1]);
	return limit;
}

static void
take_restriction(const Datum *values, const bool *nulls, void *answer)
{
	Limit	   *limit = add_limit(answer, values, RESTRICTION_SUBJECT);

	limit->kind = TOMS_LIMIT_RESTRICTED;
	limit->relation = nulls[RESTRICTION_RELATION - 1] ? InvalidOid : DatumGetObjectId(values[RESTRICTION_RELATION - 1]);
	limit->purposes = toms_text_array(values[RESTRICTION_PURPOSES - 1], &limit->npurposes);
}

static void
take_objection(const Datum *values, const bool *nulls, void *answer)
{
	Limit	   *limit = add_limit(answer, values, OBJECTION_SUBJECT);
	bool		of_category = !nulls[OBJECTION_CATEGORY - 1];

	limit->kind = of_category ? TOMS_LIMIT_OBJECTED_CATEGORY : TOMS_LIMIT_OBJECTED;
	limit->word = TextDatumGetCString(values[(of_category ? OBJECTION_CATEGORY : OBJECTION_PURPOSE) - 1]);
}

static int
compare_limits(const void *left, const void *right)
{
	const Limit *a = left;
	const Limit *b = right;
	int			order = strcmp(a->subject, b->subject);

	return order != 0 ? order : (int) a->kind - (int) b->kind;
}

/* 0: the same but for whom it is on. */
static int
compare_kinds(const void *left, const void *right)
{
	const Limit *a = *(const Limit *const *) left;
	const Limit *b = *(const Limit *const *) right;
	int			order = (int) a->kind - (int) b->kind;

	if (order == 0 && a->kind != TOMS_LIMIT_RESTRICTED)
		return strcmp(a->word, b->word);
	if (order == 0)
		order = a->relation != b->relation ? (a->relation < b->relation ? -1 : 1) : a->npurposes - b->npurposes;
	for (int i = 0; order == 0 && i < a->npurposes; i++)
		order = strcmp(a->purposes[i], b->purposes[i]);
	return order;
}

static void
find_kinds(TenantLimits *answer)
{
	answer->kinds = palloc(Max(answer->nlimits, 1) * sizeof(Limit *));
	for (int i = 0; i < answer->nlimits; i++)
		answer->kinds[i] = &answer->limits[i];
	qsort(answer->kinds, answer->nlimits, sizeof(Limit *), compare_kinds);
	for (int i = 0; i < answer->nlimits; i++)
	{
		if (i == 0 || compare_kinds(&answer->kinds[answer->nkinds - 1], &answer->kinds[i]) != 0)
			answer->kinds[answer->nkinds++] = answer->kinds[i];
	}
}

static void
begin_anew(void)
{
	HASHCTL		control = {.keysize = sizeof(((TenantLimits *) 0)->tenant),.entrysize = sizeof(TenantLimits)};

	if (context)
		MemoryContextDelete(context);
	tenants = NULL;
	context = AllocSetContextCreate(CacheMemoryContext, "toms limits", ALLOCSET_SMALL_SIZES);
	control.hcxt = context;
	tenants = hash_create("toms limits", 16, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

static void
read_limits(TenantLimits *answer, const char *tenant)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	memset(answer, 0, sizeof(*answer));
	toms_config_scan(TOMS_CONFIG_RESTRICTION, CStringGetTextDatum(tenant), take_restriction, answer);
	toms_config_scan(TOMS_CONFIG_OBJECTION, CStringGetTextDatum(tenant), take_objection, answer);
	if (answer->nlimits > 1)
		qsort(answer->limits, answer->nlimits, sizeof(Limit), compare_limits);
	find_kinds(answer);
	MemoryContextSwitchTo(old);
}

/* What was overtaken while it was read is read again by the next who asks. */
static TenantLimits
limits_of(const char *tenant)
{
	static uint64 known = 0;
	TenantLimits answer = {.nlimits = 0};
	TenantLimits *entry;

	if (!toms_limits_exist() || strlen(tenant) >= sizeof(answer.tenant))
		return answer;
	if (known != forgotten)
		begin_anew();
	known = forgotten;
	entry = hash_search(tenants, tenant, HASH_FIND, NULL);
	if (entry)
		return *entry;
	read_limits(&answer, tenant);
	if (known == forgotten)
	{
		entry = hash_search(tenants, tenant, HASH_ENTER, NULL);
		entry->nlimits = answer.nlimits;
		entry->limits = answer.limits;
		entry->nkinds = answer.nkinds;
		entry->kinds = answer.kinds;
	}
	return answer;
}

/* asking --------------------------------------------------------------------------------- */

static bool
reaches(const Limit *limit, const char *purpose)
{
	for (int i = 0; purpose && i < limit->npurposes; i++)
	{
		if (strcmp(limit->purposes[i], purpose) == 0)
			return true;
	}
	return false;
}

static bool
concerns(const Limit *limit, const TomsLimitAsked *asked)
{
	switch (limit->kind)
	{
		case TOMS_LIMIT_RESTRICTED:
			/* it was restricted by itself before it became a part of another one */
			return (!OidIsValid(limit->relation) || limit->relation == asked->root || limit->relation == asked->relid) &&
				!reaches(limit, asked->purpose);
		case TOMS_LIMIT_OBJECTED:
			return asked->purpose && strcmp(limit->word, asked->purpose) == 0;
		default:
			return asked->category && strcmp(limit->word, asked->category) == 0;
	}
}

bool
toms_limits_concern(const TomsLimitAsked *asked)
{
	TenantLimits limits = limits_of(asked->tenant);

	for (int i = 0; i < limits.nkinds; i++)
	{
		if (concerns(limits.kinds[i], asked))
			return true;
	}
	return false;
}

/* The first of a person's. */
static int
find_person(const TenantLimits *limits, const char *subject)
{
	int			low = 0;
	int			high = limits->nlimits;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (strcmp(limits->limits[middle].subject, subject) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

TomsLimit
toms_limit_on(const TomsLimitAsked *asked, const char *subject)
{
	TenantLimits limits = limits_of(asked->tenant);

	for (int i = find_person(&limits, subject); i < limits.nlimits && strcmp(limits.limits[i].subject, subject) == 0; i++)
	{
		if (concerns(&limits.limits[i], asked))
			return limits.limits[i].kind;
	}
	return TOMS_LIMIT_NONE;
}

int
toms_limited_subjects(const TomsLimitAsked *asked, TomsLimit limit)
{
	TenantLimits limits = limits_of(asked->tenant);
	const char *last = NULL;
	int			count = 0;

	for (int i = 0; i < limits.nlimits; i++)
	{
		if (limits.limits[i].kind != limit || !concerns(&limits.limits[i], asked))
			continue;
		if (last == NULL || strcmp(last, limits.limits[i].subject) != 0)
			count++;
		last = limits.limits[i].subject;
	}
	return count;
}
