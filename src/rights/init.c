/*
 * init.c - what slice rights defines when the library is loaded.
 */
#include "rights/rights.h"

void
toms_rights_init(void)
{
}
