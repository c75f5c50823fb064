/*
 * change.c - the counters of change.h.
 */
#include "base/change.h"

uint64		toms_change_count = 1;
uint64		toms_configuration_count = 1;
uint64		toms_last_change = 1;
