/*
 * shapes.c - what "make bench-tenant" measures: persons, variants, and the table of shapes.
 *
 * The variants' schemas hold physically equal copies of the same data, see data.sql.
 * Tenant 1 owns 30 percent of it, tenant 17 about 5,600 rows of 5 million, tenant 700 about
 * 1,400.
 */
#include "bench.h"

#include <stddef.h>

static const Person large = {"1", "100001", "bench_hr"};
static const Person average = {"17", "1700001", "bench_hr"};
static const Person small = {"700", "70000001", "bench_hr"};
static const Person employee = {"17", "1700001", "bench_employee"};
static const Person named = {"tenant-17", "1700001", "bench_hr"};

static const Variant hand = {"hand-written filter", "bench_hand", "hand", "app.tenant_id",.by_hand = true};
static const Variant again = {"the same on another copy (noise)", "bench_again", "setting", "app.tenant_id",.by_hand = true};
static const Variant setting = {"policy current_setting()", "bench_setting", "setting", "app.tenant_id"};
static const Variant subselect = {"policy (select current_setting())", "bench_subselect", "setting", "app.tenant_id"};
static const Variant constant = {"policy with a constant", "bench_constant", "setting", NULL};
static const Variant tenant = {"toms, tenant", "bench_app", "toms_tenant", "toms.token"};
static const Variant toms = {"toms, tenant and subject", "bench_app", "toms_subject", "toms.token"};
static const Variant kept = {"the same with a retention rule", "bench_app", "toms_kept", "toms.token"};
static const Variant loaded = {"server with toms", "bench_hand", "plain", NULL,.server = ONLY_LOADED};
static const Variant not_loaded = {"server without toms", "bench_hand", "plain", NULL,.server = WITHOUT_TOMS};

#define ALL_VARIANTS(bar) { {&hand}, {&again}, {&tenant, bar}, {&toms, bar}, {&setting}, {&subselect} }
#define SUBJECT_VARIANTS(bar) { {&hand}, {&toms, bar}, {&setting}, {&subselect} }

/* The constant is tenant 17's, the average one's. */
#define AVERAGE_VARIANTS(bar) { {&hand}, {&again}, {&tenant, bar}, {&toms, bar}, {&constant}, {&setting}, {&subselect} }
#define AVERAGE_SUBJECT_VARIANTS(bar) { {&hand}, {&toms, bar}, {&constant}, {&setting}, {&subselect} }
#define TOMS_ALONE(bar) { {&hand}, {&toms, bar} }
#define WITH_RULE(bar) { {&toms}, {&kept, bar} }
#define LIBRARY_ALONE(bar) { {&not_loaded}, {&loaded, bar} }
#define OTHERS_PLAN(variant, bar) { {&variant}, {&variant, bar, true}, {&hand} }

/* statements */
#define POINT "SELECT * FROM absence WHERE id = $1 {AND tenant_id = :tenant}"
#define TEAM_POINT "SELECT * FROM team WHERE id = $1 {AND tenant_id = :tenant}"
#define NAMED_POINT "SELECT * FROM absence_named WHERE id = $1 {AND tenant_id = ':tenant'}"
#define OWN_POINT "SELECT * FROM absence WHERE id = $1 {AND tenant_id = :tenant AND subject_id = :subject}"
#define OWN_ROWS "SELECT * FROM absence {WHERE tenant_id = :tenant AND subject_id = :subject}"
#define OWN_ROWS_ASKED "SELECT * FROM absence WHERE subject_id = :subject {AND tenant_id = :tenant}"
#define OWN_BOOKINGS "SELECT * FROM booking {WHERE tenant_id = :tenant AND user_number = 5000000000 + :subject}"
#define RANGE \
	"SELECT id, subject_id, day, kind FROM absence" \
	" WHERE day BETWEEN '2020-01-01' AND '2024-11-20' {AND tenant_id = :tenant}"
#define JOIN \
	"SELECT a.day, a.kind, p.name, t.name FROM absence a JOIN person p ON p.id = a.subject_id" \
	" JOIN team t ON t.id = p.team_id WHERE a.id = $1" \
	" {AND a.tenant_id = :tenant AND p.tenant_id = :tenant AND t.tenant_id = :tenant}"
#define TOTAL "SELECT count(*), sum(hours) FROM absence {WHERE tenant_id = :tenant}"
#define BY_KIND \
	"SELECT kind, count(*), sum(hours) FROM absence {WHERE tenant_id = :tenant} GROUP BY kind ORDER BY kind"
