/*
 * pin.c - what is remembered of a statement while it lives.
 *
 * Called by hooks.c when a statement is started and around each fetch.  Rows that depend on a
 * context are fetched in that context only; and a statement that is running is asked what it
 * does when it calls others.
 *
 * A pin lives in its statement's memory context and is taken off the list by a reset
 * callback, so errors and half-read cursors leave nothing behind.
 */
#include "guard/guard_int.h"

#include "base/change.h"
#include "context/context.h"
#include "lib/ilist.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"

typedef struct Pin
{
	dlist_node	node;
	MemoryContextCallback callback;
	QueryDesc  *query;
	TomsReading *reading;		/* NULL: it reads no table that is told of */
	bool		is_new;			/* has not run yet: it has just been checked */
	bool		is_running;
	bool		has_identity;	/* its rows depend on the one below */
	bool		past_policies;	/* an administrator started it */
	bool		in_frame;		/* an access function started it */
	int			trigger_depth;	/* in which it was started */
	uint64		changes;		/* what toms_change_count was when the identity was the one below */
	uint8		principal[TOMS_PRINCIPAL_BYTES];	/* zeros: no context */
	char		purpose[NAMEDATALEN];
} Pin;

static dlist_head pins = DLIST_STATIC_INIT(pins);

bool
toms_guard_has_pins(void)
{
	return !dlist_is_empty(&pins);
}

/* The statements that called for the one that is being started. */
List *
toms_guard_running(void)
{
	List	   *running = NIL;
	dlist_iter	iter;

	dlist_foreach(iter, &pins)
	{
		const Pin  *pin = dlist_container(Pin, node, iter.cur);
		TomsRunning *statement;

		if (!pin->is_running)
			continue;
		statement = palloc(sizeof(TomsRunning));
		statement->query = pin->query;
		statement->trigger_depth = pin->trigger_depth;
		statement->purpose = pin->has_identity && pin->purpose[0] ? pin->purpose : NULL;
		running = lappend(running, statement);
	}
	return running;
}

static void
unpin(void *arg)
{
	Pin		   *pin = arg;

	dlist_delete(&pin->node);
	if (pin->reading && !pin->is_new)
		toms_reading_end(pin->reading);
}

static void
take_identity(uint8 principal[TOMS_PRINCIPAL_BYTES], char purpose[NAMEDATALEN])
{
	TomsAsker	asker;

	(void) toms_context_ask(&asker);
	if (asker.context)
		memcpy(principal, asker.context->principal, TOMS_PRINCIPAL_BYTES);
	else
		memset(principal, 0, TOMS_PRINCIPAL_BYTES);
	strlcpy(purpose, asker.context && asker.purpose ? asker.purpose : "", NAMEDATALEN);
}

void
toms_guard_after_start(QueryDesc *query, TomsPinning pinning)
{
	Pin		   *pin;

	toms_guard_forget_checked();
	if (pinning.kind == TOMS_PIN_NONE && pinning.reads == NIL)
		return;
	pin = MemoryContextAlloc(query->estate->es_query_cxt, sizeof(Pin));
	pin->query = query;
	pin->is_new = true;
	pin->is_running = false;
	pin->reading = toms_reading_make(query, pinning.reads);
	pin->has_identity = pinning.kind == TOMS_PIN_IDENTITY;
	pin->past_policies = pinning.past_policies;
	pin->in_frame = toms_context_in_frame();
	pin->trigger_depth = toms_guard_trigger_depth();
	if (pin->has_identity)
		take_identity(pin->principal, pin->purpose);
	pin->changes = toms_change_count;
	dlist_push_head(&pins, &pin->node);
	pin->callback.func = unpin;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &pin->callback);
}

static void
refuse_fetch(TomsReason reason)
{
	TomsRefusal refusal = {.reason = reason,.who = toms_context_who(),
		.detail = "Rows are fetched only in the context that the statement was started in.",
	.hint = "Set the same context again, or start the statement anew."};

	toms_refuse(&refusal);
}

/* Rows of a publisher arrive without a session. */
static void
check_administrator(void)
{
	TomsRefusal refusal = {.reason = TOMS_REASON_MISSING,
		.detail = "The administrative session in which the statement was started has ended.",
	.hint = "SELECT toms.open_admin_session('person', 'ticket', 'reason'); or SET toms.reason = '…'; it is recorded."};

	if (!IsLogicalWorker() && !toms_guard_administrator_at_work())
		toms_refuse(&refusal);
}

/* The count tells of every change; asking first settles it. */
static void
check_identity(Pin *pin)
{
	TomsReason	reason = toms_context_check();
	uint8		principal[TOMS_PRINCIPAL_BYTES];
	char		purpose[NAMEDATALEN];

	if (pin->changes == toms_change_count)
		return;
	take_identity(principal, purpose);
	if (pin->in_frame != toms_context_in_frame() || memcmp(principal, pin->principal, sizeof(principal)) != 0 || strcmp(purpose, pin->purpose) != 0)
		refuse_fetch(reason == TOMS_CONTEXT_EXPIRED ? TOMS_CONTEXT_EXPIRED : TOMS_CONTEXT_CHANGED);
	pin->changes = toms_change_count;
}

static Pin *
find_pin(const QueryDesc *query)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pins)
	{
		if (dlist_container(Pin, node, iter.cur)->query == query)
			return dlist_container(Pin, node, iter.cur);
	}
	return NULL;
}

/* An event that could not be added is tried again with the next fetch, if there is one. */
static void
run_reading(Pin *pin)
{
	if (pin->is_new)
		toms_reading_start(pin->reading, pin->query, toms_guard_exports(pin->query) ? toms_guard_copy() : NULL);
	toms_reading_run(pin->reading, true);
}

void
toms_guard_before_run(QueryDesc *query)
{
	Pin		   *pin = find_pin(query);

	if (pin == NULL)
		return;
	if (pin->past_policies && !pin->is_new)
		check_administrator();
	if (pin->has_identity)
	{
		check_identity(pin);
		if (!pin->is_new && toms_context_get() && toms_context_expired_now())
			refuse_fetch(TOMS_CONTEXT_EXPIRED);
		if (!pin->is_new || toms_guard_running() != NIL)
			toms_guard_check_again(query->plannedstmt);
	}
	if (pin->reading)
		run_reading(pin);
	pin->is_new = false;
	pin->is_running = true;
}

void
toms_guard_before_finish(QueryDesc *query)
{
	Pin		   *pin = query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE ? find_pin(query) : NULL;

	if (pin && pin->has_identity)
		check_identity(pin);
}

/* After an error the pin is gone, or goes with its statement before another one is started. */
void
toms_guard_after_run(QueryDesc *query)
{
	Pin		   *pin = find_pin(query);

	if (pin == NULL)
		return;
	pin->is_running = false;
	if (pin->reading)
		toms_reading_run(pin->reading, false);
}
