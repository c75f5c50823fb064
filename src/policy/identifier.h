/*
 * identifier.h - tenants and subjects as tokens write them, and as columns hold them; part of policy.h.
 */
#ifndef TOMS_POLICY_IDENTIFIER_H
#define TOMS_POLICY_IDENTIFIER_H

#include "postgres.h"

/*
 * A tenant's or subject's id in a column of "type" as tokens write it, in TOMS_IDENTIFIER_BYTES of
 * room.  False if it is longer than a token's can be.
 */
#define TOMS_IDENTIFIER_BYTES 256
extern bool toms_identifier_text(Oid type, Datum value, char text[TOMS_IDENTIFIER_BYTES]);

/*
 * An identifier of the context as a value of a column's type (int2, int4, int8, uuid,
 * text).  False unless the text is exactly what that value prints as, so that "7" and
 * "007" are never the same person in one place and two in another.
 */
extern bool toms_identifier_value(const char *text, Oid type, Datum *value);

#endif							/* TOMS_POLICY_IDENTIFIER_H */