#define NAMED_TOTAL "SELECT count(*), max(day) FROM absence_named {WHERE tenant_id = ':tenant'}"
#define NOTES "FROM absence_note n {JOIN absence a ON a.id = n.absence_id}"
#define NOTE_POINT "SELECT n.* " NOTES " WHERE n.id = $1 {AND a.tenant_id = :tenant}"
#define NOTES_OF_ONE "SELECT n.* " NOTES " WHERE n.absence_id = $1 {AND a.tenant_id = :tenant}"
#define ALL_NOTES "SELECT count(*), sum(length(n.body)) " NOTES " {WHERE a.tenant_id = :tenant}"
#define CALLS(name) \
	"SELECT " name "(1) + " name "(2) + " name "(3) + " name "(4) + " name "(5) + " name "(6) + " name "(7)" \
	" + " name "(8) + " name "(9) + " name "(10) + " name "(11) + " name "(12) + " name "(13) + " name "(14)" \
	" + " name "(15) + " name "(16) + " name "(17) + " name "(18) + " name "(19) + " name "(20) AS total"
#define PAGE "SELECT id, subject_id, day, kind FROM absence {WHERE tenant_id = :tenant} ORDER BY id LIMIT 500"

/* values of $1 */
#define SOME "SELECT id FROM absence WHERE tenant_id = 17 ORDER BY pg_catalog.hashint8(id) LIMIT 500"
/* The same without a table, for baselines that read none without a context; see tenant() in data.sql. */
#define SOME_COUNTED \
	"SELECT i FROM (SELECT i, i * 2654435761 % 1000000 AS mix FROM generate_series(1::bigint, 200000) i) m" \
	" WHERE mix BETWEEN 300000 AND 859999 AND (mix - 300000) % 500 = 15 ORDER BY pg_catalog.hashint8(i) LIMIT 500"
#define SOME_TEAMS "SELECT id FROM team WHERE tenant_id = 17"
#define SOME_NAMED "SELECT id FROM absence_named WHERE tenant_id = 'tenant-17'"
#define SOME_OWN "SELECT id FROM absence WHERE tenant_id = 17 AND subject_id = 1700001"
#define SOME_NOTES(column) \
	"SELECT n." column " FROM absence_note n JOIN absence a ON a.id = n.absence_id" \
	" WHERE a.tenant_id = 17 ORDER BY pg_catalog.hashint8(n.id) LIMIT 500"

#define SEQUENTIAL "-c enable_indexscan=off -c enable_bitmapscan=off -c enable_indexonlyscan=off"
#define GENERIC "-c plan_cache_mode=force_generic_plan"

