/*
 * gate.c - what was found out about whether the protected tables of a database may be used.
 *
 * Called by check.c for each protected table, by workers before they do something, and by whatever writes outside of the
 * data directory.  One slot per database, taken under TOMS_LOCK_GATE and never freed; its word is read without a lock.
 */
#include "guard/guard_int.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/lock.h"
#include "catalog/catalog.h"
#include "commands/trigger.h"
#include "context/context.h"
#include "fmgr.h"
#include "funcapi.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SLOTS 512

/* A gate that is closed is looked at again, since files may have come back. */
#define AGAIN_MS 1000

typedef struct Slot
{
	Oid			database;		/* InvalidOid: free */
	uint32		word;			/* a TomsGate */
	uint64		forgotten;		/* how often */
	TimestampTz looked_at;		/* steady time */
	char		problem[TOMS_GATE_PROBLEM_BYTES];
} Slot;

TomsGate	(*toms_gate_judge) (char problem[TOMS_GATE_PROBLEM_BYTES]) = NULL;

static Slot *slots = NULL;		/* shared */
static Slot own_slot;			/* where all are taken */
static Slot *slot = NULL;		/* of this database */
const volatile uint32 *toms_gate_word = &own_slot.word;

static bool looking = false;
static bool forget_at_commit = false;
static SubTransactionId passed_in = InvalidSubTransactionId;

PG_FUNCTION_INFO_V1(toms_gate_state);
PG_FUNCTION_INFO_V1(toms_gate_look_again);
PG_FUNCTION_INFO_V1(toms_forget_gate);
PG_FUNCTION_INFO_V1(toms_pass_gate);

Size
toms_gate_shmem_size(void)
{
	return mul_size(SLOTS, sizeof(Slot));
}

void
toms_gate_shmem_init(bool found, void *area)
{
	slots = area;
	if (!found)
		memset(slots, 0, toms_gate_shmem_size());
}

static void
find_slot(void)
{
	if (slot)
		return;
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS && slot == NULL; i++)
	{
		if (slots[i].database == MyDatabaseId)
			slot = &slots[i];
	}
	for (int i = 0; i < SLOTS && slot == NULL; i++)
	{
		if (slots[i].database == InvalidOid)
			slot = &slots[i];
	}
	if (slot == NULL)
		slot = &own_slot;
	slot->database = MyDatabaseId;
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
	toms_gate_word = &slot->word;
}

/* looking --------------------------------------------------------------------------------- */

/* What was forgotten meanwhile is not known by this. */
static TomsGate
look(uint64 forgotten)
{
	char		problem[TOMS_GATE_PROBLEM_BYTES] = "";
	TomsGate	gate;

	looking = true;
	PG_TRY();
	{
		gate = toms_gate_judge(problem);
	}
	PG_FINALLY();
	{
		looking = false;
	}
	PG_END_TRY();
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_EXCLUSIVE);
	if (slot->forgotten == forgotten)
	{
		slot->word = gate;
		strlcpy(slot->problem, problem, sizeof(slot->problem));
	}
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
	return gate;
}

TomsGate
toms_gate_look(void)
{
	TomsGate	gate;
	uint64		forgotten;
	bool		due;

	if (looking || toms_gate_judge == NULL || IsBinaryUpgrade)
		return TOMS_GATE_OPEN;
	if (toms_version_fit() != TOMS_VERSION_FITS)
		return TOMS_GATE_VERSION;
	find_slot();
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_EXCLUSIVE);
	gate = slot->word;
	forgotten = slot->forgotten;
	due = gate == TOMS_GATE_UNKNOWN ||
		(gate != TOMS_GATE_OPEN && TimestampDifferenceExceeds(slot->looked_at, toms_clock_steady(), AGAIN_MS));
	due = due && IsTransactionState();
	if (due)
		slot->looked_at = toms_clock_steady();
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
	return due ? look(forgotten) : gate;
}

bool
toms_gate_is_foreign(void)
{
	TomsGate	gate;

	if (!OidIsValid(MyDatabaseId) || toms_gate_is_passed())
		return false;
	if (toms_version_fits_still && *toms_gate_word == TOMS_GATE_OPEN)
		return false;
	gate = toms_gate_look();
	return gate == TOMS_GATE_FOREIGN || gate == TOMS_GATE_VERSION;
}

void
toms_gate_forget(void)
{
	if (!OidIsValid(MyDatabaseId))
		return;
	find_slot();
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_EXCLUSIVE);
	slot->word = TOMS_GATE_UNKNOWN;
	slot->forgotten++;
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
}

