/*
 * message.h - what is in a queue: an event, as its session tells it; part of trail.h.
 *
 * A message lies in shared memory as it is, in one piece.
 */
#ifndef TOMS_MESSAGE_H
#define TOMS_MESSAGE_H

#include "postgres.h"

#include "base/crypto.h"
#include "datatype/timestamp.h"

/* What a message says in words; in UTF-8 are those that are JSON. */
typedef enum TomsMessageText
{
	TOMS_TEXT_TENANT,			/* none: nobody's */
	TOMS_TEXT_ACTOR,			/* of the context */
	TOMS_TEXT_SUBJECT,			/* whose data; the entry is sealed under his key */
	TOMS_TEXT_WHO,				/* JSON: who acts */
	TOMS_TEXT_OBJECT,			/* JSON: the table */
	TOMS_TEXT_DETAILS,			/* members of JSON, without braces */
	TOMS_MESSAGE_TEXTS
} TomsMessageText;

typedef struct TomsMessage
{
	uint32		size;			/* with what follows it, aligned */
	char		kind;
	char		verb;
	bool		is_open;		/* what it tells of is under way */
	bool		is_filler;		/* nothing but room up to the end of the ring */
	Oid			object;			/* table; InvalidOid: none */
	uint16		lengths[TOMS_MESSAGE_TEXTS];	/* in bytes; 0: there is none */
	int64		id;				/* of the entry */
	TimestampTz at;
	TimestampTz until;			/* of the last one, if it tells of several */
	int64		times;			/* 1 or more */
	int64		rows;			/* -1: not told */
	int64		of;				/* entry whose rows it tells; 0: its own */
	uint8		who[TOMS_DIGEST_BYTES]; /* of WHO and TENANT */
	char		texts[FLEXIBLE_ARRAY_MEMBER];	/* one after the other, not terminated */
} TomsMessage;

/* The end of the ring may have room for a size alone. */
static inline bool
toms_message_is_filler(const TomsMessage *message)
{
	return message->size < offsetof(TomsMessage, texts) || message->is_filler;
}

/* Longest message; every ring has room for some. */
#define TOMS_MESSAGE_BYTES 16384

/* Where a message is, in bytes since the queue was made. */
typedef struct TomsMark
{
	uint64		start;
	uint64		end;
	int64		id;				/* of its entry; 0: there is no message */
	int			turn;			/* with which of the queue's waiters it is waited for */
} TomsMark;

#endif							/* TOMS_MESSAGE_H */