const Shape shapes[] = {
	/* rows of the tenant */
	{.name = "point read, prepared",.sql = POINT,.values = SOME,.person = &average,
	.operations = 200,.patience = 2,.measures = AVERAGE_VARIANTS(0.95)},
	{.name = "point read, simple",.sql = POINT,.values = SOME,.person = &average,
	.simple = true,.operations = 200,.patience = 2,.measures = AVERAGE_VARIANTS(0.95)},
	{.name = "point read by (tenant_id, id), prepared",.sql = TEAM_POINT,.values = SOME_TEAMS,.person = &average,
	.operations = 200,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},
	{.name = "range of 5,000 rows, prepared",.sql = RANGE,.person = &average,
	.operations = 4,.patience = 2,.measures = AVERAGE_VARIANTS(0.95)},
	{.name = "range of 5,000 rows, simple",.sql = RANGE,.person = &average,
	.simple = true,.operations = 4,.patience = 2,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},
	{.name = "join of three point reads, prepared",.sql = JOIN,.values = SOME,.person = &average,
	.operations = 200,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},
	{.name = "join of three point reads, simple",.sql = JOIN,.values = SOME,.person = &average,
	.simple = true,.operations = 100,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},
	{.name = "aggregate, large tenant, sequential",.sql = TOTAL,.person = &large,.options = SEQUENTIAL,
	.operations = 1,.patience = 2,.measures = ALL_VARIANTS(0.95)},
	{.name = "aggregate, large tenant, planner's choice",.sql = TOTAL,.person = &large,
	.operations = 1,.patience = 2,.measures = ALL_VARIANTS(0.95)},
	{.name = "aggregate by kind, large tenant",.sql = BY_KIND,.person = &large,
	.operations = 1,.patience = 2,.measures = SUBJECT_VARIANTS(0.95)},

	/* ids of tenants are text */
	{.name = "text ids: point read, prepared",.sql = NAMED_POINT,.values = SOME_NAMED,.person = &named,
	.operations = 200,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},
	{.name = "text ids: aggregate, sequential",.sql = NAMED_TOTAL,.person = &named,.options = SEQUENTIAL,
	.operations = 1,.measures = AVERAGE_SUBJECT_VARIANTS(0.95)},

	/* scope own */
	{.name = "own: point read, prepared",.sql = OWN_POINT,.values = SOME_OWN,.person = &employee,
	.operations = 200,.measures = TOMS_ALONE(0.95)},
	{.name = "own: all rows, prepared",.sql = OWN_ROWS,.person = &employee,
	.operations = 20,.measures = TOMS_ALONE(0.95)},
	{.name = "own: all rows, subject asked for, prepared",.sql = OWN_ROWS_ASKED,.person = &employee,
	.operations = 20,.measures = TOMS_ALONE(0.95)},
	{.name = "own: all rows by an alias, prepared",.sql = OWN_BOOKINGS,.person = &employee,
	.operations = 20,.measures = TOMS_ALONE(0.95)},

	/* rows past their period of retention are hidden */
	{.name = "kept: point read, prepared",.sql = POINT,.values = SOME_COUNTED,.person = &average,
	.operations = 200,.patience = 4,.measures = WITH_RULE(0.98)},
	{.name = "kept: point read, simple",.sql = POINT,.values = SOME_COUNTED,.person = &average,
	.simple = true,.operations = 200,.patience = 4,.measures = WITH_RULE(0.98)},
	{.name = "kept: aggregate, large tenant, sequential",.sql = TOTAL,.person = &large,.options = SEQUENTIAL,
	.operations = 1,.patience = 2,.measures = WITH_RULE(0)},

	/* through a parent */
	{.name = "parent: point read, prepared",.sql = NOTE_POINT,.values = SOME_NOTES("id"),.person = &average,
	.operations = 200,.measures = TOMS_ALONE(0.8)},
	{.name = "parent: rows by parent, prepared",.sql = NOTES_OF_ONE,.values = SOME_NOTES("absence_id"),.person = &average,
	.operations = 200,.measures = TOMS_ALONE(0.8)},
	{.name = "parent: all rows, average tenant",.sql = ALL_NOTES,.person = &average,
	.operations = 1,.measures = SUBJECT_VARIANTS(0.8)},
	{.name = "parent: all rows, large tenant",.sql = ALL_NOTES,.person = &large,
	.operations = 1,.measures = SUBJECT_VARIANTS(0.8)},

	/* tables that are not protected */
	{.name = "unprotected: point read, prepared",.sql = POINT,.values = SOME,
	.operations = 200,.patience = 4,.measures = LIBRARY_ALONE(0.99)},
	{.name = "unprotected: point read, simple",.sql = POINT,.values = SOME,
	.simple = true,.operations = 200,.patience = 4,.measures = LIBRARY_ALONE(0.99)},
	{.name = "unprotected: transaction, prepared",.sql = POINT,.values = SOME,
	.transactions = true,.operations = 50,.patience = 4,.measures = LIBRARY_ALONE(0.99)},
	{.name = "unprotected: aggregate",.sql = BY_KIND,
	.operations = 1,.patience = 2,.measures = LIBRARY_ALONE(0.99)},

	/* twenty calls of a function that is not bound, and of one that is: at most 2 microseconds more a call */
	{.name = "unprotected: 20 function calls, prepared",.sql = CALLS("plus_one"),
	.operations = 200,.patience = 4,.measures = LIBRARY_ALONE(0.98)},
	{.name = "20 calls of an access function, prepared",.sql = CALLS("access"),.person = &average,
	.operations = 100,.measures = { {&hand}, {&tenant} }},

	/* a plan that somebody else has left in the session: at most 1.5 times one's own */
	{.name = "page, small tenant after large",.sql = PAGE,.person = &small,.other = &large,.options = GENERIC,
	.operations = 5,.measures = OTHERS_PLAN(toms, 0.667)},
	{.name = "page, large tenant after small",.sql = PAGE,.person = &large,.other = &small,.options = GENERIC,
	.operations = 1,.measures = OTHERS_PLAN(toms, 0.667)},
	{.name = "page, small after large, current_setting()",.sql = PAGE,.person = &small,.other = &large,.options = GENERIC,
	.operations = 1,.measures = OTHERS_PLAN(setting, 0)},
	{.name = "page, large after small, current_setting()",.sql = PAGE,.person = &large,.other = &small,.options = GENERIC,
	.operations = 1,.measures = OTHERS_PLAN(setting, 0)},
	{.name = "own: all rows, after scope tenant",.sql = OWN_ROWS,.person = &employee,.other = &average,.options = GENERIC,
	.operations = 5,.measures = OTHERS_PLAN(toms, 0)},

	/*
	 * A token or SET LOCAL app.tenant_id in each transaction: at most 1.12 times the latter.  A pool's
	 * connection meets many tokens; one that it keeps for a user meets the same.
	 */
	{.name = "transaction, one message, 50 tokens",.sql = POINT,.values = SOME,.person = &average,.tokens = 50,
	.simple = true,.transactions = true,.operations = 100,.patience = 2,.measures = ALL_VARIANTS(0.893)},
	{.name = "transaction, four messages, 50 tokens",.sql = POINT,.values = SOME,.person = &average,.tokens = 50,
	.transactions = true,.operations = 50,.patience = 2,.measures = ALL_VARIANTS(0.893)},
	{.name = "transaction, one message, same token",.sql = POINT,.values = SOME,.person = &average,
	.simple = true,.transactions = true,.operations = 100,.patience = 2,.measures = ALL_VARIANTS(0.893)},
	{.name = "transaction, four messages, same token",.sql = POINT,.values = SOME,.person = &average,
	.transactions = true,.operations = 50,.patience = 2,.measures = ALL_VARIANTS(0.893)},
};

const int	shape_count = sizeof(shapes) / sizeof(shapes[0]);
