/*
 * init.c - start and shared memory of slice guard, and the record of administrators.
 *
 * Called by toms.c and shmem.c, and by check.c for each administrative access.  The counter
 * is atomic and needs no lock; observe.c keeps its own table beside it.
 */
#include "guard/admin.h"

#include "base/compat.h"
#include "context/context.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
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
	return add_size(toms_observe_shmem_size(), toms_admin_shmem_size());
}

void
toms_guard_shmem_init(bool found, void *area)
{
	administrator_passes = area;
	if (!found)
		pg_atomic_init_u64(administrator_passes, 0);
	toms_observe_shmem_init();
	toms_admin_shmem_init();
}

/* What a session is open for, in one line. */
static const char *
reason_of_session(void)
{
	const TomsAdminSlot *session = toms_admin_session();

	if (session && session->kind != TOMS_ADMIN_BY_REASON)
		return psprintf("%s%s%s", session->reason, session->person[0] ? " person=" : "", session->person);
	return toms_context_stated_reason() ? toms_context_stated_reason() : "logical replication";
}

void
toms_guard_record_administrator(Oid relid, const char *what)
{
	toms_admin_touch(relid, what);
	pg_atomic_fetch_add_u64(administrator_passes, 1);
	ereport(LOG_SERVER_ONLY,
			(errmsg("toms administrative access: table=%s verbs=%s login=%s user=%s reason=%s",
					OidIsValid(relid) ? toms_relation_name(relid) : "-", what,
					GetUserNameFromId(GetSessionUserId(), false),
					GetUserNameFromId(GetUserId(), false),
					reason_of_session()),
			 errhidestmt(true), errhidecontext(true)));
}

uint64
toms_guard_administrator_count(void)
{
	return pg_atomic_read_u64(administrator_passes);
}
