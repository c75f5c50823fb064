/*
 * invalidate.c - the trigger that makes every backend forget what it cached.
 *
 * Stands on the configuration tables as a statement trigger, ENABLE ALWAYS.  The message
 * is transactional: it is sent at commit, and works on standbys too.
 */
#include "catalog/catalog.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"

PG_FUNCTION_INFO_V1(toms_invalidate);

Datum
toms_invalidate(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.invalidate() is a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
