/*
 * reader.h - reading the audit trail is recorded; between the files of slice audit.
 */
#ifndef TOMS_AUDIT_READER_H
#define TOMS_AUDIT_READER_H

#include "postgres.h"

#include "trail/trail.h"

/*
 * Record, durably, that who calls reads of the trail or works on it, with details as an event has them; then wait
 * until all that happened before is durable too.  Refuses if that cannot be.
 */
extern void toms_reading_note(TomsEntryKind kind, TomsEntryVerb verb, const char *details);

#endif							/* TOMS_AUDIT_READER_H */
