/*
 * record.c - entries of the trail on their way into its tables.
 */
#include "audit/audit_int.h"

void
toms_record_init(void)
{
}
