/*
 * audit_int.h - between the files of slice audit.
 */
#ifndef TOMS_AUDIT_INT_H
#define TOMS_AUDIT_INT_H

#include "audit/audit.h"

#include "access/attnum.h"
#include "lib/stringinfo.h"
#include "trail/trail.h"
#include "utils/relcache.h"

/*
 * record.c: take an entry into the trail with this transaction.  begin() fills in id, at and xid,
 * under whose nonce the payload is sealed; add() copies all that the entry refers to.
 */
extern void toms_record_init(void);
extern void toms_record_begin(TomsEntry *entry);

/* The same of what has its number and time already; it gets another number if the segment was opened after it. */
extern void toms_record_begin_as(TomsEntry *entry, int64 id, TimestampTz at);
extern void toms_record_add(const TomsEntry *entry);
extern void toms_record_write(void);	/* at once what was added, not when the transaction commits */

/* Months since year 0, UTC: what entries say of others they say anew in each, since they go by months. */
extern int32 toms_record_month(TimestampTz at);

/* The table that entries of a kind are kept in at a time; InvalidOid: there is none. */
extern Oid	toms_record_table(char kind, TimestampTz at);

/*
 * Raised when entries that others refer to were rolled back, or may be: who remembers some has to
 * forget them all and add new ones.
 */
extern uint64 toms_record_losses(void);

/*
 * payload.c: seal the text for the entry under the key of its tenant and the subject ("": nobody)
 * for this month.  Of what is nobody's, or of a tenant who is not registered, nothing is sealed.
 */
extern void toms_payload_seal(TomsEntry *entry, const char *subject, const StringInfoData *text);

extern void toms_payload_init(void);

/* findings.c: if the entry says that it is unusual, who listens is told when this transaction has committed, and the server log. */
extern void toms_finding_tell(const TomsEntry *entry, const char *details);

/* Payloads are in UTF-8, whatever the database is in. */
extern void toms_payload_to_utf8(StringInfo text);

/* The OID of toms.audit_entry: keys of payloads are of this relation. */
extern Oid	toms_payload_relation(void);

/* who.c: the entry that says who acts in this session, or who acted as an event says; for entries of that time. */
extern int64 toms_who(TimestampTz at);
extern int64 toms_who_entry(const TomsWho *who, TimestampTz at);

/*
 * writer.c: make entries of what is queued for this database, in transactions of its own.  False if there is nothing; an
 * error if it cannot be written now, whatever it is.
 */
extern bool toms_writer_drain(void);

/* setting.c: tell of settings that have changed, if that is due, in a transaction of its own; it is due at start. */
extern bool toms_settings_compare(void);
extern void toms_settings_look_again(void);

/* session.c: the same of log-ins and attempts, which come from all over the server; no error of it is raised. */
extern bool toms_session_drain(void);

/* lifetime.c: tell of the writer's start with what is written next, in its transaction; whether there is something to write to; of its end. */
extern void toms_lifetime_begin(void);
extern bool toms_lifetime_is_due(void);
extern void toms_lifetime_end(void);

/* object.c: the entry that describes a table in these words, for entries of that time. */
extern int64 toms_object_entry(Oid relid, const StringInfoData *text, TimestampTz at);

/* A table as entries tell of it. */
typedef struct TomsObject
{
	int64		entry;			/* of kind object */
	int			nkeys;			/* columns of its primary key or replica identity; 0: it has none */
	AttrNumber *keys;
} TomsObject;

extern void toms_object_init(void);
extern const TomsObject *toms_object(Relation rel, Oid root, TimestampTz at);

/* partition.c: run SQL that writes to the trail or changes its tables, as the current user. */
extern void toms_partition_init(void);
extern void toms_trail_run(const char *statements);

#endif							/* TOMS_AUDIT_INT_H */
