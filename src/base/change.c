/*
 * change.c - the counter of change.h.
 */
#include "base/change.h"

uint64		toms_change_count = 1;
