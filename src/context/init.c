/*
 * init.c - composes the parts of slice context at server start.
 *
 * Called by toms.c only.  The shared area holds the key set, then the token tables.
 */
#include "context/context_int.h"

#include "catalog/catalog.h"
#include "storage/shmem.h"

void
toms_context_init(void)
{
	toms_settings_init();
	toms_token_init();
	toms_work_init();
	toms_event_who = toms_context_words;
	toms_event_is_wanted = toms_catalog_is_installed;
}

Size
toms_context_shmem_size(void)
{
	return add_size(toms_jwks_shmem_size(), toms_verified_shmem_size());
}

void
toms_context_shmem_init(bool found, void *area)
{
	toms_jwks_shmem_init(found, area);
	toms_verified_shmem_init(found, (char *) area + toms_jwks_shmem_size());
}
