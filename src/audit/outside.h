/*
 * outside.h - the log outside of the data directory, of what must not be undone unnoticed.
 *
 * One file per database, named after toms.dataset, in the directory toms.outside: lines of JSON,
 * numbered, each signed and with the digest of the line before.  The digests of blocks go there;
 * other types of records may.
 */
#ifndef TOMS_OUTSIDE_H
#define TOMS_OUTSIDE_H

#include "postgres.h"

#include "trail/trail.h"

#define TOMS_OUTSIDE_LINE_LIMIT 65536

extern void toms_outside_init(void);
extern bool toms_outside_configured(void);

/* What hinders the log from being read or, with "writing", written, in words; NULL: nothing. */
extern char *toms_outside_problem(bool writing);

/* A line that has been read; what it does not have is zero or NULL. */
typedef struct TomsOutsideLine
{
	const char *text;
	size_t		length;			/* without the newline */
	bool		whole;			/* it is a record; else the rest is not set */
	int64		n;
	char	   *dataset;
	char	   *type;
	int64		block;
	uint64		system;
	Oid			database;
	int32		timeline;
	uint8		digest[TOMS_HASH_BYTES];
	uint8		previous[TOMS_HASH_BYTES];
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];
	size_t		signed_length;	/* of the text: what the signature is over */
} TomsOutsideLine;

/* A dataset that the log of this database is of, another one than "but" (NULL: any); false: there is none. */
extern bool toms_outside_find(const uint8 *but, uint8 dataset[16]);

extern void toms_outside_parse(const char *text, size_t length, TomsOutsideLine *line);
extern bool toms_outside_signed(const TomsOutsideLine *line);

/*
 * Append records.  Within a transaction: others wait until it ends.  Refused (55000) if toms.outside
 * cannot be used.  close() has brought them to disk when it returns.
 *
 *   log = toms_outside_open(dataset);
 *   toms_outside_add(log, "erasure", "\"request\":17,\"at\":\"...Z\"");
 *   toms_outside_close(log);
 */
typedef struct TomsOutside TomsOutside;

extern TomsOutside *toms_outside_open(const uint8 dataset[16]);
extern void toms_outside_add(TomsOutside *log, const char *type, const char *members);
extern void toms_outside_close(TomsOutside *log);

/* Number of the last record. */
extern int64 toms_outside_last(const TomsOutside *log);

/* From the last line to the first; false: there is none before. */
extern bool toms_outside_step_back(TomsOutside *log, TomsOutsideLine *line);

/* Read it from the first line on; NULL: there is no such file.  A line lives until the next one. */
typedef struct TomsOutsideReader TomsOutsideReader;

extern TomsOutsideReader *toms_outside_read(const uint8 dataset[16]);
extern bool toms_outside_next(TomsOutsideReader *reader, TomsOutsideLine *line);
extern void toms_outside_skip_blocks(TomsOutsideReader *reader);	/* most lines are */
extern void toms_outside_end(TomsOutsideReader *reader);

#endif							/* TOMS_OUTSIDE_H */
