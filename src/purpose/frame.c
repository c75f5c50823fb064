/*
 * frame.c - around each call of a bound function: its purpose comes into force and goes.
 *
 * Called by hooks.c.  Leaving is PostgreSQL's own business, on return as well as on error,
 * so frames need no look at transactions: a procedure that commits goes on in its frame.
 * A call site may be entered again before it was left, so what is kept with it is put back.
 */
#include "purpose/purpose_int.h"

#include "base/name.h"
#include "base/reason.h"
#include "context/context.h"
#include "utils/memutils.h"

typedef struct Call
{
	TomsFrame  *frame;			/* NULL: the purpose did not come into force */
	Datum		enclosing;		/* what the call site kept before */
} Call;

/*
 * Whoever owns the function has changed it since an officer looked at it.  It runs, without
 * the purpose: what it is not permitted then is refused.
 */
static void
tell_of_change(Oid function)
{
	char	   *name = toms_function_name(function);
	TomsRefusal refusal = {.reason = TOMS_FUNCTION_CHANGED,.who = toms_context_who(),
		.detail = psprintf("Function %s is not as it was when its purpose was bound.", name),
	.hint = psprintf("Look at it, then: SELECT toms.bind_purpose('%s', '…');", name)};

	toms_record_refusal(&refusal, "refused");
	ereport(WARNING,
			(errcode(toms_reason_sqlstate(TOMS_FUNCTION_CHANGED)),
			 errmsg("%s", toms_reason_text(TOMS_FUNCTION_CHANGED)),
			 errdetail("%s", refusal.detail), errhint("%s", refusal.hint)));
}

static TomsFrame *
enter(Oid function)
{
	TomsBinding binding = toms_purpose_binding(function);

	if (!binding.is_bound || !toms_context_holds_purpose(binding.purpose))
		return NULL;
	if (!binding.is_intact)
	{
		tell_of_change(function);
		return NULL;
	}
	return toms_context_enter_frame(binding.purpose, function);
}

static void
start_call(Oid function, Datum *site)
{
	Call	   *call = MemoryContextAllocZero(TopMemoryContext, sizeof(Call));

	PG_TRY();
	{
		call->frame = enter(function);
	}
	PG_CATCH();
	{
		pfree(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	call->enclosing = *site;
	*site = PointerGetDatum(call);
}

static void
end_call(Datum *site)
{
	Call	   *call = (Call *) DatumGetPointer(*site);

	if (call->frame)
		toms_context_leave_frame(call->frame);
	*site = call->enclosing;
	pfree(call);
}

void
toms_purpose_around_call(FmgrHookEventType event, FmgrInfo *function, Datum *call)
{
	if (event == FHET_START)
		start_call(function->fn_oid, call);
	else
		end_call(call);
}
