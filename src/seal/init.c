/*
 * init.c - what slice seal sets up when the library is loaded.
 */
#include "seal/seal_int.h"

void
toms_seal_init(void)
{
	toms_data_key_init();
	toms_catalogue_init();
	toms_password_init();
}
