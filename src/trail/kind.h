/*
 * kind.h - what entries of the trail are about; part of trail.h.
 *
 * Letters are what tables, proofs and archives hold: they are never given another meaning.
 */
#ifndef TOMS_KIND_H
#define TOMS_KIND_H

/* Kinds of entries; each is kept in a table of its own, for a period of its own. */
typedef enum TomsEntryKind
{
	TOMS_ENTRY_WHO = 'w',		/* who acted, to which others refer */
	TOMS_ENTRY_OBJECT = 'o',	/* which table, with its columns, to which others refer */
	TOMS_ENTRY_CHANGE = 'c',	/* a row was added, changed or deleted, or all rows at once */
	TOMS_ENTRY_READ = 'r',		/* rows, or the values of a data subject, were read, exported or imported */
	TOMS_ENTRY_REFUSAL = 'x',	/* something was refused */
	TOMS_ENTRY_SESSION = 's',	/* somebody logged in or out, or tried to */
	TOMS_ENTRY_ADMIN = 'a',		/* an administrator's work: definitions, settings, administrative sessions */
	TOMS_ENTRY_DELETION = 'd'	/* rows whose period had passed: how many, by which rule */
} TomsEntryKind;

typedef enum TomsEntryVerb
{
	TOMS_VERB_NONE = '-',		/* of who and object */
	TOMS_VERB_INSERT = 'i',
	TOMS_VERB_UPDATE = 'u',
	TOMS_VERB_DELETE = 'd',
	TOMS_VERB_TRUNCATE = 't',

	TOMS_VERB_PSEUDONYMISE = 'p',	/* of kind deletion, as delete is */

	/* of kind read */
	TOMS_VERB_SELECT = 's',		/* a statement read the table */
	TOMS_VERB_REVEAL = 'v',		/* a value of the data subject was opened */
	TOMS_VERB_EXPORT = 'e',		/* COPY TO */
	TOMS_VERB_IMPORT = 'm',		/* COPY FROM */
	TOMS_VERB_TRAIL = 'a',		/* the audit trail was read */
	TOMS_VERB_ROWS = 'n',		/* how many rows came of a statement that an entry before tells of */

	/* of kind refusal */
	TOMS_VERB_REFUSE = 'r',
	TOMS_VERB_WOULD_REFUSE = 'w',	/* observe mode */

	/* of kind session */
	TOMS_VERB_LOGIN = 'l',
	TOMS_VERB_LOGIN_FAILED = 'f',
	TOMS_VERB_LOGIN_LOCKED = 'k',	/* refused, whatever the password */
	TOMS_VERB_UNLOCK = 'U',
	TOMS_VERB_LOGOUT = 'g',
	TOMS_VERB_EVENTS_LOST = 'y',	/* how many of these were not recorded, nobody having room for them */

	/* of kind admin */
	TOMS_VERB_ACCESS = 'A',		/* to a table, past its policies */
	TOMS_VERB_DDL = 'D',
	TOMS_VERB_SETTING = 'S',	/* of the server */
	TOMS_VERB_DECLARATION = 'C',	/* what toms enforces */
	TOMS_VERB_OPEN = 'O',		/* an administrative session */
	TOMS_VERB_CLOSE = 'Z',
	TOMS_VERB_APPROVE = 'P',
	TOMS_VERB_BREAK_GLASS = 'B',
	TOMS_VERB_RELEASE = 'R',	/* of an actor's name */
	TOMS_VERB_RETENTION_STOPPED = 'L',	/* more was due than a run may delete unasked */
	TOMS_VERB_FINDING = 'F',	/* the check has found something that was better before */
	TOMS_VERB_WRITER_STARTED = 'W',
	TOMS_VERB_WRITER_STOPPED = 'X'	/* all that was queued is written */
} TomsEntryVerb;

#endif							/* TOMS_KIND_H */
