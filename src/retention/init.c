/*
 * init.c - what slice retention defines when the library is loaded.
 */
#include "retention/retention_int.h"

void
toms_retention_init(void)
{
	toms_position_init();
}
