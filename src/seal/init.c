/*
 * init.c - what slice seal sets up when the library is loaded.
 */
#include "seal/seal_int.h"

#include <limits.h>

#include "utils/guc.h"

/* Read by toms.destroy_old_epochs(). */
static int	key_grace;

void
toms_seal_init(void)
{
	DefineCustomIntVariable("toms.key_grace",
							"How long the key of a former epoch is kept.",
							"A backup that is younger opens by itself, an older one with toms.adopt_keys() only.",
							&key_grace, 30 * 86400, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	toms_data_key_init();
	toms_catalogue_init();
	toms_password_init();
	toms_view_init();
}
