/*
 * admin.h - administrative sessions, between the files of slice guard.
 *
 * Who bypasses row security reaches protected tables in a session that he has opened under his name, or for a stated
 * reason.  It is the backend's, whatever becomes of transactions.
 */
#ifndef TOMS_ADMIN_H
#define TOMS_ADMIN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "guard/guard_int.h"
#include "nodes/nodes.h"
#include "trail/trail.h"

#define TOMS_PERSON_BYTES 128
#define TOMS_TICKET_BYTES 64
#define TOMS_SESSION_REASON_BYTES 1024

typedef enum TomsAdminKind
{
	TOMS_ADMIN_NONE,
	TOMS_ADMIN_BY_REASON,		/* toms.reason is set: it lasts as long */
	TOMS_ADMIN_OPENED,			/* by toms.open_admin_session() */
	TOMS_ADMIN_BROKEN_GLASS
} TomsAdminKind;

typedef enum TomsAdminState
{
	TOMS_ADMIN_ASKED,			/* waits for another officer */
	TOMS_ADMIN_OPEN,
	TOMS_ADMIN_REFUSED
} TomsAdminState;

/* What others see of a backend's session, in shared memory; written under TOMS_LOCK_ADMIN. */
typedef struct TomsAdminSlot
{
	pid_t		pid;			/* 0: none */
	Oid			database;
	Oid			login;			/* who logged in, whatever he is now */
	int64		id;				/* of its entry */
	TomsAdminKind kind;
	TomsAdminState state;
	TimestampTz since;
	TimestampTz until;			/* DT_NOEND: as long as its reason */
	char		login_name[NAMEDATALEN];
	char		approved_by[NAMEDATALEN];
	char		person[TOMS_PERSON_BYTES];
	char		ticket[TOMS_TICKET_BYTES];
	char		reason[TOMS_SESSION_REASON_BYTES];
} TomsAdminSlot;

/* admin_table.c */
extern Size toms_admin_shmem_size(void);
extern void toms_admin_shmem_init(void);
extern void toms_admin_publish(const TomsAdminSlot *slot);	/* this backend's */
extern void toms_admin_unpublish(void);
extern TomsAdminSlot toms_admin_published(void);	/* pid 0: none */
extern bool toms_admin_is_open_in(pid_t pid);
extern int	toms_admin_slots(void);
extern bool toms_admin_slot(int i, TomsAdminSlot *slot);
extern TomsAdminSlot toms_admin_asked(int64 id);	/* pid 0: nobody waits under that number */
extern bool toms_admin_answer(int64 id, TomsAdminState state, const char *by, TimestampTz until);

/* admin.c: the session of this backend. */
extern void toms_admin_init(void);
extern void toms_admin_begin(TomsAdminSlot *session, int64 entry);	/* 0: it is not told of yet */
extern int64 toms_admin_tell_glass(bool strict);	/* the entry; 0: the trail cannot take it in now */
extern bool toms_admin_end(const char *how);	/* false: there is none; raises nothing, looks up nothing */
extern TomsAdminSlot *toms_admin_session(void); /* settled; NULL: none */

/* Whether an administrator may pass. */
extern bool toms_admin_is_open(void);
extern bool toms_admin_glass_is_broken(void);

/* He passes: it goes on record, the first time before it happens.  "what": verbs, or "ddl". */
extern void toms_admin_touch(Oid relid, const char *what);

/* DISCARD ALL, RESET ALL and RESET toms.reason end a session. */
extern void toms_admin_before_utility(Node *statement);

/* Whether what administrators do is taken into the trail. */
extern bool toms_admin_is_recorded(void);

/* An event of kind admin. */
extern TomsMark toms_admin_event(TomsEntryVerb verb, Oid relid, const char *details, bool strict);

/* toms.admin_approval, and its timeout; toms.admin_session_timeout: in milliseconds. */
extern bool toms_admin_needs_approval(void);
extern int	toms_admin_approval_timeout(void);
extern int	toms_admin_session_timeout(void);

/* Text of an argument; refuses what is too long, empty or would look like several lines.  NULL if it may be missing. */
extern char *toms_admin_text(FunctionCallInfo fcinfo, int i, const char *name, int bytes);

/* admin_ddl.c, admin_setting.c: DDL on protected tables, and changes of settings, that are going to be tried. */
extern void toms_admin_tell_of_ddl(Node *statement);
extern bool toms_admin_is_told(void);

/* Tell of a command for a protected table; for what else a statement names, the tables of toms and views too; for no table. */
extern void toms_admin_tell(Oid relid, const char *command, const char *key, const char *value);
extern void toms_admin_tell_of_relation(Oid relid, const char *command, const char *key, const char *value);
extern void toms_admin_tell_of_none(const char *command, const char *key, const char *value);

/* admin_reach.c: DDL that reaches protected tables without naming them, and views; false: it is none. */
extern bool toms_admin_reaches(Node *statement);
extern void toms_admin_tell_of_reach(Node *statement);
extern bool toms_admin_tell_of_view(Oid relid, const char *command);

extern void toms_admin_check_setting(Node *statement);

#endif							/* TOMS_ADMIN_H */
