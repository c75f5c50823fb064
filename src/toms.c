/*
 * toms.c - what is loaded, in the order of the slices.
 *
 * The library works only as a whole and from the start of the server: outside
 * shared_preload_libraries it refuses to load, so that the policies that call it fail
 * instead of answering without the guard.
 */
#include "postgres.h"

#include "base/crypto.h"
#include "base/debug_point.h"
#include "base/lock.h"
#include "base/reason.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "hooks.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

typedef struct SharedArea
{
	const char *name;
	Size		(*size) (void);
	void		(*init) (bool found, void *area);
	Size		(*beside) (void);	/* what init() allocates by itself, or NULL */
} SharedArea;

static const SharedArea shared_areas[] = {
	{"toms refusals", toms_reason_shmem_size, toms_reason_shmem_init, NULL},
	{"toms context", toms_context_shmem_size, toms_context_shmem_init, NULL},
	{"toms guard", toms_guard_shmem_size, toms_guard_shmem_init, toms_guard_shmem_beside},
};

extern PGDLLEXPORT void _PG_init(void);

void
toms_shmem_request(void)
{
	for (int i = 0; i < lengthof(shared_areas); i++)
	{
		RequestAddinShmemSpace(shared_areas[i].size());
		if (shared_areas[i].beside)
			RequestAddinShmemSpace(shared_areas[i].beside());
	}
	RequestNamedLWLockTranche("toms", TOMS_LOCK_COUNT);
}

void
toms_shmem_startup(void)
{
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(shared_areas); i++)
	{
		bool		found;
		void	   *area = ShmemInitStruct(shared_areas[i].name, shared_areas[i].size(), &found);

		shared_areas[i].init(found, area);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("toms must be loaded by shared_preload_libraries"),
				 errhint("Add toms to shared_preload_libraries in postgresql.conf and restart the server.")));

	toms_crypto_init();
	TOMS_DEBUG_POINT_INIT();
	toms_catalog_init();
	toms_keyring_init();
	toms_context_init();
	toms_guard_init();
	MarkGUCPrefixReserved("toms");
	toms_hooks_install();
}