void
toms_gate_forget_at_commit(void)
{
	forget_at_commit = true;
}

/* passing --------------------------------------------------------------------------------- */

void
toms_gate_pass(bool on)
{
	passed_in = on ? GetCurrentSubTransactionId() : InvalidSubTransactionId;
}

bool
toms_gate_is_passed(void)
{
	return passed_in != InvalidSubTransactionId;
}

static void
transaction_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	if (forget_at_commit && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE))
		toms_gate_forget();
	forget_at_commit = false;
	passed_in = InvalidSubTransactionId;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if ((event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB) && mine == passed_in)
		passed_in = InvalidSubTransactionId;
}

void
toms_gate_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
	toms_keyring_is_foreign = toms_gate_is_foreign;
}

/* what a statement meets ------------------------------------------------------------------ */

/* Rows that a dump brings, and a publisher, arrive; what toms asks for itself, of foreign keys for instance, is answered. */
bool
toms_guard_gate_lets_through(bool restoring)
{
	return toms_gate_is_passed() || restoring;
}

static const char *
hint_of(TomsGate gate)
{
	if (gate == TOMS_GATE_FOREIGN)
		return "SELECT toms.restore_drill(); to let this node work with the data: SELECT toms.admit_node(reason => '…');";
	if (gate == TOMS_GATE_VERSION && toms_version_fit() == TOMS_VERSION_NEWER)
		return "Install the library that this SQL came with, and restart the server.";
	if (gate == TOMS_GATE_VERSION)
		return "ALTER EXTENSION toms UPDATE;";
	if (gate == TOMS_GATE_LEDGER)
		return "Bring the log back into toms.outside; if it is lost: SELECT toms.accept_ledger('…'); a reason is needed.";
	return "SELECT * FROM toms.replay_erasures();";
}

static TomsReason
reason_of(TomsGate gate)
{
	switch (gate)
	{
		case TOMS_GATE_VERSION:
			return TOMS_VERSION_UNKNOWN;
		case TOMS_GATE_FOREIGN:
			return TOMS_FOREIGN_NODE;
		default:
			return TOMS_RESTORED;
	}
}

void
toms_guard_refuse_closed(Oid relid)
{
	TomsGate	gate = toms_gate_look();
	char		problem[TOMS_GATE_PROBLEM_BYTES];
	TomsRefusal refusal = {.reason = reason_of(gate),.relid = relid,.who = toms_context_who(),.detail = problem,.hint = hint_of(gate)};

	if (gate == TOMS_GATE_VERSION)
	{
		refusal.detail = toms_version_problem();
		toms_refuse(&refusal);
	}
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_SHARED);
	strlcpy(problem, slot->problem, sizeof(problem));
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
	toms_refuse(&refusal);
}

/* SQL ------------------------------------------------------------------------------------- */

/* toms.gate_state(): the gate of this database and why it is so, as last found; of what it needs it looks at the version alone. */
Datum
toms_gate_state(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"unknown", "open", "restored", "ledger", "node"};
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	find_slot();
	toms_version_forget();
	if (toms_version_fit() != TOMS_VERSION_FITS)
	{
		values[0] = CStringGetTextDatum("version");
		values[1] = CStringGetTextDatum(toms_version_problem());
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
	}
	LWLockAcquire(toms_lock(TOMS_LOCK_GATE), LW_SHARED);
	values[0] = CStringGetTextDatum(names[slot->word]);
	nulls[1] = slot->word <= TOMS_GATE_OPEN;
	values[1] = CStringGetTextDatum(slot->problem);
	LWLockRelease(toms_lock(TOMS_LOCK_GATE));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Trigger of what the gate's answer comes from: rows of a dump.  Once the trail is in use they are written by toms alone, which says so where it matters. */
Datum
toms_gate_look_again(PG_FUNCTION_ARGS)
{
	if (!toms_guard_trail_is_used() || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		toms_gate_forget_at_commit();
	PG_RETURN_POINTER(NULL);
}

/* toms.forget_gate() */
Datum
toms_forget_gate(PG_FUNCTION_ARGS)
{
	toms_gate_forget_at_commit();
	PG_RETURN_VOID();
}

/* toms.pass_gate(on) */
Datum
toms_pass_gate(PG_FUNCTION_ARGS)
{
	toms_gate_pass(PG_GETARG_BOOL(0));
	PG_RETURN_VOID();
}
