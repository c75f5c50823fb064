/*
 * init.c - start and shared memory of slice guard, and the record of administrators.
 *
 * Called by toms.c and shmem.c, and by check.c for each administrative access.  The counter
 * is atomic and needs no lock; observe.c keeps its own table beside it.
 */
#include "guard/guard_int.h"

#include "base/compat.h"
#include "context/context.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"

static pg_atomic_uint64 *administrator_passes = NULL;

Size
toms_guard_shmem_size(void)
{
	return sizeof(pg_atomic_uint64);
}

Size
toms_guard_shmem_beside(void)
{
	return toms_observe_shmem_size();
}

void
toms_guard_shmem_init(bool found, void *area)
{
	administrator_passes = area;
	if (!found)
		pg_atomic_init_u64(administrator_passes, 0);
	toms_observe_shmem_init();
}

void
toms_guard_record_administrator(Oid relid, const char *what)
{
	pg_atomic_fetch_add_u64(administrator_passes, 1);
	ereport(LOG_SERVER_ONLY,
			(errmsg("toms administrative access: table=%s verbs=%s login=%s user=%s reason=%s",
					OidIsValid(relid) ? toms_relation_name(relid) : "-", what,
					GetUserNameFromId(GetSessionUserId(), false),
					GetUserNameFromId(GetUserId(), false),
					toms_context_stated_reason() ? toms_context_stated_reason() : "logical replication"),
			 errhidestmt(true), errhidecontext(true)));
}

uint64
toms_guard_administrator_count(void)
{
	return pg_atomic_read_u64(administrator_passes);
}
