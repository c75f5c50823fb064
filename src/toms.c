/*
 * toms.c - what is loaded, in the order of the slices.
 *
 * The library works only as a whole and from the start of the server: outside
 * shared_preload_libraries it refuses to load, so that the policies that call it fail
 * instead of answering without the guard.
 */
#include "postgres.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/debug_point.h"
#include "base/version.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "evidence/evidence.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "hooks.h"
#include "keyring/keyring.h"
#include "login/login.h"
#include "miscadmin.h"
#include "purpose/purpose.h"
#include "retention/retention.h"
#include "rights/rights.h"
#include "seal/seal.h"
#include "trail/trail.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("toms must be loaded by shared_preload_libraries"),
				 errhint("Add toms to shared_preload_libraries in postgresql.conf and restart the server.")));

	toms_clock_init();
	toms_crypto_init();
	TOMS_DEBUG_POINT_INIT();
	toms_version_init();
	toms_catalog_init();
	toms_event_init();
	toms_keyring_init();
	toms_context_init();
	toms_purpose_init();
	toms_seal_init();
	toms_guard_init();
	toms_login_init();
	toms_audit_init();
	toms_retention_init();
	toms_rights_init();
	toms_evidence_init();
	MarkGUCPrefixReserved("toms");
	toms_hooks_install();
}
